/* The range coder of constriction's `stream.queue`: words of 32 bits, a state of 64, a total of 2^24. */
#include "coder.h"

#include <stdlib.h>

static void grow(range_coder *r) {
    if (r->count < r->room) return;
    size_t room = r->room ? 2 * r->room : 1024;
    uint32_t *words = realloc(r->words, room * sizeof *words);
    if (!words) {
        r->failed = OUT_OF_MEMORY;
        r->count = 0; /* what follows is lost, but goes nowhere it should not */
        return;
    }
    r->words = words, r->room = room;
}

static void write_word(range_coder *r, uint32_t word) {
    grow(r);
    if (!r->failed) r->words[r->count++] = word;
}

static void carry(range_coder *r) {
    for (size_t i = r->count; i > 0 && ++r->words[i - 1] == 0; i--) {}
}

void range_put(range_coder *r, uint32_t before, uint32_t share) {
    uint64_t scale = r->range >> TOTAL_BITS, lower = r->lower + scale * before;
    if (lower < r->lower) carry(r);
    r->lower = lower, r->range = scale * share, r->is_new = 0;
    if (r->range >> 32) return;
    write_word(r, (uint32_t)(r->lower >> 32));
    r->lower <<= 32, r->range <<= 32;
}

void range_seal(range_coder *r) {
    if (r->is_new) return;
    uint64_t point = r->lower + 0xffffffffu;
    if (point < r->lower) carry(r);
    write_word(r, (uint32_t)(point >> 32));
    if ((r->lower + r->range) >> 32 == point >> 32) write_word(r, 0);
}

/* Where in 0 ... 2^24 - 1 the stream points; beyond for a stream that no coder wrote. */
uint32_t range_look(range_coder *r) {
    uint64_t quantile = (r->point - r->lower) / (r->range >> TOTAL_BITS);
    if (quantile >> TOTAL_BITS) r->failed = NO_DISTRIBUTION;
    return r->failed ? 0 : (uint32_t)quantile;
}

void range_take(range_coder *r, uint32_t before, uint32_t share) {
    uint64_t scale = r->range >> TOTAL_BITS;
    r->lower += scale * before, r->range = scale * share;
    if (r->range >> 32) return;
    r->lower <<= 32, r->range <<= 32, r->point <<= 32;
    if (r->next < r->count) r->point |= r->words[r->next++];
}
