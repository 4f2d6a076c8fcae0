/* Weights: taken from the caller's arrays only where every size is the one expected, and laid out anew. */
#include "engine.h"

#include <stdlib.h>
#include <string.h>

int64_t in_sixteens(int64_t n) { return (n + 15) / 16 * 16; }

static int64_t channels(const sizes *s) { return (int64_t)s->d_inner + 2 * (int64_t)s->n_groups * s->d_state; }

/* 0 rows where a model of this kind has no such matrix. */
void matrix_shape(const sizes *s, int role, int64_t *rows, int64_t *columns) {
    int64_t d = s->d_model, inner = s->d_inner;
    *rows = *columns = 0;
    if (s->kind == TRANSFORMER) {
        int64_t heads = (int64_t)s->n_head + 2 * (int64_t)s->n_kv_head;
        if (role == QKV) *rows = heads * (d / s->n_head), *columns = d;
        if (role == OUT) *rows = *columns = d;
        if (role == GATE_UP) *rows = 2 * (int64_t)s->d_ff, *columns = d;
        if (role == DOWN) *rows = d, *columns = s->d_ff;
        return;
    }
    if (role == OUT) *rows = d, *columns = inner;
    if (role == IN) *rows = s->kind == MAMBA2 ? inner + channels(s) + s->n_head : 2 * inner, *columns = d;
    if (s->kind == MAMBA2) return;
    if (role == SELECT) *rows = s->dt_rank + 2 * (int64_t)s->d_state, *columns = inner;
    if (role == STEPS) *rows = inner, *columns = s->dt_rank;
}

/* 0 where a model of this kind has no such vector. */
int64_t vector_size_of(const sizes *s, int role) {
    if (role == NORM) return s->d_model;
    if (s->kind == TRANSFORMER) {
        if (role == Q_NORM || role == K_NORM) return s->d_model / s->n_head;
        if (role == ATTENTION_SUB_NORM || role == FEED_FORWARD_NORM) return s->d_model;
        return role == FEED_FORWARD_SUB_NORM ? s->d_ff : 0;
    }
    int is_second = s->kind == MAMBA2;
    switch (role) {
    case CONV: return channels(s) * s->d_conv;
    case CONV_BIAS: return channels(s);
    case DT_BIAS: return is_second ? s->n_head : s->d_inner;
    case RATES: return is_second ? s->n_head : (int64_t)s->d_inner * s->d_state;
    case SKIP: return is_second ? s->n_head : s->d_inner;
    case GATED_NORM: return is_second ? s->d_inner : 0;
    default: return 0;
    }
}

static int within(int64_t value, int64_t least, int64_t most) { return least <= value && value <= most; }

/* The bounds of the configs (models/transformer_config.py, models/mamba/config.py), or closer ones: no sum of codes
   may outgrow 32 bits, and no matrix count its rows beyond them. */
static int sensible(const sizes *s) {
    if (!within(s->n_layer, 1, 1024) || !within(s->d_model, 1, 1 << 16) || !(s->eps > 0 && s->eps < 1)) return 0;
    if (s->kind == TRANSFORMER)
        return within(s->n_head, 1, 1024) && within(s->n_kv_head, 1, s->n_head) && within(s->d_ff, 1, 1 << 18) &&
               s->d_model % (2 * s->n_head) == 0 && s->n_head % s->n_kv_head == 0;
    if (!within(s->d_inner, 1, MOST_COLUMNS) || !within(s->d_state, 1, 1 << 12) || !within(s->d_conv, 1, 64)) return 0;
    if (s->kind == MAMBA2)
        return within(s->n_groups, 1, s->n_head) && within(channels(s), 1, 1 << 24) &&
               within(s->n_head, 1, s->d_inner) && s->d_inner % s->n_head == 0 &&
               s->n_head % s->n_groups == 0;
    return s->kind == MAMBA1 && s->n_groups == 0 && within(s->dt_rank, 1, 1 << 16);
}

EXPORT model *bbyte_model_new(const sizes *given) {
    if (!sensible(given)) return NULL;
    model *made = calloc(1, sizeof *made);
    if (!made) return NULL;
    made->sizes = *given;
    made->layers = calloc((size_t)given->n_layer, sizeof *made->layers);
    if (made->layers) return made;
    free(made);
    return NULL;
}

static void forget(matrix *m) {
    aligned_free(m->trits), aligned_free(m->values), aligned_free(m->scales);
    memset(m, 0, sizeof *m);
}

EXPORT void bbyte_model_free(model *m) {
    if (!m) return;
    for (int32_t i = 0; i < m->sizes.n_layer; i++) {
        for (int role = 0; role < MATRIX_ROLES; role++) forget(&m->layers[i].matrices[role]);
        for (int role = 0; role < VECTOR_ROLES; role++) aligned_free(m->layers[i].vectors[role]);
    }
    aligned_free(m->embedding), aligned_free(m->final_norm);
    forget(&m->head);
    free(m->layers);
    free(m);
}

/* One row, four digits a byte as two bits each; NO_TRITS for bytes that no row of trits is packed as. */
static int row_of_digits(const uint8_t *row, int64_t columns, int trits_a_byte, uint8_t *digits) {
    int64_t width = (columns + trits_a_byte - 1) / trits_a_byte;
    memset(digits, 0x55, (size_t)(in_sixteens(columns) / 4)); /* the digit 1 is the trit 0 */
    for (int64_t byte = 0, column = 0; byte < width; byte++) {
        unsigned rest = row[byte], base = trits_a_byte == 4 ? 4 : 3;
        for (int place = 0; place < trits_a_byte; place++, column++) {
            unsigned digit = rest % base;
            rest /= base;
            if (digit > 2 || (column >= columns && digit != 1)) return NO_TRITS;
            if (column >= columns) continue;
            int shift = (int)(column % 4) * 2;
            digits[column / 4] = (uint8_t)((digits[column / 4] & ~(3 << shift)) | (int)digit << shift);
        }
        if (rest) return NO_TRITS;
    }
    return GOOD;
}

static int fill_trits(matrix *made, const uint8_t *packed, int trits_a_byte) {
    int64_t groups = in_sixteens(made->columns) / 16;
    int64_t width = (made->columns + trits_a_byte - 1) / trits_a_byte;
    int is_plain = trits_a_byte == 4 && made->columns % 16 == 0; /* digits as they are needed */
    uint32_t apart[256]; /* the four digits of a byte, a byte each */
    uint8_t *digits = aligned_zeros((size_t)groups * 4);
    int problem = digits ? GOOD : OUT_OF_MEMORY;
    for (uint32_t b = 0; b < 256; b++) apart[b] = (b & 3) | (b >> 2 & 3) << 8 | (b >> 4 & 3) << 16 | (b >> 6) << 24;
    memset(made->trits, 0x55, (size_t)(in_sixteens(made->rows) / 16 * groups * 64));
    for (int32_t r = 0; r < made->rows && !problem; r++) {
        const uint8_t *row = packed + r * width;
        if (!is_plain) problem = row_of_digits(row, made->columns, trits_a_byte, digits), row = digits;
        uint8_t *block = made->trits + (int64_t)(r / 16) * groups * 64 + 4 * (r % 16);
        uint32_t wrong = 0;
        for (int64_t g = 0; g < groups && !problem; g++, row += 4, block += 64) {
            uint32_t four = apart[row[0]] | apart[row[1]] << 2 | apart[row[2]] << 4 | apart[row[3]] << 6;
            wrong |= four & four >> 1 & 0x55555555u; /* the digit 3 */
            memcpy(block, &four, 4);
        }
        if (wrong) problem = NO_TRITS;
    }
    aligned_free(digits);
    return problem;
}

/* What reads numbers reads the trits as numbers: models without 8-bit activations are few. */
static void widen_trits(matrix *made) {
    int64_t groups = in_sixteens(made->columns) / 16, padded = (made->columns + 3) / 4 * 4;
    for (int32_t r = 0; r < made->rows; r++)
        for (int32_t column = 0; column < made->columns; column++) {
            const uint8_t *block = made->trits + (int64_t)(r / 16) * groups * 64 + 4 * (r % 16);
            int digit = block[column / 16 * 64 + column % 4] >> (column % 16 / 4 * 2) & 3;
            made->values[(r / 16 * padded + column) * 16 + r % 16] = (float)(digit - 1);
        }
    aligned_free(made->trits);
    made->trits = NULL;
}

static int fill(matrix *made, int64_t rows, int64_t columns, const uint8_t *packed, const float *values,
                const float *scales, int trits_a_byte, int int8) {
    int64_t padded = (columns + 3) / 4 * 4, high = in_sixteens(rows);
    made->rows = (int32_t)rows, made->columns = (int32_t)columns;
    made->scales = aligned_zeros((size_t)high * sizeof(float));
    if (!made->scales) return OUT_OF_MEMORY;
    for (int64_t r = 0; r < rows; r++) made->scales[r] = packed ? scales[r] : 1.0f;
    if (packed) {
        made->trits = aligned_zeros((size_t)(high * in_sixteens(columns) / 4));
        if (!made->trits) return OUT_OF_MEMORY;
        int problem = fill_trits(made, packed, trits_a_byte);
        if (problem || int8) return problem;
    }
    made->values = aligned_zeros((size_t)(high * padded) * sizeof(float));
    if (!made->values) return OUT_OF_MEMORY;
    if (packed)
        widen_trits(made);
    else
        for (int64_t r = 0; r < rows; r++)
            for (int64_t column = 0; column < columns; column++)
                made->values[(r / 16 * padded + column) * 16 + r % 16] = values[r * columns + column];
    return GOOD;
}

/* layer -1 is the head, whose role is 0. Either `packed`, with a scale a row, or `values`. */
EXPORT int bbyte_model_matrix(model *m, int32_t at, int32_t role, const uint8_t *packed, const float *values,
                              const float *scales, int64_t rows, int64_t columns, int32_t trits_a_byte) {
    int64_t expected_rows = VOCABULARY, expected_columns = m->sizes.d_model;
    matrix *made = &m->head;
    if (at < -1 || at >= m->sizes.n_layer || role < 0 || role >= (at < 0 ? 1 : MATRIX_ROLES)) return WRONG_ROLE;
    if (at >= 0) {
        matrix_shape(&m->sizes, role, &expected_rows, &expected_columns);
        made = &m->layers[at].matrices[role];
    }
    if (!expected_rows || (packed != NULL) == (values != NULL) || (packed && !scales)) return WRONG_ROLE;
    if (rows != expected_rows || columns != expected_columns || (trits_a_byte != 4 && trits_a_byte != 5))
        return WRONG_SIZE;
    forget(made);
    int reads_codes = m->sizes.int8 && at >= 0 && role != SELECT && role != STEPS;
    int problem = fill(made, rows, columns, packed, values, scales, trits_a_byte, reads_codes);
    if (problem) forget(made);
    return problem;
}

/* layer -1: role 0 is the embedding, role 1 the last norm. */
EXPORT int bbyte_model_vector(model *m, int32_t at, int32_t role, const float *values, int64_t count) {
    if (at < -1 || at >= m->sizes.n_layer || role < 0 || role >= (at < 0 ? 2 : VECTOR_ROLES)) return WRONG_ROLE;
    int64_t d = m->sizes.d_model;
    int64_t expected = at >= 0 ? vector_size_of(&m->sizes, role) : role ? d : VOCABULARY * d;
    if (!expected || !values) return WRONG_ROLE;
    if (count != expected) return WRONG_SIZE;
    float **place = at >= 0 ? &m->layers[at].vectors[role] : role ? &m->final_norm : &m->embedding;
    float *kept = aligned_zeros((size_t)count * sizeof(float));
    if (!kept) return OUT_OF_MEMORY;
    memcpy(kept, values, (size_t)count * sizeof(float));
    aligned_free(*place);
    *place = kept;
    return GOOD;
}

/* Whether everything is there that a step reads; norms inside a transformer's block may be absent. */
int model_is_complete(const model *m) {
    if (!m->embedding || !m->final_norm || !m->head.scales) return 0;
    for (int32_t i = 0; i < m->sizes.n_layer; i++) {
        const layer *l = &m->layers[i];
        for (int role = 0; role < MATRIX_ROLES; role++) {
            int64_t rows, columns;
            matrix_shape(&m->sizes, role, &rows, &columns);
            if (rows && !l->matrices[role].scales) return 0;
        }
        for (int role = 0; role < VECTOR_ROLES; role++) {
            int optional = m->sizes.kind == TRANSFORMER && role != NORM && role != FEED_FORWARD_NORM;
            if (!optional && vector_size_of(&m->sizes, role) && !l->vectors[role]) return 0;
        }
        if (m->sizes.kind == TRANSFORMER && !l->vectors[Q_NORM] != !l->vectors[K_NORM]) return 0;
    }
    return 1;
}
