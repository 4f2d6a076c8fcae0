/* A session: the memory of a few streams through a model, its threads, and what a caller may ask of it. */
#include "coder.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

enum { ROWS_AT_ONCE = 128 };
enum path { PLAIN, AVX2, AVX512, PATHS };

EXPORT int bbyte_path_is_usable(int path) {
    if (path == PLAIN) return 1;
#if defined(__x86_64__)
    __builtin_cpu_init();
    if (path == AVX2) return __builtin_cpu_supports("avx2") != 0;
    if (path == AVX512)
        return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
               __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl") &&
               __builtin_cpu_supports("avx512vnni");
#endif
    return 0;
}

static void (*step_of(int path))(session *, int) {
#if defined(__x86_64__)
    if (path == AVX2) return step_avx2;
    if (path == AVX512) return step_avx512;
#endif
    (void)path;
    return step_plain;
}

/* Memory that is freed with the session; NULL, once, where a product is too large for this machine. */
static void *room(session *s, int64_t a, int64_t b, int64_t c, size_t each) {
    uint64_t most = (uint64_t)1 << 46;
    if (a < 0 || b < 0 || c < 0 || (a && (uint64_t)b > most / (uint64_t)a)) return NULL;
    uint64_t two = (uint64_t)a * (uint64_t)b;
    if (two && (uint64_t)c > most / two) return NULL;
    void *memory = aligned_zeros((size_t)(two * (uint64_t)c) * each);
    if (memory) s->memory[s->allocated++] = memory;
    return memory;
}

static int inputs(session *s, input *in, int64_t rows) {
    in->codes = room(s, rows, s->widest, 1, 1);
    in->values = room(s, rows, s->widest, 1, sizeof(float));
    in->steps = room(s, rows, 1, 1, sizeof(float));
    in->sums = room(s, rows, 1, 1, sizeof(int32_t));
    return in->codes && in->values && in->steps && in->sums;
}

static int64_t widest_row(const sizes *z) {
    int64_t most = VOCABULARY, rows, columns;
    for (int role = 0; role < MATRIX_ROLES; role++) {
        matrix_shape(z, role, &rows, &columns);
        most = rows > most ? rows : most;
        most = columns > most ? columns : most;
    }
    return in_sixteens(most);
}

static int caches(session *s, const float *cos, const float *sin) {
    const sizes *z = &s->model->sizes;
    int64_t streams = (int64_t)z->n_layer * s->lanes;
    if (z->kind != TRANSFORMER) {
        int64_t inner = z->d_inner, channels = inner + 2 * (int64_t)z->n_groups * z->d_state;
        int64_t held = z->kind == MAMBA2 ? (int64_t)z->n_head * s->padded_width : in_sixteens(inner);
        s->conv = room(s, streams, z->d_conv - 1, channels, sizeof(float));
        s->state = room(s, streams, z->d_state, held, sizeof(float));
        return s->conv && s->state;
    }
    size_t each = s->cache32 ? sizeof(float) : sizeof(uint16_t);
    int64_t heads = streams * z->n_kv_head, angles = (int64_t)s->capacity * (s->head_width / 2);
    s->keys = room(s, heads, s->kv_tokens, s->head_width, each);
    s->values = room(s, heads, s->kv_tokens, s->padded_width, each);
    s->scores = room(s, team_size(s->team), 4, s->kv_tokens, sizeof(float));
    s->cos = room(s, angles, 1, 1, sizeof(float));
    s->sin = room(s, angles, 1, 1, sizeof(float));
    if (!s->keys || !s->values || !s->scores || !s->cos || !s->sin) return 0;
    memcpy(s->cos, cos, (size_t)angles * sizeof(float));
    memcpy(s->sin, sin, (size_t)angles * sizeof(float));
    return 1;
}

EXPORT void bbyte_session_free(session *s) {
    if (!s) return;
    team_free(s->team);
    while (s->allocated) aligned_free(s->memory[--s->allocated]);
    free(s);
}

/* cos, sin: a transformer's rotary table, (capacity, head width / 2). NULL where something does not fit. */
EXPORT session *bbyte_session_new(const model *m, int32_t lanes, int32_t capacity, int32_t threads, int32_t cache32,
                                  int32_t path, const float *cos, const float *sin) {
    const sizes *z = &m->sizes;
    if (!model_is_complete(m) || lanes < 1 || lanes > 1 << 16 || capacity < 1 || capacity > 1 << 24) return NULL;
    if (path < 0 || path >= PATHS || !bbyte_path_is_usable(path)) return NULL;
    if (z->kind == TRANSFORMER && (!cos || !sin)) return NULL;
    session *s = calloc(1, sizeof *s);
    if (!s) return NULL;
    s->model = m, s->lanes = lanes, s->capacity = capacity, s->cache32 = cache32 != 0, s->step = step_of(path);
    s->most_rows = lanes > ROWS_AT_ONCE ? lanes : ROWS_AT_ONCE;
    s->head_width = z->kind == MAMBA2 ? z->d_inner / z->n_head : z->kind == TRANSFORMER ? z->d_model / z->n_head : 0;
    s->padded_width = (int32_t)in_sixteens(s->head_width);
    s->kv_tokens = (int32_t)in_sixteens(capacity);
    s->widest = widest_row(z);
    s->team = team_new(threads);
    int good = s->team && inputs(s, &s->shared, s->most_rows);
    for (int id = 0; good && id < team_size(s->team); id++) good = inputs(s, &s->own[id], 1);
    if (good) {
        s->x = room(s, s->most_rows, z->d_model, 1, sizeof(float));
        s->wide = room(s, s->most_rows, s->widest, 1, sizeof(float));
        s->queries = room(s, s->most_rows, s->widest, 1, sizeof(float));
        s->mixed = room(s, s->most_rows, s->widest, 1, sizeof(float));
        s->narrow = room(s, s->most_rows, s->widest, 1, sizeof(float));
        s->logits = room(s, lanes, VOCABULARY, 1, sizeof(float));
        good = s->x && s->wide && s->queries && s->mixed && s->narrow && s->logits && caches(s, cos, sin);
    }
    if (good) return s;
    bbyte_session_free(s);
    return NULL;
}

/* Back to where nothing was fed. What a transformer's cache holds is not looked at again. */
EXPORT void bbyte_session_clear(session *s) {
    const sizes *z = &s->model->sizes;
    s->length = 0;
    if (z->kind == TRANSFORMER) return;
    int64_t streams = (int64_t)z->n_layer * s->lanes, inner = z->d_inner;
    int64_t channels = inner + 2 * (int64_t)z->n_groups * z->d_state;
    int64_t held = z->kind == MAMBA2 ? (int64_t)z->n_head * s->padded_width : in_sixteens(inner);
    memset(s->conv, 0, (size_t)(streams * (z->d_conv - 1) * channels) * sizeof(float));
    memset(s->state, 0, (size_t)(streams * z->d_state * held) * sizeof(float));
}

static int has_room(const session *s, int64_t positions) {
    return s->model->sizes.kind != TRANSFORMER || positions <= s->capacity - s->length;
}

static void move_on(session *s) {
    if (s->model->sizes.kind == TRANSFORMER) s->length += s->positions;
}

static void step_once(void *argument, int id) {
    session *s = argument;
    s->step(s, id);
}

/* Feeds (lanes, positions) bytes. every: NULL, or room for (lanes, positions, 256) logits. */
EXPORT int bbyte_session_step(session *s, const uint8_t *tokens, int64_t positions, float *every) {
    if (positions < 0 || !has_room(s, positions)) return FULL;
    int64_t most = s->most_rows / s->lanes;
    s->tokens = tokens, s->tokens_stride = positions, s->every = every;
    for (s->first = 0; s->first < positions; s->first += s->positions) {
        int64_t left = positions - s->first;
        s->positions = (int32_t)(left < most ? left : most);
        team_run(s->team, step_once, s);
        move_on(s);
    }
    s->tokens = NULL, s->every = NULL;
    return GOOD;
}

EXPORT const float *bbyte_session_logits(const session *s) { return s->logits; }
EXPORT int32_t bbyte_session_threads(const session *s) { return team_size(s->team); }

typedef struct {
    session *session;
    const sampling *sampling;
    int64_t n, position, known, stride;
    uint8_t *text, *drawn;
    int feeds;
    atomic_int problem;
} writing;

static void write_bytes(void *argument, int id) {
    writing *w = argument;
    session *s = w->session;
    for (int64_t i = 0; i < w->n; i++) {
        for (int64_t lane = id; lane < s->lanes; lane += team_size(s->team)) {
            uint8_t *text = w->text + lane * w->stride;
            int byte = draw(s->logits + lane * VOCABULARY, w->sampling, (uint64_t)lane, (uint64_t)w->position + (uint64_t)i, text,
                            w->known + i);
            if (byte < 0) w->problem = NO_DISTRIBUTION;
            text[w->known + i] = w->drawn[lane] = (uint8_t)byte;
        }
        team_barrier(s->team, id);
        if (w->problem || !w->feeds) return;
        s->step(s, id);
        if (id == 0) move_on(s);
        team_barrier(s->team, id);
    }
}

/* Draws n bytes a lane after the `known` ones of `text` (lanes, stride), into it, and feeds them; with feeds 0, one
   byte that is not fed. position: of the first in its document. */
EXPORT int bbyte_session_write(session *s, const sampling *sampling, int64_t n, int64_t position, uint8_t *text,
                               int64_t stride, int64_t known, int32_t feeds) {
    if (n < 0 || known < 0 || known > stride || n > stride - known || (!feeds && n != 1)) return WRONG_SIZE;
    if (!is_sensible(sampling)) return WRONG_SIZE;
    if (feeds && !has_room(s, n)) return FULL;
    uint8_t *drawn = malloc((size_t)s->lanes);
    if (!drawn) return OUT_OF_MEMORY;
    writing w = {s, sampling, n, position, known, stride, text, drawn, feeds, GOOD};
    s->tokens = drawn, s->tokens_stride = 1, s->first = 0, s->positions = 1, s->every = NULL;
    team_run(s->team, write_bytes, &w);
    s->tokens = NULL;
    free(drawn);
    return w.problem;
}

typedef struct {
    session *session;
    coder *coder;
    int64_t n;
    uint8_t *out, next;
    int feeds;
} reading;

static void read_bytes(void *argument, int id) {
    reading *w = argument;
    session *s = w->session;
    for (int64_t i = 0; i < w->n; i++) {
        if (id == 0) w->out[i] = w->next = (uint8_t)coder_take(w->coder, s->logits);
        team_barrier(s->team, id);
        if (w->coder->range.failed || !w->feeds) return;
        s->step(s, id);
        if (id == 0) move_on(s);
        team_barrier(s->team, id);
    }
}

/* Decodes n bytes of the one lane there is, and feeds them; with feeds 0, one byte that is not fed. */
EXPORT int bbyte_session_decode(session *s, coder *c, int64_t n, uint8_t *out, int32_t feeds) {
    if (s->lanes != 1 || n < 0 || (!feeds && n != 1)) return WRONG_SIZE;
    if (feeds && !has_room(s, n)) return FULL;
    reading w = {.session = s, .coder = c, .n = n, .out = out, .feeds = feeds};
    s->tokens = &w.next, s->tokens_stride = 1, s->first = 0, s->positions = 1, s->every = NULL;
    team_run(s->team, read_bytes, &w);
    s->tokens = NULL;
    return c->range.failed ? NO_DISTRIBUTION : GOOD;
}
