/* 16 numbers at a time, in as many registers as the instruction set needs. WIDTH numbers fit one. Included by
   each path; everything here is inlined. */
#include <string.h>
#if WIDTH > 4
#include <immintrin.h>
#endif

#ifndef INLINE /* a build that looks for faults has its own */
#define INLINE static inline __attribute__((always_inline))
#endif
#define PARTS (LANES_OF_16 / WIDTH)

typedef float vf __attribute__((vector_size(4 * WIDTH)));
typedef int32_t vi __attribute__((vector_size(4 * WIDTH)));
typedef uint32_t vu __attribute__((vector_size(4 * WIDTH)));
typedef float vf_anywhere __attribute__((vector_size(4 * WIDTH), aligned(4)));
typedef int32_t vi_anywhere __attribute__((vector_size(4 * WIDTH), aligned(4)));
typedef uint16_t vh __attribute__((vector_size(2 * WIDTH)));
typedef uint16_t vh_anywhere __attribute__((vector_size(2 * WIDTH), aligned(2)));
typedef int8_t vb __attribute__((vector_size(WIDTH)));
typedef int8_t vb_anywhere __attribute__((vector_size(WIDTH), aligned(1)));

typedef struct {
    vf v[PARTS];
} f16;

#define EACH_PART for (int part = 0; part < PARTS; part++)

INLINE f16 all(float x) {
    f16 r;
    EACH_PART r.v[part] = x - (vf){0};
    return r;
}

/* What an ordered sum begins with: -0 + x is x itself, whatever x is. */
INLINE f16 nothing(void) { return all(-0.0f); }

INLINE f16 load(const float *p) {
    f16 r;
    EACH_PART r.v[part] = *(const vf_anywhere *)(p + part * WIDTH);
    return r;
}

INLINE void store(float *p, f16 x) {
    EACH_PART *(vf_anywhere *)(p + part * WIDTH) = x.v[part];
}

/* The first `count` numbers, the others 0. */
INLINE f16 load_some(const float *p, int64_t count) {
    if (count >= LANES_OF_16) return load(p);
    float kept[LANES_OF_16] = {0};
    memcpy(kept, p, (size_t)count * sizeof *p);
    return load(kept);
}

INLINE void store_some(float *p, f16 x, int64_t count) {
    if (count >= LANES_OF_16) {
        store(p, x);
        return;
    }
    float kept[LANES_OF_16];
    store(kept, x);
    memcpy(p, kept, (size_t)count * sizeof *p);
}

/* Numbers of 16 bits as 32-bit ones; compilers make up to six instructions of what is one. */
INLINE vu widened(const uint16_t *p) {
#if WIDTH == 16
    return (vu)_mm512_cvtepu16_epi32(_mm256_loadu_si256((const __m256i *)p));
#elif WIDTH == 8
    return (vu)_mm256_cvtepu16_epi32(_mm_loadu_si128((const __m128i *)p));
#else
    return __builtin_convertvector(*(const vh_anywhere *)p, vu);
#endif
}

/* 16 numbers of 16 bits, the upper halves of floats. */
INLINE f16 load_halves(const uint16_t *p) {
    f16 r;
    EACH_PART r.v[part] = (vf)(widened(p + part * WIDTH) << 16);
    return r;
}

INLINE f16 add(f16 a, f16 b) {
    EACH_PART a.v[part] += b.v[part];
    return a;
}

INLINE f16 subtract(f16 a, f16 b) {
    EACH_PART a.v[part] -= b.v[part];
    return a;
}

INLINE f16 times(f16 a, f16 b) {
    EACH_PART a.v[part] *= b.v[part];
    return a;
}

INLINE f16 over(f16 a, f16 b) {
    EACH_PART a.v[part] /= b.v[part];
    return a;
}

INLINE vf chosen(vi where, vf a, vf b) { return (vf)((where & (vi)a) | (~where & (vi)b)); }

/* What compilers do not recognise in a comparison. */
#if WIDTH == 16
#define IS_MAX(a, b) (vf)_mm512_max_ps((__m512)(a), (__m512)(b))
#define IS_MIN(a, b) (vf)_mm512_min_ps((__m512)(a), (__m512)(b))
#define IS_MAX_BITS(a, b) (vf)_mm512_max_epi32((__m512i)(a), (__m512i)(b))
#elif WIDTH == 8
#define IS_MAX(a, b) (vf)_mm256_max_ps((__m256)(a), (__m256)(b))
#define IS_MIN(a, b) (vf)_mm256_min_ps((__m256)(a), (__m256)(b))
#define IS_MAX_BITS(a, b) (vf)_mm256_max_epi32((__m256i)(a), (__m256i)(b))
#else
#define IS_MAX(a, b) chosen((a) > (b), a, b)
#define IS_MIN(a, b) chosen((a) < (b), a, b)
#define IS_MAX_BITS(a, b) chosen((vi)(a) > (vi)(b), a, b)
#endif

/* The second where one is no number: what is computed stands there, so that it is lost nowhere. */
INLINE f16 larger(f16 a, f16 b) {
    EACH_PART a.v[part] = IS_MAX(a.v[part], b.v[part]);
    return a;
}

INLINE f16 smaller(f16 a, f16 b) {
    EACH_PART a.v[part] = IS_MIN(a.v[part], b.v[part]);
    return a;
}

/* |b| or a, whichever has the larger bits: no number has larger ones than what is none. */
INLINE f16 larger_magnitude(f16 a, f16 b) {
    EACH_PART a.v[part] = IS_MAX_BITS(a.v[part], (vf)((vi)b.v[part] & 0x7fffffff));
    return a;
}

/* x where its place is below `count`, else `other`. */
INLINE f16 first_of(f16 x, int64_t count, float other) {
    static const int32_t places[LANES_OF_16] = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15};
    if (count >= LANES_OF_16) return x;
    EACH_PART {
        vi place = *(const vi_anywhere *)(places + part * WIDTH);
        x.v[part] = chosen(place < (int32_t)count, x.v[part], all(other).v[part]);
    }
    return x;
}

INLINE float largest_magnitude(f16 x) {
    int32_t p[LANES_OF_16];
    memcpy(p, &x, sizeof p);
    for (int half = 8; half; half /= 2)
        for (int i = 0; i < half; i++) p[i] = p[i] > p[i + half] ? p[i] : p[i + half];
    memcpy(&x, p, sizeof *p);
    return x.v[0][0];
}

/* tree: the end of S16, of 16 partial sums. Each half of what is left is added to the other. */
#if WIDTH > 4
#if WIDTH == 16
#define HALF(x, i) _mm512_extractf32x8_ps((__m512)x.v[0], i)
#else
#define HALF(x, i) (__m256)x.v[i]
#endif

INLINE float tree(f16 x) {
    __m256 eight = _mm256_add_ps(HALF(x, 0), HALF(x, 1));
    __m128 four = _mm_add_ps(_mm256_castps256_ps128(eight), _mm256_extractf128_ps(eight, 1));
    return (four[0] + four[2]) + (four[1] + four[3]);
}

INLINE float largest_of(f16 x) {
    __m256 eight = _mm256_max_ps(HALF(x, 0), HALF(x, 1));
    __m128 four = _mm_max_ps(_mm256_castps256_ps128(eight), _mm256_extractf128_ps(eight, 1));
    float a = four[0] > four[2] ? four[0] : four[2], b = four[1] > four[3] ? four[1] : four[3];
    return a > b ? a : b;
}
#else
INLINE float tree(f16 x) {
    float p[LANES_OF_16];
    store(p, x);
    for (int half = 8; half; half /= 2)
        for (int i = 0; i < half; i++) p[i] += p[i + half];
    return p[0];
}

INLINE float largest_of(f16 x) {
    float p[LANES_OF_16];
    store(p, x);
    for (int half = 8; half; half /= 2)
        for (int i = 0; i < half; i++) p[i] = p[i] > p[i + half] ? p[i] : p[i + half];
    return p[0];
}
#endif
