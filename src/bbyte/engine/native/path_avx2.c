/* The path for AVX2. FMA stays off: each product is rounded before it is added. */
#if defined(__x86_64__)
#if defined(__clang__)
#pragma clang attribute push(__attribute__((target("avx2"))), apply_to = function)
#else
#pragma GCC target("avx2")
#endif
#define WIDTH 8
#define STEP step_avx2
#define DOT "dot_avx2.h"
#include "step.h"
#if defined(__clang__)
#pragma clang attribute pop
#endif
#endif
