/* Random models, right and wrong ones, through the native core: fuzz_core FIRST COUNT [THREADS]. For each seed of
   COUNT from FIRST on, what is wrong must be refused, and what is computed be the same by every path. Compiled with
   sanitizers, which watch for the rest; linked so that memory can be refused at any allocation. */
#include "engine.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int bbyte_path_is_usable(int);
model *bbyte_model_new(const sizes *);
void bbyte_model_free(model *);
int bbyte_model_matrix(model *, int32_t, int32_t, const uint8_t *, const float *, const float *, int64_t, int64_t, int32_t);
int bbyte_model_vector(model *, int32_t, int32_t, const float *, int64_t);
session *bbyte_session_new(const model *, int32_t, int32_t, int32_t, int32_t, int32_t, const float *, const float *);
void bbyte_session_free(session *);
void bbyte_session_clear(session *);
int bbyte_session_step(session *, const uint8_t *, int64_t, float *);
const float *bbyte_session_logits(const session *);
int bbyte_session_write(session *, const sampling *, int64_t, int64_t, uint8_t *, int64_t, int64_t, int32_t);

static uint64_t state, seed;
static int64_t allocations_left = -1; /* negative: as many as are asked for */

static int refused(void) { return allocations_left >= 0 && allocations_left-- == 0; }

int __real_posix_memalign(void **, size_t, size_t);
int __wrap_posix_memalign(void **memory, size_t alignment, size_t size);
int __wrap_posix_memalign(void **memory, size_t alignment, size_t size) {
    return refused() ? 12 : __real_posix_memalign(memory, alignment, size);
}

static uint64_t dice(void) {
    uint64_t z = (state += 0x9e3779b97f4a7c15u);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

static int64_t from_to(int64_t low, int64_t high) { return low + (int64_t)(dice() % (uint64_t)(high - low + 1)); }
static int once_in(int n) { return dice() % (uint64_t)n == 0; }
static float number(float low, float high) { return low + (float)(dice() >> 40) * 0x1p-24f * (high - low); }

#define EXPECT(truth) \
    do { \
        if (!(truth)) { \
            fprintf(stderr, "seed %llu: line %d: %s\n", (unsigned long long)seed, __LINE__, #truth); \
            exit(1); \
        } \
    } while (0)

static float *numbers(int64_t n, float low, float high) {
    float *made = malloc((size_t)n * sizeof *made);
    for (int64_t i = 0; i < n; i++) made[i] = number(low, high);
    return made;
}

static sizes some_sizes(void) {
    sizes s = {.kind = (int32_t)from_to(0, 2), .n_layer = (int32_t)from_to(1, 2), .int8 = once_in(2), .eps = 1e-5f};
    int64_t head = from_to(1, 9), many = once_in(4) ? 4 * from_to(1, 2) : from_to(1, 6);
    s.n_head = (int32_t)many;
    if (s.kind == TRANSFORMER) {
        s.n_kv_head = (int32_t)from_to(1, many);
        while (many % s.n_kv_head) s.n_kv_head--;
        s.d_model = (int32_t)(2 * head * many), s.d_ff = (int32_t)from_to(1, 70), s.relu2 = once_in(2);
        return s;
    }
    s.d_model = (int32_t)from_to(1, 70), s.d_inner = (int32_t)(head * many);
    s.d_state = (int32_t)from_to(1, 9), s.d_conv = (int32_t)from_to(1, 5);
    if (s.kind == MAMBA2) {
        s.n_groups = (int32_t)from_to(1, many);
        while (many % s.n_groups) s.n_groups--;
    } else {
        s.dt_rank = (int32_t)from_to(1, 20);
    }
    return s;
}

/* Sizes that no model has must be refused, or be ones whose weights nobody can give in vain. */
static void try_wrong_sizes(sizes s) {
    static const int32_t nasty[] = {0, -1, 3, 7, 1 << 16, 1 << 20, 1 << 30, INT32_MAX, INT32_MIN};
    int64_t rows, columns;
    int32_t *fields = &s.kind;
    for (int changes = (int)from_to(1, 3); changes; changes--) fields[from_to(0, 12)] = nasty[dice() % 9];
    if (once_in(3)) s.eps = once_in(2) ? 0.0f / (float)dice() : number(-2, 2) * 1e30f;
    model *m = bbyte_model_new(&s);
    if (!m) return;
    EXPECT(s.kind >= 0 && s.kind <= 2 && s.n_layer > 0 && s.d_model > 0 && s.eps > 0 && s.eps < 1);
    for (int role = 0; role < MATRIX_ROLES; role++) {
        matrix_shape(&s, role, &rows, &columns);
        EXPECT(rows >= 0 && columns >= 0 && rows <= 1 << 25 && columns <= MOST_COLUMNS);
    }
    for (int role = 0; role < VECTOR_ROLES; role++) EXPECT(vector_size_of(&s, role) >= 0);
    EXPECT(!bbyte_session_new(m, 1, 8, 1, 0, 0, &s.eps, &s.eps));
    bbyte_model_free(m);
}

static void try_wrong_matrix(model *m, int at, int role, const uint8_t *packed, const float *values, int64_t rows,
                             int64_t columns, int trits) {
    static const int64_t off[] = {-1, 1, -INT64_MAX, INT32_MAX, (int64_t)1 << 32};
    const float one = 1;
    EXPECT(bbyte_model_matrix(m, at, role, packed, values, &one, rows + off[dice() % 5], columns, trits));
    EXPECT(bbyte_model_matrix(m, at, role, packed, values, &one, rows, columns + off[dice() % 5], trits));
    EXPECT(bbyte_model_matrix(m, at, role, packed, values, &one, rows, columns, (int32_t)from_to(-1, 3)));
    EXPECT(bbyte_model_matrix(m, m->sizes.n_layer, role, packed, values, &one, rows, columns, trits));
    EXPECT(bbyte_model_matrix(m, at, once_in(2) ? -1 : MATRIX_ROLES, packed, values, &one, rows, columns, trits));
    EXPECT(bbyte_model_matrix(m, at, role, NULL, NULL, &one, rows, columns, trits));
    if (at < 0) EXPECT(bbyte_model_matrix(m, at, 1, packed, values, &one, rows, columns, trits));
    if (packed) EXPECT(bbyte_model_matrix(m, at, role, packed, NULL, NULL, rows, columns, trits));
}

static void give_matrix(model *m, int at, int role, int64_t rows, int64_t columns) {
    int trits = once_in(2) ? 4 : 5, base = trits == 4 ? 4 : 3;
    int64_t width = (columns + trits - 1) / trits;
    float *scales = numbers(rows, 0.02f, 0.3f);
    if (at < 0 || once_in(4)) {
        float *values = numbers(rows * columns, -0.3f, 0.3f);
        if (once_in(4)) try_wrong_matrix(m, at, role, NULL, values, rows, columns, trits);
        EXPECT(!bbyte_model_matrix(m, at, role, NULL, values, NULL, rows, columns, trits));
        free(values);
    } else {
        uint8_t *packed = malloc((size_t)(rows * width));
        for (int64_t i = 0; i < rows * width; i++) {
            int byte = 0;
            for (int place = trits - 1; place >= 0; place--)
                byte = byte * base + (i % width * trits + place < columns ? (int)from_to(0, 2) : 1);
            packed[i] = (uint8_t)byte;
        }
        if (once_in(4)) try_wrong_matrix(m, at, role, packed, NULL, rows, columns, trits);
        uint8_t *one = packed + dice() % (uint64_t)(rows * width), kept = *one;
        if (trits == 4)
            *one |= (uint8_t)(3 << 2 * from_to(0, 3));
        else
            *one = (uint8_t)from_to(243, 255);
        EXPECT(bbyte_model_matrix(m, at, role, packed, NULL, scales, rows, columns, trits) == NO_TRITS);
        if (columns % trits) { /* what fills up the last byte of a row is the trit 0 */
            *one = kept, one = packed + width * from_to(1, rows) - 1, kept = *one;
            *one = trits == 4 ? *one ^ 0x40 : *one >= 162 ? *one - 81 : *one + 81;
            EXPECT(bbyte_model_matrix(m, at, role, packed, NULL, scales, rows, columns, trits) == NO_TRITS);
        }
        *one = kept;
        EXPECT(!bbyte_model_matrix(m, at, role, packed, NULL, scales, rows, columns, trits));
        free(packed);
    }
    free(scales);
}

static void give_vector(model *m, int at, int role, int64_t n) {
    float *values = numbers(n, at < 0 || role == DT_BIAS ? -1 : 0.2f, role == DT_BIAS ? 0 : 1.2f);
    if (role == RATES)
        for (int64_t i = 0; i < n; i++) values[i] = -values[i];
    if (once_in(4)) {
        EXPECT(bbyte_model_vector(m, at, role, values, n - 1) == WRONG_SIZE);
        EXPECT(bbyte_model_vector(m, at, role, values, n + ((int64_t)1 << 32)) == WRONG_SIZE);
        EXPECT(bbyte_model_vector(m, -2, role, values, n) == WRONG_ROLE);
        EXPECT(bbyte_model_vector(m, at, VECTOR_ROLES, values, n) == WRONG_ROLE);
        EXPECT(bbyte_model_vector(m, at, role, NULL, n) == WRONG_ROLE);
    }
    EXPECT(!bbyte_model_vector(m, at, role, values, n));
    free(values);
}

/* A model; without one of the parts it needs where `lacks` is set. */
static model *some_model(sizes s, int lacks) {
    int64_t rows, columns, skipped = lacks ? from_to(0, 3) : -1;
    model *m = bbyte_model_new(&s);
    EXPECT(m);
    if (skipped != 0) give_matrix(m, -1, 0, VOCABULARY, s.d_model);
    if (skipped != 1) give_vector(m, -1, 0, (int64_t)VOCABULARY * s.d_model);
    give_vector(m, -1, 1, s.d_model);
    int has_norms = once_in(2), has_sub_norms = once_in(2), last = s.n_layer - 1;
    for (int at = 0; at < s.n_layer; at++) {
        for (int role = 0; role < MATRIX_ROLES; role++) {
            matrix_shape(&s, role, &rows, &columns);
            if (rows && !(skipped == 2 && at == last && role == OUT)) give_matrix(m, at, role, rows, columns);
            if (!rows) EXPECT(bbyte_model_matrix(m, at, role, NULL, &s.eps, NULL, 0, 0, 4) == WRONG_ROLE);
        }
        for (int role = 0; role < VECTOR_ROLES; role++) {
            int64_t n = vector_size_of(&s, role);
            if (!n) EXPECT(bbyte_model_vector(m, at, role, &s.eps, 0) == WRONG_ROLE);
            if (s.kind == TRANSFORMER && !has_norms && (role == Q_NORM || role == K_NORM)) continue;
            if (!has_sub_norms && (role == ATTENTION_SUB_NORM || role == FEED_FORWARD_SUB_NORM)) continue;
            if (n && !(skipped == 3 && at == last && role == NORM)) give_vector(m, at, role, n);
        }
    }
    return m;
}

typedef struct {
    int lanes, capacity, positions, written, cache32;
    uint8_t *tokens;
    float *cos, *sin;
    sampling settings;
} task;

static void try_wrong_sessions(const model *m, const task *t) {
    static const int wrong[][4] = {{0, 1, 1, 0}, {-1, 1, 1, 0}, {1, 0, 1, 0}, {1, INT32_MIN, 1, 0},
                                   {1, INT32_MAX, 1, 0}, {INT32_MAX, 1, 1, 0}, {1, 1, 1, 3}, {1, 1, 1, -1}};
    const int *w = wrong[dice() % 8];
    EXPECT(!bbyte_session_new(m, w[0], w[1], w[2], 0, w[3], t->cos, t->sin));
    if (m->sizes.kind == TRANSFORMER) EXPECT(!bbyte_session_new(m, 1, 1, 1, 0, 0, NULL, t->sin));
    for (int64_t allowed = 0;; allowed++) {
        allocations_left = allowed;
        session *s = bbyte_session_new(m, t->lanes, t->capacity, 2, t->cache32, 0, t->cos, t->sin);
        allocations_left = -1;
        bbyte_session_free(s);
        if (s) break;
        EXPECT(allowed < 60);
    }
}

static void try_wrong_writes(session *s, const task *t, uint8_t *text, int64_t stride) {
    sampling wrong = t->settings;
    double *doubles[] = {&wrong.temperature, &wrong.top_p, &wrong.min_p, &wrong.penalty};
    static const double nasty[] = {-1, 1e-300, 1e300, -0x1p1000};
    *doubles[dice() % 4] = nasty[dice() % 4];
    if (wrong.top_p != 1e-300 && wrong.min_p != 1e-300)
        EXPECT(bbyte_session_write(s, &wrong, 1, 0, text, stride, 0, 0) == WRONG_SIZE);
    EXPECT(bbyte_session_write(s, &t->settings, stride, 0, text, stride, 1, 1) == WRONG_SIZE);
    EXPECT(bbyte_session_write(s, &t->settings, 1, 0, text, stride, INT64_MAX, 1) == WRONG_SIZE);
    EXPECT(bbyte_session_write(s, &t->settings, INT64_MIN, 0, text, INT64_MIN, 1, 1) == WRONG_SIZE);
}

/* The logits of each lane after each of `positions` bytes, fed in blocks, and the text written thereafter. */
static void run(const model *m, const task *t, int path, int threads, int64_t longest, float *logits, uint8_t *text) {
    int64_t n = t->positions, stride = n + t->written, width = VOCABULARY;
    int is_bounded = m->sizes.kind == TRANSFORMER;
    session *s = bbyte_session_new(m, t->lanes, t->capacity, threads, t->cache32, path, t->cos, t->sin);
    EXPECT(s);
    for (int again = once_in(4); again >= 0; again--, bbyte_session_clear(s)) {
        for (int64_t at = 0, length; at < n; at += length) {
            length = from_to(1, longest < n - at ? longest : n - at);
            uint8_t *block = malloc((size_t)(t->lanes * length));
            float *found = malloc((size_t)(t->lanes * length * width) * sizeof *found);
            for (int64_t lane = 0; lane < t->lanes; lane++)
                memcpy(block + lane * length, t->tokens + lane * n + at, (size_t)length);
            EXPECT(!bbyte_session_step(s, block, length, found));
            for (int64_t lane = 0; lane < t->lanes; lane++)
                memcpy(logits + (lane * n + at) * width, found + lane * length * width,
                       (size_t)(length * width) * sizeof *found);
            free(block), free(found);
        }
        for (int64_t lane = 0; lane < t->lanes; lane++) {
            EXPECT(!memcmp(bbyte_session_logits(s) + lane * width, logits + (lane * n + n - 1) * width, 4 * 256));
            memcpy(text + lane * stride, t->tokens + lane * n, (size_t)n);
        }
        if (is_bounded) EXPECT(bbyte_session_step(s, t->tokens, t->capacity - n + 1, NULL) == FULL);
        EXPECT(bbyte_session_step(s, t->tokens, -1, NULL) == FULL);
        if (once_in(4)) try_wrong_writes(s, t, text, stride);
        EXPECT(!bbyte_session_write(s, &t->settings, t->written, n, text, stride, n, 1));
        if (again == 0) break;
    }
    bbyte_session_free(s);
}

static task some_task(const sizes *z) {
    static const double temperatures[] = {0, 0.01, 0.9, 100}, parts[] = {1, 1, 0.9, 1e-9}, least[] = {0, 0, 0.05, 1};
    task t = {.lanes = once_in(20) ? 130 : (int)from_to(1, 4), .positions = once_in(8) ? 140 : (int)from_to(1, 40)};
    if (t.lanes > 4) t.positions = 2;
    t.written = (int)from_to(0, 6), t.capacity = t.positions + t.written + (int)from_to(0, 3), t.cache32 = once_in(2);
    t.tokens = malloc((size_t)(t.lanes * t.positions));
    for (int i = 0; i < t.lanes * t.positions; i++) t.tokens[i] = (uint8_t)dice();
    int64_t angles = z->kind == TRANSFORMER ? (int64_t)t.capacity * (z->d_model / z->n_head / 2) : 1;
    t.cos = numbers(angles, -1, 1), t.sin = numbers(angles, -1, 1);
    t.settings = (sampling){temperatures[dice() % 4], parts[dice() % 4], least[dice() % 4], once_in(2) ? 1 : 1.3,
                            once_in(2) ? 0 : from_to(1, 300), from_to(1, 80), dice(), once_in(2)};
    return t;
}

static void one_seed(int most_threads) {
    sizes s = some_sizes();
    try_wrong_sizes(s);
    model *m = some_model(s, 1);
    task t = some_task(&s);
    EXPECT(!bbyte_session_new(m, t.lanes, t.capacity, 1, 0, 0, t.cos, t.sin));
    bbyte_model_free(m);
    m = some_model(s, 0);
    try_wrong_sessions(m, &t);
    size_t logits_size = (size_t)(t.lanes * t.positions) * VOCABULARY * sizeof(float);
    size_t text_size = (size_t)(t.lanes * (t.positions + t.written));
    float *expected = malloc(logits_size), *found = malloc(logits_size);
    uint8_t *right = malloc(text_size), *text = malloc(text_size);
    run(m, &t, 0, 1, t.positions, expected, right);
    for (size_t i = 0; i < logits_size / sizeof(float); i++) EXPECT(expected[i] - expected[i] == 0);
    for (int path = 0; path < 3; path++) {
        if (!bbyte_path_is_usable(path)) continue;
        run(m, &t, path, (int)from_to(1, most_threads), once_in(2) ? t.positions : from_to(1, 9), found, text);
        EXPECT(!memcmp(expected, found, logits_size) && !memcmp(right, text, text_size));
    }
    free(expected), free(found), free(right), free(text), free(t.tokens), free(t.cos), free(t.sin);
    bbyte_model_free(m);
}

int main(int count, char **words) {
    if (count < 3) return 2;
    seed = strtoull(words[1], NULL, 10);
    for (uint64_t end = seed + strtoull(words[2], NULL, 10); seed < end; seed++)
        state = seed, one_seed(count > 3 ? atoi(words[3]) : 2);
    return 0;
}
