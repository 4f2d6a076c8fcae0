/* The whole step of a whole model, by each thread of a team. A path defines WIDTH (the floats of a register), STEP
   (the name of its step) and DOT (the file of its integer products). */
#include "engine.h"

#include "vectors.h"

#include "functions.h"
#include DOT
#include "product.h"

#include "attention.h"
#include "mamba.h"

/* The rows of `x`, normed, as `m` reads them. */
static const input *normed(session *s, int id, int64_t rows, const float *gain, const matrix *m) {
    int64_t d = s->model->sizes.d_model;
    input *in = prepared(s, id, rows);
    for (int64_t row = first_row(s, id, rows); row < end_row(s, id, rows); row++) {
        norm(s->x + row * d, gain, row_of(s, in, row), d, s->model->sizes.eps);
        finish_row(s, in, row, m);
    }
    all_prepared(s, id, rows);
    return in;
}

/* The rows of `from` as `m` reads them, normed where there is a gain. */
static const input *taken(session *s, int id, int64_t rows, const float *from, const float *gain, const matrix *m) {
    input *in = prepared(s, id, rows);
    for (int64_t row = first_row(s, id, rows); row < end_row(s, id, rows); row++) {
        const float *x = from + row * s->widest;
        if (gain)
            norm(x, gain, row_of(s, in, row), m->columns, s->model->sizes.eps);
        else
            memcpy(row_of(s, in, row), x, (size_t)m->columns * sizeof *x);
        finish_row(s, in, row, m);
    }
    all_prepared(s, id, rows);
    return in;
}

static const input *gated(session *s, int id, int64_t rows, const float *gain, const matrix *m) {
    int64_t n = s->model->sizes.d_ff;
    input *in = prepared(s, id, rows);
    for (int64_t row = first_row(s, id, rows); row < end_row(s, id, rows); row++) {
        const float *gate = s->wide + row * s->widest, *up = gate + n;
        float *y = row_of(s, in, row);
        for (int64_t i = 0; i < n; i += 16) {
            f16 g = load_some(gate + i, n - i), positive = larger(all(0.0f), g);
            f16 opened = s->model->sizes.relu2 ? times(positive, positive) : silu(g);
            store_some(y + i, times(opened, load_some(up + i, n - i)), n - i);
        }
        if (gain) norm(y, gain, y, n, s->model->sizes.eps);
        finish_row(s, in, row, m);
    }
    all_prepared(s, id, rows);
    return in;
}

static void transformer_block(session *s, int id, int64_t at, int64_t rows) {
    const sizes *z = &s->model->sizes;
    const layer *l = &s->model->layers[at];
    const matrix *qkv = &l->matrices[QKV], *out = &l->matrices[OUT];
    const matrix *gate_up = &l->matrices[GATE_UP], *down = &l->matrices[DOWN];
    int64_t heads = (int64_t)z->n_head + 2 * (int64_t)z->n_kv_head, d = z->d_model;
    product(s, id, qkv, normed(s, id, rows, l->vectors[NORM], qkv), rows, s->wide, s->widest, 0);
    team_barrier(s->team, id);
    for (int64_t unit = from_share(s, rows * heads, id); unit < from_share(s, rows * heads, id + 1); unit++)
        place_head(s, id, at, unit / heads, unit % heads);
    team_barrier(s->team, id);
    attention(s, id, at, rows);
    team_barrier(s->team, id);
    product(s, id, out, taken(s, id, rows, s->mixed, l->vectors[ATTENTION_SUB_NORM], out), rows, s->x, d, 1);
    team_barrier(s->team, id);
    product(s, id, gate_up, normed(s, id, rows, l->vectors[FEED_FORWARD_NORM], gate_up), rows, s->wide, s->widest, 0);
    team_barrier(s->team, id);
    product(s, id, down, gated(s, id, rows, l->vectors[FEED_FORWARD_SUB_NORM], down), rows, s->x, d, 1);
    team_barrier(s->team, id);
}

/* y * silu(z), normed in groups, as the last product reads it. */
static const input *gated_norm(session *s, int id, int64_t rows, const layer *l) {
    const sizes *z = &s->model->sizes;
    int64_t inner = z->d_inner, width = inner / z->n_groups;
    input *in = prepared(s, id, rows);
    for (int64_t row = first_row(s, id, rows); row < end_row(s, id, rows); row++) {
        const float *y = s->mixed + row * s->widest, *gate = s->wide + row * s->widest;
        float *v = row_of(s, in, row);
        for (int64_t i = 0; i < inner; i += 16)
            store_some(v + i, times(load_some(y + i, inner - i), silu(load_some(gate + i, inner - i))), inner - i);
        for (int64_t i = 0; i < inner; i += width) norm(v + i, l->vectors[GATED_NORM] + i, v + i, width, z->eps);
        finish_row(s, in, row, &l->matrices[OUT]);
    }
    all_prepared(s, id, rows);
    return in;
}

static void mamba_block(session *s, int id, int64_t at, int64_t rows) {
    const sizes *z = &s->model->sizes;
    const layer *l = &s->model->layers[at];
    const matrix *in = &l->matrices[IN], *select = &l->matrices[SELECT], *steps = &l->matrices[STEPS];
    const matrix *out = &l->matrices[OUT];
    int64_t inner = z->d_inner, is_second = z->kind == MAMBA2;
    product(s, id, in, normed(s, id, rows, l->vectors[NORM], in), rows, s->wide, s->widest, 0);
    team_barrier(s->team, id);
    convolution(s, id, at, is_second ? inner : 0, inner + 2 * (int64_t)z->n_groups * z->d_state);
    team_barrier(s->team, id);
    if (!is_second) {
        product(s, id, select, taken(s, id, rows, s->narrow, NULL, select), rows, s->queries, s->widest, 0);
        team_barrier(s->team, id);
        product(s, id, steps, taken(s, id, rows, s->queries, NULL, steps), rows, s->mixed, s->widest, 0);
        team_barrier(s->team, id);
    }
    scan(s, id, at);
    team_barrier(s->team, id);
    const input *mixed = is_second ? gated_norm(s, id, rows, l) : taken(s, id, rows, s->mixed, NULL, out);
    product(s, id, out, mixed, rows, s->x, z->d_model, 1);
    team_barrier(s->team, id);
}

/* The logits of every row, or of each lane's last one. */
static void head(session *s, int id, int64_t rows) {
    const matrix *m = &s->model->head;
    int64_t d = s->model->sizes.d_model, positions = s->positions, count = s->every ? rows : s->lanes;
    input *in = prepared(s, id, count);
    for (int64_t one = first_row(s, id, count); one < end_row(s, id, count); one++) {
        int64_t row = s->every ? one : (one + 1) * positions - 1;
        norm(s->x + row * d, s->model->final_norm, row_of(s, in, one), d, s->model->sizes.eps);
        finish_row(s, in, one, m);
    }
    all_prepared(s, id, count);
    product(s, id, m, in, count, s->every ? s->wide : s->logits, s->every ? s->widest : VOCABULARY, 0);
    team_barrier(s->team, id);
    if (!s->every) return;
    for (int64_t row = from_share(s, rows, id); row < from_share(s, rows, id + 1); row++) {
        int64_t lane = row / positions, t = row % positions;
        const float *found = s->wide + row * s->widest;
        float *target = s->every + (lane * s->tokens_stride + s->first + t) * VOCABULARY;
        memcpy(target, found, VOCABULARY * sizeof *found);
        if (t + 1 == positions) memcpy(s->logits + lane * VOCABULARY, found, VOCABULARY * sizeof *found);
    }
    team_barrier(s->team, id);
}

void STEP(session *s, int id) {
    const model *m = s->model;
    int64_t d = m->sizes.d_model, rows = (int64_t)s->lanes * s->positions;
    for (int64_t row = from_share(s, rows, id); row < from_share(s, rows, id + 1); row++) {
        int64_t lane = row / s->positions, t = row % s->positions;
        uint8_t byte = s->tokens[lane * s->tokens_stride + s->first + t];
        memcpy(s->x + row * d, m->embedding + byte * d, (size_t)d * sizeof(float));
    }
    team_barrier(s->team, id);
    for (int64_t at = 0; at < m->sizes.n_layer; at++)
        if (m->sizes.kind == TRANSFORMER)
            transformer_block(s, id, at, rows);
        else
            mamba_block(s, id, at, rows);
    head(s, id, rows);
}
