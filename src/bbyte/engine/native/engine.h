/* What the parts of the core share: a model's weights, a session's memory. The arithmetic is that of
   docs/engine.md; the Python side is bbyte.engine.core. */
#ifndef BBYTE_ENGINE_H
#define BBYTE_ENGINE_H

#include <float.h>
#include <stddef.h>
#include <stdint.h>

#if FLT_EVAL_METHOD != 0
#error "floats must be rounded to 32 bits after each operation"
#endif
#if __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
#error "packed weights are read as little-endian numbers"
#endif

#ifdef _WIN32
#define EXPORT __declspec(dllexport)
#else
#define EXPORT __attribute__((visibility("default")))
#endif

enum { VOCABULARY = 256, LANES_OF_16 = 16, MOST_THREADS = 64, MOST_COLUMNS = 1 << 19 };
enum kind { TRANSFORMER, MAMBA2, MAMBA1 };
enum error { GOOD, OUT_OF_MEMORY, WRONG_SIZE, WRONG_ROLE, NO_TRITS, FULL, NO_DISTRIBUTION };

/* Roles, in the order of bbyte.engine.core. */
enum matrix_role { QKV, OUT, GATE_UP, DOWN, IN, SELECT, STEPS, MATRIX_ROLES };
enum vector_role {
    NORM, Q_NORM, K_NORM, ATTENTION_SUB_NORM, FEED_FORWARD_NORM, FEED_FORWARD_SUB_NORM,
    CONV, CONV_BIAS, DT_BIAS, RATES, SKIP, GATED_NORM, VECTOR_ROLES
};

typedef struct {
    int32_t kind, n_layer, d_model, n_head, n_kv_head, d_ff, relu2, int8;
    int32_t d_inner, d_state, d_conv, n_groups, dt_rank;
    float eps;
} sizes;

/* Blocks of 16 rows. Ternary: for each 16 columns 64 bytes, of which byte 4 r + i holds, two bits each, 1 + the
   trits of row r in columns i, 4 + i, 8 + i and 12 + i. Floats: for each column 16 numbers. */
typedef struct {
    int32_t rows, columns;
    uint8_t *trits;
    float *values;
    float *scales; /* one a row */
} matrix;

typedef struct {
    matrix matrices[MATRIX_ROLES];
    float *vectors[VECTOR_ROLES];
} layer;

typedef struct {
    sizes sizes;
    layer *layers;
    float *embedding, *final_norm;
    matrix head;
} model;

/* What a product reads: rows of codes with their steps and sums, or of plain numbers. */
typedef struct {
    int8_t *codes;
    float *values;
    float *steps;
    int32_t *sums;
} input;

typedef struct team team;
typedef struct session session;

struct session {
    const model *model;
    team *team;
    void (*step)(session *, int id); /* `positions` more bytes of each lane, by each thread of the team */
    int32_t lanes, capacity, cache32, length, most_rows;
    int32_t head_width, padded_width, kv_tokens; /* of a head; the last is capacity in whole 16s */
    int64_t widest; /* numbers of the widest row any product reads or writes */

    const uint8_t *tokens; /* (lanes, tokens_stride), of which `positions` from `first` on are fed */
    int64_t tokens_stride, first;
    int32_t positions;
    float *every; /* (lanes, tokens_stride, 256), or NULL where only the last logits are wanted */

    float *logits; /* (lanes, 256) */
    float *x, *wide, *queries, *mixed, *narrow; /* rows of the residual stream, and of what lies between */
    input shared, own[MOST_THREADS];
    float *scores; /* of the heads a thread has at hand: 4 by kv_tokens */
    float *cos, *sin;
    void *keys, *values; /* (layer, lane, head, ...) */
    float *conv, *state; /* of a Mamba */
    void *memory[8 * MOST_THREADS];
    int32_t allocated;
};

typedef struct {
    double temperature, top_p, min_p, penalty;
    int64_t top_k, penalty_window;
    uint64_t seed;
    int32_t valid_utf8;
} sampling;

/* team.c */
uint64_t set_arithmetic(uint64_t wanted, int restore);
team *team_new(int threads);
void team_free(team *);
int team_size(const team *);
void team_run(team *, void (*work)(void *, int id), void *argument);
void team_barrier(team *, int id);

/* sampler.c */
int is_sensible(const sampling *);
int draw(const float *logits, const sampling *, uint64_t lane, uint64_t position, const uint8_t *before, int64_t known);

/* model.c */
int model_is_complete(const model *);
int64_t in_sixteens(int64_t n);
void *aligned_zeros(size_t bytes);
void aligned_free(void *);
void matrix_shape(const sizes *, int role, int64_t *rows, int64_t *columns);
int64_t vector_size_of(const sizes *, int role);

/* The paths, each compiled for its instruction set. */
void step_plain(session *, int id);
void step_avx2(session *, int id);
void step_avx512(session *, int id);
#endif
