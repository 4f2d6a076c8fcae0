/* Integer sums of two blocks' rows with AVX2. maddubs adds pairs of products in 16 bits, at most 2 x 2 x 127; those of
   16 groups of columns still fit. */
#include <immintrin.h>
enum { DOT_ROWS = 4, GROUPS_IN_16_BITS = 16 };

/* A compiler that adds up in another order runs out of registers. */
#define AS_IT_STANDS(x) __asm__("" : "+x"(x))

typedef struct {
    __m256i of[4];
} unpacked;

INLINE unpacked unpack(const uint8_t *w) {
    __m256i packed = _mm256_loadu_si256((const __m256i *)w), two_bits = _mm256_set1_epi8(3);
    return (unpacked){{_mm256_and_si256(packed, two_bits),
                       _mm256_and_si256(_mm256_srli_epi16(packed, 2), two_bits),
                       _mm256_and_si256(_mm256_srli_epi16(packed, 4), two_bits),
                       _mm256_and_si256(_mm256_srli_epi16(packed, 6), two_bits)}};
}

INLINE __m256i four_codes(const int8_t *codes) {
    int32_t four;
    memcpy(&four, codes, 4);
    return _mm256_set1_epi32(four);
}

INLINE __m256i dot_of_eight_rows(__m256i sum, unpacked w, const int8_t *codes) {
    __m256i a = _mm256_add_epi16(_mm256_maddubs_epi16(w.of[0], four_codes(codes)),
                                 _mm256_maddubs_epi16(w.of[1], four_codes(codes + 4)));
    __m256i b = _mm256_add_epi16(_mm256_maddubs_epi16(w.of[2], four_codes(codes + 8)),
                                 _mm256_maddubs_epi16(w.of[3], four_codes(codes + 12)));
    __m256i pairs = _mm256_add_epi16(a, b);
    return _mm256_add_epi32(sum, _mm256_madd_epi16(pairs, _mm256_set1_epi16(1)));
}

INLINE void dot_one(const uint8_t *w0, const uint8_t *w1, int64_t groups, const int8_t *codes, int32_t out[2][16]) {
    __m256i s0 = _mm256_setzero_si256(), s1 = s0, s2 = s0, s3 = s0;
    for (int64_t g = 0; g < groups; g++, w0 += 64, w1 += 64, codes += 16) {
        s0 = dot_of_eight_rows(s0, unpack(w0), codes);
        s1 = dot_of_eight_rows(s1, unpack(w0 + 32), codes);
        s2 = dot_of_eight_rows(s2, unpack(w1), codes);
        s3 = dot_of_eight_rows(s3, unpack(w1 + 32), codes);
    }
    _mm256_storeu_si256((__m256i *)out[0], s0);
    _mm256_storeu_si256((__m256i *)(out[0] + 8), s1);
    _mm256_storeu_si256((__m256i *)out[1], s2);
    _mm256_storeu_si256((__m256i *)(out[1] + 8), s3);
}

INLINE void add_pairs(int32_t *out, __m256i sums) {
    __m256i before = _mm256_loadu_si256((const __m256i *)out), pairs = _mm256_madd_epi16(sums, _mm256_set1_epi16(1));
    _mm256_storeu_si256((__m256i *)out, _mm256_add_epi32(before, pairs));
}

INLINE void dot_block(const uint8_t *w, int64_t groups, const int8_t *codes, int64_t stride, int32_t *out) {
    __m256i two_bits = _mm256_set1_epi8(3);
    for (int r = 0; r < DOT_ROWS; r++) memset(out + 32 * r, 0, 16 * sizeof *out);
    for (int64_t left = groups; left > 0; left -= GROUPS_IN_16_BITS) {
        __m256i sums[DOT_ROWS][2];
        for (int r = 0; r < DOT_ROWS; r++) sums[r][0] = sums[r][1] = _mm256_setzero_si256();
        for (int64_t g = left < GROUPS_IN_16_BITS ? left : GROUPS_IN_16_BITS; g > 0; g--, w += 64, codes += 16) {
            __m256i p = _mm256_loadu_si256((const __m256i *)w), q = _mm256_loadu_si256((const __m256i *)(w + 32));
#pragma GCC unroll 4
            for (int j = 0; j < 4; j++) {
                __m256i a = _mm256_and_si256(_mm256_srli_epi16(p, 2 * j), two_bits);
                __m256i b = _mm256_and_si256(_mm256_srli_epi16(q, 2 * j), two_bits);
#pragma GCC unroll 4
                for (int r = 0; r < DOT_ROWS; r++) {
                    __m256i c = four_codes(codes + r * stride + 4 * j);
                    sums[r][0] = _mm256_add_epi16(sums[r][0], _mm256_maddubs_epi16(a, c));
                    sums[r][1] = _mm256_add_epi16(sums[r][1], _mm256_maddubs_epi16(b, c));
                    AS_IT_STANDS(sums[r][0]);
                    AS_IT_STANDS(sums[r][1]);
                }
            }
        }
        for (int r = 0; r < DOT_ROWS; r++)
            add_pairs(out + 32 * r, sums[r][0]), add_pairs(out + 32 * r + 8, sums[r][1]);
    }
}

INLINE void dot_many(const uint8_t *w0, const uint8_t *w1, int64_t groups, const int8_t *codes, int64_t stride,
                     int32_t out[DOT_ROWS][2][16]) {
    dot_block(w0, groups, codes, stride, out[0][0]);
    if (w1 != w0) dot_block(w1, groups, codes, stride, out[0][1]);
}
