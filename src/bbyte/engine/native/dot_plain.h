/* Integer sums of two blocks' rows, 8 bytes at a time in 16 bits, in C that any compiler understands. */
enum { DOT_ROWS = 1, GROUPS_IN_16_BITS = 32 }; /* 32 x 4 x 2 x 127 fits */

typedef uint8_t bytes8 __attribute__((vector_size(8)));
typedef int16_t shorts8 __attribute__((vector_size(16)));

INLINE void dot_block(const uint8_t *w, int64_t groups, const int8_t *codes, int32_t *out) {
    int32_t sums[64] = {0};
    for (int64_t from = 0; from < groups; from += GROUPS_IN_16_BITS) {
        shorts8 some[8] = {{0}};
        int64_t end = from + GROUPS_IN_16_BITS < groups ? from + GROUPS_IN_16_BITS : groups;
        for (int64_t g = from; g < end; g++, w += 64, codes += 16) {
            shorts8 c[4];
            for (int j = 0; j < 4; j++) {
                const int8_t *four = codes + 4 * j;
                c[j] = (shorts8){four[0], four[1], four[2], four[3], four[0], four[1], four[2], four[3]};
            }
            for (int eight = 0; eight < 8; eight++) {
                bytes8 packed;
                memcpy(&packed, w + 8 * eight, 8);
                shorts8 v = __builtin_convertvector(packed, shorts8);
                some[eight] += (v & 3) * c[0] + (v >> 2 & 3) * c[1] + (v >> 4 & 3) * c[2] + (v >> 6) * c[3];
            }
        }
        for (int i = 0; i < 64; i++) sums[i] += some[i / 8][i % 8];
    }
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
