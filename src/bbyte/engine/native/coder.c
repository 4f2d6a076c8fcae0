/* Bytes to a stream and back: frequencies from logits, and the range coder that spends them. */
#include "coder.h"

#include <stdlib.h>
#include <string.h>

#define WIDTH 4
#include "vectors.h"

#include "functions.h"

static const float ADAPTATION = 0x1p-6f;

/* 256 shares, each at least 1, of 2^24: from exp(logit - largest) in whole 2^-24s, and the rest to the likeliest.
   Where logits are no numbers all are alike, and it is said that this is no distribution. */
static int frequencies_of(const float *logits, uint32_t *shares) {
    int32_t parts[VOCABULARY];
    f16 largest = load(logits), every = nothing();
    int64_t sum = 0;
    int32_t left = (1 << TOTAL_BITS) - VOCABULARY;
    int likeliest = 0;
    for (int i = 16; i < VOCABULARY; i += 16) largest = larger(largest, load(logits + i));
    f16 top = all(largest_of(largest));
    for (int i = 0; i < VOCABULARY; i += 16) {
        f16 e = exponential(subtract(load(logits + i), top));
        every = add(every, e);
        e = times(e, all(0x1p24f));
        EACH_PART *(vi_anywhere *)(parts + i + part * WIDTH) = __builtin_convertvector(e.v[part], vi);
    }
    if (!(tree(every) <= VOCABULARY)) {
        for (int i = 0; i < VOCABULARY; i++) shares[i] = (1 << TOTAL_BITS) / VOCABULARY;
        return NO_DISTRIBUTION;
    }
    for (int i = 0; i < VOCABULARY; i++) sum += parts[i];
    while (parts[likeliest] < 1 << TOTAL_BITS) likeliest++; /* there is one: exp(0) is 1 */
    double factor = (double)left / (double)sum;
    for (int i = 0; i < VOCABULARY; i++) {
        int32_t whole = (int32_t)((double)parts[i] * factor);
        left -= whole;
        shares[i] = (uint32_t)whole + 1;
    }
    shares[likeliest] += (uint32_t)left;
    return GOOD;
}

static void predicted(coder *c, const float *logits, uint32_t *shares) {
    float adapted[VOCABULARY];
    if (c->mode & ADAPT) {
        for (int i = 0; i < VOCABULARY; i++) adapted[i] = logits[i] + c->bias[i];
        logits = adapted;
    }
    int problem = frequencies_of(logits, shares);
    if (problem) c->range.failed = problem;
}

static void learn(coder *c, const uint32_t *shares, int byte) {
    if (!(c->mode & ADAPT)) return;
    for (int i = 0; i < VOCABULARY; i++) c->bias[i] -= (float)shares[i] * (ADAPTATION * 0x1p-24f);
    c->bias[byte] += ADAPTATION;
}

void coder_put(coder *c, const float *logits, int byte) {
    uint32_t shares[VOCABULARY], before = 0;
    predicted(c, logits, shares);
    if (c->hybrid) {
        hybrid_put(c->hybrid, &c->range, shares, byte);
    } else {
        for (int i = 0; i < byte; i++) before += shares[i];
        range_put(&c->range, before, shares[byte]);
    }
    learn(c, shares, byte);
}

int coder_take(coder *c, const float *logits) {
    uint32_t shares[VOCABULARY], before = 0;
    int byte = 0;
    predicted(c, logits, shares);
    if (c->hybrid) {
        byte = hybrid_take(c->hybrid, &c->range, shares);
    } else {
        uint32_t at = range_look(&c->range);
        while (at - before >= shares[byte]) before += shares[byte++];
        range_take(&c->range, before, shares[byte]);
    }
    learn(c, shares, byte);
    return byte;
}

EXPORT void bbyte_coder_free(coder *c) {
    if (!c) return;
    hybrid_free(c->hybrid);
    free(c->range.words);
    free(c);
}

/* For a stream of at most `longest` bytes. The tables must outlive the coder. */
EXPORT coder *bbyte_coder_new(const coder_tables *tables, int32_t mode, int64_t longest) {
    if (longest < 0 || longest >= INT32_MAX) return NULL;
    coder *c = calloc(1, sizeof *c);
    if (!c) return NULL;
    c->tables = tables, c->mode = mode;
    c->range = (range_coder){.range = UINT64_MAX, .is_new = 1};
    if (mode & HYBRID) c->hybrid = hybrid_new(tables, longest);
    if (!(mode & HYBRID) || c->hybrid) return c;
    bbyte_coder_free(c);
    return NULL;
}

/* n bytes by the logits (n, 256) before each: GOOD, OUT_OF_MEMORY or NO_DISTRIBUTION. */
EXPORT int bbyte_coder_encode(coder *c, const float *logits, const uint8_t *bytes, int64_t n) {
    uint64_t before = set_arithmetic(0, 0); /* a session decodes with what a team sets */
    for (int64_t i = 0; i < n; i++) coder_put(c, logits + i * VOCABULARY, bytes[i]);
    set_arithmetic(before, 1);
    return c->range.failed;
}

/* Ends the stream; how many words it has. */
EXPORT int64_t bbyte_coder_finish(coder *c) {
    range_seal(&c->range);
    return c->range.failed ? -1 : (int64_t)c->range.count;
}

EXPORT const uint32_t *bbyte_coder_words(const coder *c) { return c->range.words; }

/* Begins to decode a stream of `count` words. */
EXPORT int bbyte_coder_begin(coder *c, const uint32_t *words, int64_t count) {
    range_coder *r = &c->range;
    if (r->words || !r->is_new) return WRONG_SIZE;
    r->words = malloc((size_t)(count + 1) * sizeof *words);
    if (!r->words) return OUT_OF_MEMORY;
    memcpy(r->words, words, (size_t)count * sizeof *words);
    r->count = (size_t)count;
    for (int i = 0; i < 2; i++) r->point = r->point << 32 | (r->next < r->count ? r->words[r->next++] : 0);
    return GOOD;
}

/* 256 shares of 2^24, for who wants to see them. */
EXPORT int bbyte_frequencies(const float *logits, uint32_t *shares) {
    uint64_t before = set_arithmetic(0, 0);
    int problem = frequencies_of(logits, shares);
    set_arithmetic(before, 1);
    return problem;
}
