/* What matrices read, and their products with it. A thread computes some blocks of 16 rows of the matrix. */

enum { DENSE_ROWS = 4 };

/* The share of `count` things that thread `id` takes. */
INLINE int64_t from_share(const session *s, int64_t count, int id) { return count * id / team_size(s->team); }

/* One row is prepared by every thread for itself, which is cheaper than waiting for one another. */
INLINE int is_alone(int64_t rows) { return rows == 1; }

INLINE input *prepared(session *s, int id, int64_t rows) { return is_alone(rows) ? &s->own[id] : &s->shared; }

INLINE int64_t first_row(const session *s, int id, int64_t rows) {
    return is_alone(rows) ? 0 : from_share(s, rows, id);
}

INLINE int64_t end_row(const session *s, int id, int64_t rows) {
    return is_alone(rows) ? 1 : from_share(s, rows, id + 1);
}

INLINE void all_prepared(session *s, int id, int64_t rows) {
    if (!is_alone(rows)) team_barrier(s->team, id);
}

/* Row `row` of what `m` reads: where it is to be written as numbers, and what makes codes of them. */
INLINE float *row_of(const session *s, input *in, int64_t row) { return in->values + row * s->widest; }

INLINE void finish_row(const session *s, input *in, int64_t row, const matrix *m) {
    float *x = row_of(s, in, row);
    if (m->trits)
        codes_of(x, m->columns, in->codes + row * s->widest, in->steps + row, in->sums + row);
    else
        for (int64_t i = m->columns; i % 4; i++) x[i] = 0;
}

INLINE void put(const matrix *m, int64_t block, f16 result, float *y, int adds) {
    int64_t from = block * LANES_OF_16, count = m->rows - from;
    if (adds) result = add(load_some(y + from, count), result);
    store_some(y + from, result, count);
}

INLINE void put_sums(const matrix *m, int64_t block, const int32_t *sums, const input *in, int64_t row, float *y,
                     int adds) {
    f16 result, scale = times(all(in->steps[row]), load(m->scales + block * LANES_OF_16));
    EACH_PART {
        vi exact = *(const vi_anywhere *)(sums + part * WIDTH) - in->sums[row];
        result.v[part] = __builtin_convertvector(exact, vf);
    }
    put(m, block, times(result, scale), y, adds);
}

INLINE void ternary_product(session *s, int id, const matrix *m, const input *in, int64_t rows, float *y,
                            int64_t y_stride, int adds) {
    int64_t groups = (m->columns + 15) / 16, blocks = (m->rows + 15) / 16, stride = s->widest;
    int64_t end = from_share(s, blocks, id + 1);
    for (int64_t block = from_share(s, blocks, id); block < end; block += 2) {
        int has_second = block + 1 < end;
        const uint8_t *w0 = m->trits + block * groups * 64, *w1 = has_second ? w0 + groups * 64 : w0;
        int32_t sums[DOT_ROWS][2][16];
        for (int64_t row = 0; row < rows;) {
            int many = rows - row >= DOT_ROWS ? DOT_ROWS : 1;
            if (many == DOT_ROWS)
                dot_many(w0, w1, groups, in->codes + row * stride, stride, sums);
            else
                dot_one(w0, w1, groups, in->codes + row * stride, sums[0]);
            for (int r = 0; r < many; r++, row++) {
                put_sums(m, block, sums[r][0], in, row, y + row * y_stride, adds);
                if (has_second) put_sums(m, block + 1, sums[r][1], in, row, y + row * y_stride, adds);
            }
        }
    }
}

INLINE void dense_block(const float *w, int64_t columns, const float *x, int64_t stride, const int rows, f16 *out) {
    f16 p[DENSE_ROWS][4];
#pragma GCC unroll 4
    for (int r = 0; r < rows; r++)
#pragma GCC unroll 4
        for (int j = 0; j < 4; j++) p[r][j] = nothing();
    for (int64_t k = 0; k < columns; k += 4) {
#pragma GCC unroll 4
        for (int j = 0; j < 4; j++) {
            f16 weights = load(w + 16 * (k + j));
#pragma GCC unroll 4
            for (int r = 0; r < rows; r++) p[r][j] = add(p[r][j], times(weights, all(x[r * stride + k + j])));
        }
    }
#pragma GCC unroll 4
    for (int r = 0; r < rows; r++) out[r] = add(add(p[r][0], p[r][1]), add(p[r][2], p[r][3]));
}

INLINE void dense_product(session *s, int id, const matrix *m, const input *in, int64_t rows, float *y,
                          int64_t y_stride, int adds) {
    int64_t columns = (m->columns + 3) / 4 * 4, blocks = (m->rows + 15) / 16, stride = s->widest;
    for (int64_t block = from_share(s, blocks, id); block < from_share(s, blocks, id + 1); block++) {
        const float *w = m->values + block * columns * 16;
        f16 scale = load(m->scales + block * LANES_OF_16), out[DENSE_ROWS];
        for (int64_t row = 0; row < rows;) {
            const float *x = in->values + row * stride;
            int many = rows - row >= DENSE_ROWS ? DENSE_ROWS : 1;
            if (many == DENSE_ROWS)
                dense_block(w, columns, x, stride, DENSE_ROWS, out);
            else
                dense_block(w, columns, x, stride, 1, out);
            for (int r = 0; r < many; r++, row++) put(m, block, times(out[r], scale), y + row * y_stride, adds);
        }
    }
}

/* y = W x, or y += W x, for each of `rows` rows of what was prepared. */
static void product(session *s, int id, const matrix *m, const input *in, int64_t rows, float *y, int64_t y_stride,
                    int adds) {
    if (m->trits)
        ternary_product(s, id, m, in, rows, y, y_stride, adds);
    else
        dense_product(s, id, m, in, rows, y, y_stride, adds);
}
