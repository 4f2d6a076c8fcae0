/* Integer sums of two blocks' rows with AVX2: maddubs adds pairs of products, at most 2 x 2 x 127, in 16 bits;
   four of those still fit. */
#include <immintrin.h>
enum { DOT_ROWS = 4 };

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

INLINE void dot_half(const uint8_t *w, int64_t groups, const int8_t *codes, int64_t stride, int32_t *out) {
    __m256i s0 = _mm256_setzero_si256(), s1 = s0, s2 = s0, s3 = s0;
    for (int64_t g = 0; g < groups; g++, w += 64, codes += 16) {
        unpacked eight = unpack(w);
        s0 = dot_of_eight_rows(s0, eight, codes);
        s1 = dot_of_eight_rows(s1, eight, codes + stride);
        s2 = dot_of_eight_rows(s2, eight, codes + 2 * stride);
        s3 = dot_of_eight_rows(s3, eight, codes + 3 * stride);
    }
    _mm256_storeu_si256((__m256i *)out, s0);
    _mm256_storeu_si256((__m256i *)(out + 32), s1);
    _mm256_storeu_si256((__m256i *)(out + 64), s2);
    _mm256_storeu_si256((__m256i *)(out + 96), s3);
}

INLINE void dot_many(const uint8_t *w0, const uint8_t *w1, int64_t groups, const int8_t *codes, int64_t stride,
                     int32_t out[DOT_ROWS][2][16]) {
    dot_half(w0, groups, codes, stride, out[0][0]);
    dot_half(w0 + 32, groups, codes, stride, out[0][0] + 8);
    if (w1 == w0) return;
    dot_half(w1, groups, codes, stride, out[0][1]);
    dot_half(w1 + 32, groups, codes, stride, out[0][1] + 8);
}
