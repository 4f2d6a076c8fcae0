/* Lossless coding with a model's predictions: docs/coder.md. */
#ifndef BBYTE_CODER_H
#define BBYTE_CODER_H

#include "engine.h"

enum { TOTAL_BITS = 24, LARGEST_STRETCH = 3071, HYBRID = 1, ADAPT = 2 };

/* Made once by bbyte.compression.tables, from exact arithmetic. */
typedef struct {
    int32_t squash[2 * LARGEST_STRETCH + 1]; /* 2^24 / (1 + exp(-i / 256)), i from -3071 on */
    int32_t stretch[4096];                   /* 256 ln(p / (1 - p)) of p = (i + 1/2) / 4096 */
    int32_t logarithm[2048];                 /* 65536 ln(1 + i / 2048) */
    int32_t rate[1024];                      /* 65536 / (i + 3/2) */
} coder_tables;

/* The range coder of constriction's `stream.queue`: words of 32 bits, a state of 64. */
typedef struct {
    uint64_t lower, range, point;
    uint32_t *words;
    size_t count, room, next;
    int is_new, failed; /* failed: an `error` of engine.h */
} range_coder;

typedef struct hybrid hybrid;

typedef struct {
    const coder_tables *tables;
    range_coder range;
    int32_t mode;
    hybrid *hybrid;
    float bias[VOCABULARY];
} coder;

void range_put(range_coder *, uint32_t before, uint32_t share);
void range_seal(range_coder *);
uint32_t range_look(range_coder *);
void range_take(range_coder *, uint32_t before, uint32_t share);

hybrid *hybrid_new(const coder_tables *, int64_t longest);
void hybrid_free(hybrid *);
void hybrid_put(hybrid *, range_coder *, const uint32_t *frequencies, int byte);
int hybrid_take(hybrid *, range_coder *, const uint32_t *frequencies);

void coder_put(coder *, const float *logits, int byte);
int coder_take(coder *, const float *logits);
#endif
