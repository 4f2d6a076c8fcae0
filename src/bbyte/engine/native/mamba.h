/* The mixers of Mamba-2 and Mamba-1 after their first product: convolution and state space, position by position. */

/* Channels `from` to `end` of one lane: silu(filter + bias) of `wide`, from its number `offset` on, into `narrow`. */
INLINE void convolve(session *s, int64_t at, int64_t lane, int64_t offset, int64_t channels, int64_t from, int64_t end) {
    const layer *l = &s->model->layers[at];
    const float *weights = l->vectors[CONV], *bias = l->vectors[CONV_BIAS];
    int64_t taps = s->model->sizes.d_conv, before = taps - 1;
    float *held = s->conv + (at * s->lanes + lane) * before * channels; /* (taps - 1, channels), the oldest first */
    for (int64_t t = 0; t < s->positions; t++) {
        int64_t row = lane * s->positions + t;
        const float *x = s->wide + row * s->widest + offset;
        float *y = s->narrow + row * s->widest;
        for (int64_t c = from; c < end; c++) {
            float sum = (before ? held[c] : x[c]) * weights[c * taps];
            for (int64_t j = 1; j < taps; j++) sum += (j < before ? held[j * channels + c] : x[c]) * weights[c * taps + j];
            y[c] = sum + bias[c];
            for (int64_t j = 0; j + 1 < before; j++) held[j * channels + c] = held[(j + 1) * channels + c];
            if (before) held[(before - 1) * channels + c] = x[c];
        }
        for (int64_t c = from; c < end; c += 16) store_some(y + c, silu(load_some(y + c, end - c)), end - c);
    }
}

static void convolution(session *s, int id, int64_t at, int64_t offset, int64_t channels) {
    int64_t blocks = (channels + 15) / 16;
    for (int64_t lane = 0; lane < s->lanes; lane++) {
        int64_t from = 16 * from_share(s, blocks, id), end = 16 * from_share(s, blocks, id + 1);
        convolve(s, at, lane, offset, channels, from, end < channels ? end : channels);
    }
}

/* One head of Mamba-2: its state is (state number, number of the head), so that a position's sums are ordered. */
INLINE void scan_head(session *s, int64_t at, int64_t lane, int64_t head) {
    const sizes *z = &s->model->sizes;
    const layer *l = &s->model->layers[at];
    int64_t width = s->head_width, padded = s->padded_width, states = z->d_state, inner = z->d_inner;
    int64_t group = head / (z->n_head / z->n_groups), row_end = inner + (inner + 2 * (int64_t)z->n_groups * states);
    f16 rate = all(l->vectors[RATES][head]);
    float *state = s->state + ((at * s->lanes + lane) * z->n_head + head) * states * padded;
    for (int64_t t = 0; t < s->positions; t++) {
        int64_t row = lane * s->positions + t;
        const float *x = s->narrow + row * s->widest, *b = x + inner + group * states;
        const float *c = b + (int64_t)z->n_groups * states;
        f16 dt = softplus(add(all(s->wide[row * s->widest + row_end + head]), all(l->vectors[DT_BIAS][head])));
        f16 decay = exponential(times(dt, rate)), skip = all(l->vectors[SKIP][head]);
        for (int64_t d = 0; d < width; d += 16) {
            f16 value = load_some(x + head * width + d, width - d), scaled = times(dt, value), y = nothing();
            for (int64_t n = 0; n < states; n++) {
                f16 next = add(times(load(state + n * padded + d), decay), times(scaled, all(b[n])));
                store(state + n * padded + d, next);
                y = add(y, times(next, all(c[n])));
            }
            float *out = s->mixed + row * s->widest + head * width + d;
            store_some(out, add(y, times(skip, value)), width - d);
        }
    }
}

/* 16 channels of Mamba-1: the state is (state number, channel). */
INLINE void scan_channels(session *s, int64_t at, int64_t lane, int64_t from) {
    const sizes *z = &s->model->sizes;
    const layer *l = &s->model->layers[at];
    int64_t inner = z->d_inner, states = z->d_state, padded = in_sixteens(inner), left = inner - from;
    f16 bias = load_some(l->vectors[DT_BIAS] + from, left), skip = load_some(l->vectors[SKIP] + from, left);
    float *state = s->state + (at * s->lanes + lane) * states * padded + from;
    for (int64_t t = 0; t < s->positions; t++) {
        int64_t row = lane * s->positions + t;
        const float *b = s->queries + row * s->widest + z->dt_rank, *c = b + states;
        f16 value = load_some(s->narrow + row * s->widest + from, left), y = nothing();
        f16 dt = softplus(add(load_some(s->mixed + row * s->widest + from, left), bias)), scaled = times(dt, value);
        for (int64_t n = 0; n < states; n++) {
            f16 decay = exponential(times(dt, load_some(l->vectors[RATES] + n * inner + from, left)));
            f16 next = add(times(load(state + n * padded), decay), times(scaled, all(b[n])));
            store(state + n * padded, next);
            y = add(y, times(next, all(c[n])));
        }
        f16 gate = load_some(s->wide + row * s->widest + inner + from, left);
        store_some(s->mixed + row * s->widest + from, times(add(y, times(skip, value)), silu(gate)), left);
    }
}

static void scan(session *s, int id, int64_t at) {
    const sizes *z = &s->model->sizes;
    int64_t heads = z->kind == MAMBA2 ? z->n_head : (z->d_inner + 15) / 16;
    for (int64_t unit = from_share(s, s->lanes * heads, id); unit < from_share(s, s->lanes * heads, id + 1); unit++)
        if (z->kind == MAMBA2)
            scan_head(s, at, unit / heads, unit % heads);
        else
            scan_channels(s, at, unit / heads, 16 * (unit % heads));
}
