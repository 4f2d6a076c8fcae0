/* Lets the core be built as any extension is; it is loaded by ctypes and has no Python in it. */
#include "engine.h"

EXPORT void *PyInit__core(void);
void *PyInit__core(void) { return NULL; }
