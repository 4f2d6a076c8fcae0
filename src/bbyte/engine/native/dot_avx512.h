/* Integer sums of two blocks' rows with AVX-512 VNNI: 64 products of bytes in one instruction. */
#include <immintrin.h>
enum { DOT_ROWS = 8, AHEAD = 1536 }; /* bytes; large models are read from memory, whose pages end before rows do */

INLINE __m512i four_codes(const int8_t *codes) {
    int32_t four;
    memcpy(&four, codes, 4);
    return _mm512_set1_epi32(four);
}

/* The trits of a byte stay where they are, so that each sum is one of multiples of 1, 4, 16 or 64: at most
   MOST_COLUMNS / 4 products of 128 x 127, which 32 bits hold. */
INLINE void dot_one(const uint8_t *w0, const uint8_t *w1, int64_t groups, const int8_t *codes, int32_t out[2][16]) {
    __m512i m0 = _mm512_set1_epi8(3), m1 = _mm512_set1_epi8(12), m2 = _mm512_set1_epi8(48), m3 = _mm512_set1_epi8(-64);
    __m512i a0 = _mm512_setzero_si512(), a1 = a0, a2 = a0, a3 = a0, b0 = a0, b1 = a0, b2 = a0, b3 = a0;
    for (int64_t g = 0; g < groups; g++, w0 += 64, w1 += 64, codes += 16) {
        _mm_prefetch((const char *)w0 + AHEAD, _MM_HINT_T0);
        _mm_prefetch((const char *)w1 + AHEAD, _MM_HINT_T0);
        __m512i p = _mm512_loadu_si512(w0), q = _mm512_loadu_si512(w1);
        __m512i c0 = four_codes(codes), c1 = four_codes(codes + 4), c2 = four_codes(codes + 8), c3 = four_codes(codes + 12);
        a0 = _mm512_dpbusd_epi32(a0, _mm512_and_si512(p, m0), c0);
        b0 = _mm512_dpbusd_epi32(b0, _mm512_and_si512(q, m0), c0);
        a1 = _mm512_dpbusd_epi32(a1, _mm512_and_si512(p, m1), c1);
        b1 = _mm512_dpbusd_epi32(b1, _mm512_and_si512(q, m1), c1);
        a2 = _mm512_dpbusd_epi32(a2, _mm512_and_si512(p, m2), c2);
        b2 = _mm512_dpbusd_epi32(b2, _mm512_and_si512(q, m2), c2);
        a3 = _mm512_dpbusd_epi32(a3, _mm512_and_si512(p, m3), c3);
        b3 = _mm512_dpbusd_epi32(b3, _mm512_and_si512(q, m3), c3);
    }
    a0 = _mm512_add_epi32(_mm512_add_epi32(a0, _mm512_srai_epi32(a1, 2)),
                          _mm512_add_epi32(_mm512_srai_epi32(a2, 4), _mm512_srai_epi32(a3, 6)));
    b0 = _mm512_add_epi32(_mm512_add_epi32(b0, _mm512_srai_epi32(b1, 2)),
                          _mm512_add_epi32(_mm512_srai_epi32(b2, 4), _mm512_srai_epi32(b3, 6)));
    _mm512_storeu_si512(out[0], a0);
    _mm512_storeu_si512(out[1], b0);
}

INLINE void dot_many(const uint8_t *w0, const uint8_t *w1, int64_t groups, const int8_t *codes, int64_t stride,
                     int32_t out[DOT_ROWS][2][16]) {
    __m512i two_bits = _mm512_set1_epi8(3), sums[DOT_ROWS][2];
    for (int r = 0; r < DOT_ROWS; r++) sums[r][0] = sums[r][1] = _mm512_setzero_si512();
    for (int64_t g = 0; g < groups; g++, w0 += 64, w1 += 64, codes += 16) {
        __m512i p = _mm512_loadu_si512(w0), q = _mm512_loadu_si512(w1);
#pragma GCC unroll 4
        for (int j = 0; j < 4; j++) {
            __m512i a = _mm512_and_si512(_mm512_srli_epi16(p, (unsigned)(2 * j)), two_bits);
            __m512i b = _mm512_and_si512(_mm512_srli_epi16(q, (unsigned)(2 * j)), two_bits);
#pragma GCC unroll 8
            for (int r = 0; r < DOT_ROWS; r++) {
                __m512i c = four_codes(codes + r * stride + 4 * j);
                sums[r][0] = _mm512_dpbusd_epi32(sums[r][0], a, c);
                sums[r][1] = _mm512_dpbusd_epi32(sums[r][1], b, c);
            }
        }
    }
    for (int r = 0; r < DOT_ROWS; r++) {
        _mm512_storeu_si512(out[r][0], sums[r][0]);
        _mm512_storeu_si512(out[r][1], sums[r][1]);
    }
}
