/* The path that every processor can take: 16 bytes at a time, which on ARM are NEON's. */
#define WIDTH 4
#define STEP step_plain
#if defined(__aarch64__)
#define DOT "dot_neon.h"
#else
#define DOT "dot_plain.h"
#endif
#include "step.h"
