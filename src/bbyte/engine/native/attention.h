/* Rotary positions, the cache of keys and values, and attention over it. Positions come in sixteens: keys lie as
   (position / 16, number of the head, position % 16), values as (position, number), 16 bits or 32 each. */

enum { HEADS_AT_ONCE = 4, KEY_BLOCKS = WIDTH == 16 ? 2 : 1, VALUE_BLOCKS = WIDTH == 16 ? 2 : 1 };

INLINE uint16_t rounded_half(float x) {
    uint32_t bits;
    memcpy(&bits, &x, 4);
    return (uint16_t)((bits + 0x7fffu + (bits >> 16 & 1)) >> 16);
}

INLINE f16 cached(const void *cache, int64_t at, int cache32) {
    return cache32 ? load((const float *)cache + at) : load_halves((const uint16_t *)cache + at);
}

INLINE void keep(void *cache, int64_t at, float x, int cache32) {
    if (cache32)
        ((float *)cache)[at] = x;
    else
        ((uint16_t *)cache)[at] = rounded_half(x);
}

/* Where the cache of one head of keys and values begins, in numbers. */
INLINE int64_t cache_of(const session *s, int64_t at, int64_t lane, int64_t head, int64_t width) {
    return ((at * s->lanes + lane) * s->model->sizes.n_kv_head + head) * s->kv_tokens * width;
}

INLINE void rotate(const session *s, const float *x, int64_t position, float factor, float *out) {
    int64_t half = s->head_width / 2;
    const float *c = s->cos + position * half, *d = s->sin + position * half;
    for (int64_t i = 0; i < half; i++) {
        float a = x[i] * c[i] - x[i + half] * d[i], b = x[i + half] * c[i] + x[i] * d[i];
        out[i] = a * factor, out[i + half] = b * factor;
    }
}

/* One head of one row of `wide`: a query is turned, a key turned and kept, a value kept. */
INLINE void place_head(session *s, int id, int64_t at, int64_t row, int64_t head) {
    const sizes *z = &s->model->sizes;
    const layer *l = &s->model->layers[at];
    int64_t width = s->head_width, lane = row / s->positions, position = s->length + row % s->positions;
    float *x = s->wide + row * s->widest + head * width, *turned = s->own[id].values;
    if (head < z->n_head) {
        if (l->vectors[Q_NORM]) norm(x, l->vectors[Q_NORM], x, width, z->eps);
        rotate(s, x, position, 1.0f / root((float)width), s->queries + row * z->d_model + head * width);
    } else if (head < z->n_head + z->n_kv_head) {
        int64_t base = cache_of(s, at, lane, head - z->n_head, width) + position / 16 * width * 16 + position % 16;
        if (l->vectors[K_NORM]) norm(x, l->vectors[K_NORM], x, width, z->eps);
        rotate(s, x, position, 1.0f, turned);
        for (int64_t d = 0; d < width; d++) keep(s->keys, base + 16 * d, turned[d], s->cache32);
    } else {
        int64_t base = cache_of(s, at, lane, head - z->n_head - z->n_kv_head, s->padded_width);
        base += position * s->padded_width;
        for (int64_t d = 0; d < width; d++) keep(s->values, base + d, x[d], s->cache32);
    }
}

/* What several heads of one row work on: their caches may be one and the same. */
typedef struct {
    const float *queries;
    const void *keys, *values;
    int64_t key_base[HEADS_AT_ONCE], value_base[HEADS_AT_ONCE];
    int64_t width, padded, count, stride; /* of a head, of its values, positions seen, scores a head */
    float *scores, *out, factors[HEADS_AT_ONCE];
} heads;

/* The products of `n` queries with the keys of `blocks` sixteens of positions. */
INLINE void score_blocks(const heads *a, int64_t from, const int n, const int blocks, const int sharing,
                         const int cache32) {
    f16 sums[HEADS_AT_ONCE][2], k;
#pragma GCC unroll 4
    for (int h = 0; h < n; h++) sums[h][0] = sums[h][1] = nothing();
    for (int64_t d = 0; d < a->width; d++)
#pragma GCC unroll 2
        for (int b = 0; b < blocks; b++) {
            int64_t at = ((from + b) * a->width + d) * 16;
            if (sharing) k = cached(a->keys, a->key_base[0] + at, cache32);
#pragma GCC unroll 4
            for (int h = 0; h < n; h++) {
                if (!sharing) k = cached(a->keys, a->key_base[h] + at, cache32);
                sums[h][b] = add(sums[h][b], times(k, all(a->queries[h * a->width + d])));
            }
        }
#pragma GCC unroll 4
    for (int h = 0; h < n; h++)
#pragma GCC unroll 2
        for (int b = 0; b < blocks; b++) store(a->scores + h * a->stride + 16 * (from + b), sums[h][b]);
}

/* exp(score - largest) in place, 0 after the last position; returns 1 / their sum. */
INLINE float weigh(float *scores, int64_t count) {
    f16 largest = all(scores[0]), sum = nothing();
    int64_t whole = count / 16 * 16;
    for (int64_t t = 0; t < whole; t += 16) largest = larger(largest, load(scores + t));
    if (whole < count) largest = larger(largest, first_of(load(scores + whole), count - whole, scores[0]));
    f16 most = all(largest_of(largest));
    for (int64_t t = 0; t < count; t += 16) {
        f16 e = first_of(exponential(subtract(load(scores + t), most)), count - t, 0.0f);
        store(scores + t, e);
        sum = add(sum, e);
    }
    return 1.0f / tree(sum);
}

/* `blocks` sixteens of the heads' outputs, from number `from` of each head on. */
INLINE void mix_values(const heads *a, int64_t from, const int n, const int blocks, const int sharing,
                       const int cache32) {
    f16 sums[HEADS_AT_ONCE][2], v;
#pragma GCC unroll 4
    for (int h = 0; h < n; h++) sums[h][0] = sums[h][1] = nothing();
    for (int64_t t = 0; t < a->count; t++)
#pragma GCC unroll 2
        for (int b = 0; b < blocks; b++) {
            int64_t at = t * a->padded + from + 16 * b;
            if (sharing) v = cached(a->values, a->value_base[0] + at, cache32);
#pragma GCC unroll 4
            for (int h = 0; h < n; h++) {
                if (!sharing) v = cached(a->values, a->value_base[h] + at, cache32);
                sums[h][b] = add(sums[h][b], times(v, all(a->scores[h * a->stride + t])));
            }
        }
#pragma GCC unroll 4
    for (int h = 0; h < n; h++)
#pragma GCC unroll 2
        for (int b = 0; b < blocks; b++) {
            int64_t d = from + 16 * b;
            store_some(a->out + h * a->width + d, times(sums[h][b], all(a->factors[h])), a->width - d);
        }
}

INLINE void attend(heads *a, const int n, const int sharing, const int cache32) {
    int64_t blocks = (a->count + 15) / 16, b = 0, d = 0;
    for (; b + KEY_BLOCKS <= blocks; b += KEY_BLOCKS) score_blocks(a, b, n, KEY_BLOCKS, sharing, cache32);
    for (; b < blocks; b++) score_blocks(a, b, n, 1, sharing, cache32);
    for (int h = 0; h < n; h++) a->factors[h] = weigh(a->scores + h * a->stride, a->count);
    for (; d + 16 * VALUE_BLOCKS <= a->padded; d += 16 * VALUE_BLOCKS)
        mix_values(a, d, n, VALUE_BLOCKS, sharing, cache32);
    for (; d < a->padded; d += 16) mix_values(a, d, n, 1, sharing, cache32);
}

/* `n` neighbouring heads of one row. */
static void attend_row(session *s, int id, int64_t at, int64_t row, int64_t head, int n) {
    const sizes *z = &s->model->sizes;
    int64_t group = z->n_head / z->n_kv_head, lane = row / s->positions;
    heads a = {.queries = s->queries + row * z->d_model + head * s->head_width, .keys = s->keys, .values = s->values,
               .width = s->head_width, .padded = s->padded_width, .stride = s->kv_tokens,
               .count = s->length + row % s->positions + 1, .scores = s->scores + id * HEADS_AT_ONCE * s->kv_tokens,
               .out = s->mixed + row * s->widest + head * s->head_width};
    for (int h = 0; h < n; h++) {
        a.key_base[h] = cache_of(s, at, lane, (head + h) / group, a.width);
        a.value_base[h] = cache_of(s, at, lane, (head + h) / group, a.padded);
    }
    if (n == 1) s->cache32 ? attend(&a, 1, 1, 1) : attend(&a, 1, 1, 0);
    else if (group % HEADS_AT_ONCE) s->cache32 ? attend(&a, HEADS_AT_ONCE, 0, 1) : attend(&a, HEADS_AT_ONCE, 0, 0);
    else s->cache32 ? attend(&a, HEADS_AT_ONCE, 1, 1) : attend(&a, HEADS_AT_ONCE, 1, 0);
}

/* Every head of every row: rows of a block see ever more positions, so that threads take turns. */
static void attention(session *s, int id, int64_t at, int64_t rows) {
    int64_t heads = s->model->sizes.n_head, some = heads % HEADS_AT_ONCE ? 1 : HEADS_AT_ONCE;
    for (int64_t unit = id; unit < rows * heads / some; unit += team_size(s->team))
        attend_row(s, id, at, unit / (heads / some), unit % (heads / some) * some, (int)some);
}
