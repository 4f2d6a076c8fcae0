/* Integer sums of one block's 16 rows, in C that any compiler understands. */
enum { DOT_ROWS = 1 };

INLINE void dot_block(const uint8_t *w, int64_t groups, const int8_t *codes, int32_t *out) {
    int32_t sums[64] = {0};
    for (int64_t g = 0; g < groups; g++, w += 64, codes += 16)
        for (int i = 0; i < 64; i++)
            sums[i] += (w[i] & 3) * codes[i & 3] + (w[i] >> 2 & 3) * codes[4 + (i & 3)] +
                       (w[i] >> 4 & 3) * codes[8 + (i & 3)] + (w[i] >> 6) * codes[12 + (i & 3)];
    for (int r = 0; r < 16; r++) out[r] = (sums[4 * r] + sums[4 * r + 1]) + (sums[4 * r + 2] + sums[4 * r + 3]);
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
