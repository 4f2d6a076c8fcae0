/* Integer sums of two blocks' rows with NEON: products of bytes in 16 bits, added up in pairs to 32. */
#include <arm_neon.h>
enum { DOT_ROWS = 1 };

INLINE int32x4_t dot_of_four_rows(int32x4_t sum, uint8x16_t trits, int8x16_t codes) {
    int8x16_t w = vreinterpretq_s8_u8(trits);
    int16x8_t low = vmull_s8(vget_low_s8(w), vget_low_s8(codes));
    int16x8_t high = vmull_s8(vget_high_s8(w), vget_high_s8(codes));
    return vpadalq_s16(sum, vpaddq_s16(low, high));
}

INLINE void dot_block(const uint8_t *w, int64_t groups, const int8_t *codes, int32_t *out) {
    int32x4_t sums[4] = {vdupq_n_s32(0), vdupq_n_s32(0), vdupq_n_s32(0), vdupq_n_s32(0)};
    uint8x16_t two_bits = vdupq_n_u8(3);
    for (int64_t g = 0; g < groups; g++, w += 64, codes += 16) {
        int32x4_t four = vreinterpretq_s32_s8(vld1q_s8(codes));
        int8x16_t c0 = vreinterpretq_s8_s32(vdupq_laneq_s32(four, 0)), c1 = vreinterpretq_s8_s32(vdupq_laneq_s32(four, 1));
        int8x16_t c2 = vreinterpretq_s8_s32(vdupq_laneq_s32(four, 2)), c3 = vreinterpretq_s8_s32(vdupq_laneq_s32(four, 3));
        for (int r = 0; r < 4; r++) {
            uint8x16_t packed = vld1q_u8(w + 16 * r);
            sums[r] = dot_of_four_rows(sums[r], vandq_u8(packed, two_bits), c0);
            sums[r] = dot_of_four_rows(sums[r], vandq_u8(vshrq_n_u8(packed, 2), two_bits), c1);
            sums[r] = dot_of_four_rows(sums[r], vandq_u8(vshrq_n_u8(packed, 4), two_bits), c2);
            sums[r] = dot_of_four_rows(sums[r], vshrq_n_u8(packed, 6), c3);
        }
    }
    for (int r = 0; r < 4; r++) vst1q_s32(out + 4 * r, sums[r]);
}

INLINE void dot_one(const uint8_t *w0, const uint8_t *w1, int64_t groups, const int8_t *codes, int32_t out[2][16]) {
    dot_block(w0, groups, codes, out[0]);
    if (w1 != w0) dot_block(w1, groups, codes, out[1]);
}

INLINE void dot_many(const uint8_t *w0, const uint8_t *w1, int64_t groups, const int8_t *codes, int64_t stride,
                     int32_t out[DOT_ROWS][2][16]) {
    (void)stride;
    dot_one(w0, w1, groups, codes, out[0]);
}
