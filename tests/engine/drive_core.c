/* The native core without Python: reads a model and sessions from standard input, as `recorded_core.py` writes them,
   and writes the logits of all positions, and the texts written after them, to standard output. */
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
int bbyte_session_step(session *, const uint8_t *, int64_t, float *);
int bbyte_session_write(session *, const sampling *, int64_t, int64_t, uint8_t *, int64_t, int64_t, int32_t);

static void must(int good, const char *what) {
    if (good) return;
    fprintf(stderr, "%s\n", what);
    exit(1);
}

/* `bytes` bytes of the input; NULL where it has come to its end. */
static void *taken(size_t bytes) {
    void *memory = malloc(bytes ? bytes : 1);
    must(memory != NULL, "no memory");
    size_t found = fread(memory, 1, bytes, stdin);
    must(found == bytes || (found == 0 && feof(stdin)), "the input is cut off");
    if (found == bytes) return memory;
    free(memory);
    return NULL;
}

static void matrix_of(model *m) {
    int32_t *about = taken(6 * sizeof *about); /* layer, role, is packed, rows, columns, trits a byte */
    size_t rows = (size_t)about[3], columns = (size_t)about[4], trits = (size_t)about[5];
    float *values = about[2] ? NULL : taken(rows * columns * sizeof *values);
    uint8_t *packed = about[2] ? taken(rows * ((columns + trits - 1) / trits)) : NULL;
    float *scales = about[2] ? taken(rows * sizeof *scales) : NULL;
    must(!bbyte_model_matrix(m, about[0], about[1], packed, values, scales, about[3], about[4], about[5]), "a matrix");
    free(values), free(packed), free(scales), free(about);
}

static void vector_of(model *m) {
    int32_t *about = taken(3 * sizeof *about); /* layer, role, size */
    float *values = taken((size_t)about[2] * sizeof *values);
    must(!bbyte_model_vector(m, about[0], about[1], values, about[2]), "a vector");
    free(values), free(about);
}

static void session_of(const model *m) {
    /* lanes, capacity, threads, cache32, path, angles, positions, of a block, bytes to write */
    int32_t *about = taken(9 * sizeof *about);
    int64_t lanes = about[0], positions = about[6], most = about[7], written = about[8], stride = positions + written;
    float *cos = taken((size_t)about[5] * sizeof *cos), *sin = taken((size_t)about[5] * sizeof *sin);
    sampling *settings = taken(sizeof *settings);
    uint8_t *tokens = taken((size_t)(lanes * positions)), *block = malloc((size_t)(lanes * most));
    uint8_t *text = calloc((size_t)lanes, (size_t)stride);
    float *found = malloc((size_t)(lanes * most * VOCABULARY) * sizeof *found);
    must(bbyte_path_is_usable(about[4]) && block && text && found, "memory, or this path");
    session *s = bbyte_session_new(m, about[0], about[1], about[2], about[3], about[4], cos, sin);
    must(s != NULL, "a session");
    for (int64_t at = 0; at < positions; at += most) {
        int64_t length = positions - at < most ? positions - at : most;
        for (int64_t lane = 0; lane < lanes; lane++)
            memcpy(block + lane * length, tokens + lane * positions + at, (size_t)length);
        must(!bbyte_session_step(s, block, length, found), "a step");
        size_t count = (size_t)(lanes * length * VOCABULARY);
        must(fwrite(found, sizeof *found, count, stdout) == count, "the output");
    }
    for (int64_t lane = 0; lane < lanes; lane++)
        memcpy(text + lane * stride, tokens + lane * positions, (size_t)positions);
    must(!bbyte_session_write(s, settings, written, positions, text, stride, positions, 1), "writing");
    must(fwrite(text, 1, (size_t)(lanes * stride), stdout) == (size_t)(lanes * stride), "the output");
    bbyte_session_free(s);
    free(cos), free(sin), free(settings), free(tokens), free(block), free(text), free(found), free(about);
}

int main(void) {
    sizes *given = taken(sizeof *given);
    model *m = bbyte_model_new(given);
    must(m != NULL, "a model");
    for (int32_t *tag; (tag = taken(sizeof *tag)); free(tag)) {
        if (*tag == 1) matrix_of(m);
        else if (*tag == 2) vector_of(m);
        else if (*tag == 3) session_of(m);
        else must(0, "an unknown record");
    }
    bbyte_model_free(m);
    free(given);
    return 0;
}
