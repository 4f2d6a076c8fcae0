/* The path for AVX-512 with VNNI. */
#if defined(__x86_64__)
#if defined(__clang__)
#pragma clang attribute push(__attribute__((target("avx512f,avx512bw,avx512dq,avx512vl,avx512vnni"))), apply_to = function)
#else
#pragma GCC target("avx512f,avx512bw,avx512dq,avx512vl,avx512vnni,prefer-vector-width=512")
#endif
#define WIDTH 16
#define STEP step_avx512
#define DOT "dot_avx512.h"
#include "step.h"
#if defined(__clang__)
#pragma clang attribute pop
#endif
#endif
