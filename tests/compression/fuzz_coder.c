/* Random texts, models and streams through the native coder: fuzz_coder FIRST COUNT [THREADS]. For each seed of COUNT
   from FIRST on, what was coded must come back, and what no coder wrote do no harm. Compiled with sanitizers, which
   watch for the rest; linked so that memory can be refused at any allocation. Prints a digest of all streams. */
#define main fuzz_core
#include "../engine/fuzz_core.c"
#undef main

#include "coder.h"

#include <math.h>

coder *bbyte_coder_new(const coder_tables *, int32_t, int64_t);
void bbyte_coder_free(coder *);
int bbyte_coder_encode(coder *, const float *, const uint8_t *, int64_t);
int64_t bbyte_coder_finish(coder *);
const uint32_t *bbyte_coder_words(const coder *);
int bbyte_coder_begin(coder *, const uint32_t *, int64_t);
int bbyte_frequencies(const float *, uint32_t *);
int bbyte_session_decode(session *, coder *, int64_t, uint8_t *, int32_t);

void *__real_calloc(size_t, size_t);
void *__wrap_calloc(size_t, size_t);
void *__wrap_calloc(size_t count, size_t size) { return refused() ? NULL : __real_calloc(count, size); }
void *__real_malloc(size_t);
void *__wrap_malloc(size_t);
void *__wrap_malloc(size_t size) { return refused() ? NULL : __real_malloc(size); }
void *__real_realloc(void *, size_t);
void *__wrap_realloc(void *, size_t);
void *__wrap_realloc(void *memory, size_t size) { return refused() ? NULL : __real_realloc(memory, size); }

static coder_tables tables;
static uint64_t digest; /* of all words that were written */

static void fill_tables(void) {
    for (int i = -LARGEST_STRETCH; i <= LARGEST_STRETCH; i++)
        tables.squash[LARGEST_STRETCH + i] = (int32_t)lround(0x1p24 / (1 + exp(-i / 256.0)));
    for (int i = 0; i < 4096; i++) tables.stretch[i] = (int32_t)lround(256 * log((i + 0.5) / (4095.5 - i)));
    for (int i = 0; i < 2048; i++) tables.logarithm[i] = (int32_t)lround(65536 * log(1 + i / 2048.0));
    for (int i = 0; i < 1024; i++) tables.rate[i] = (int32_t)lround(65536 / (i + 1.5));
}

typedef struct {
    int64_t n, count;
    int mode;
    uint8_t *text;
    float *logits;
    uint32_t *words;
} stream;

/* Of few or of all bytes, with stretches that were there before. */
static uint8_t *some_text(int64_t n) {
    uint8_t *text = malloc((size_t)n + 1);
    int64_t kinds = once_in(3) ? 256 : from_to(1, 6);
    int first = (int)from_to(0, 255);
    for (int64_t i = 0; i < n; i++) {
        text[i] = (uint8_t)(first + from_to(0, kinds - 1) * (kinds < 256 ? 17 : 1));
        if (i < 2 || !once_in(12)) continue;
        int64_t left = from_to(1, 90), back = from_to(1, i);
        for (; left > 0 && i < n; left--, i++) text[i] = text[i - back];
        i--;
    }
    return text;
}

static float *some_logits(int64_t n) {
    static const float reach[] = {0, 1e-3f, 1, 8, 200, 1e30f, 1.7e38f};
    float most = reach[dice() % 7];
    return numbers((n + 1) * VOCABULARY, -most, most);
}

static void check_shares(const float *logits) {
    uint32_t shares[VOCABULARY], sum = 0;
    EXPECT(!bbyte_frequencies(logits, shares));
    for (int i = 0; i < VOCABULARY; i++) {
        EXPECT(shares[i] >= 1 && shares[i] < 1u << TOTAL_BITS);
        sum += shares[i];
    }
    EXPECT(sum == 1u << TOTAL_BITS);
}

static void encode(stream *s) {
    coder *c = bbyte_coder_new(&tables, s->mode, s->n);
    EXPECT(c);
    for (int64_t at = 0, length; at < s->n; at += length) {
        length = from_to(1, s->n - at);
        EXPECT(!bbyte_coder_encode(c, s->logits + at * VOCABULARY, s->text + at, length));
    }
    s->count = bbyte_coder_finish(c);
    EXPECT(s->count >= 0 && (s->count == 0) == (s->n == 0));
    s->words = malloc((size_t)s->count * sizeof *s->words + 1);
    if (s->count) memcpy(s->words, bbyte_coder_words(c), (size_t)s->count * sizeof *s->words);
    for (int64_t i = 0; i < s->count; i++) {
        digest = (digest ^ s->words[i]) * 0x9e3779b97f4a7c15u;
        digest ^= digest >> 29;
    }
    bbyte_coder_free(c);
}

static void decode(const stream *s) {
    coder *c = bbyte_coder_new(&tables, s->mode, s->n);
    EXPECT(c && !bbyte_coder_begin(c, s->words, s->count));
    for (int64_t i = 0; i < s->n; i++) EXPECT(coder_take(c, s->logits + i * VOCABULARY) == s->text[i]);
    EXPECT(!c->range.failed && c->range.next == c->range.count);
    bbyte_coder_free(c);
}

/* Other words, fewer or more of them: bytes all the same, for more or for fewer than was said. */
static void decode_garbage(const stream *s) {
    int64_t count = once_in(2) ? s->count : from_to(0, s->count + 3), said = once_in(2) ? s->n : from_to(0, s->n);
    uint32_t *words = malloc((size_t)count * sizeof *words + 1);
    for (int64_t i = 0; i < count; i++)
        words[i] = i < s->count && !once_in(8) ? s->words[i] : (uint32_t)dice() | (once_in(3) ? UINT32_MAX : 0);
    coder *c = bbyte_coder_new(&tables, s->mode, said);
    EXPECT(c && !bbyte_coder_begin(c, words, count));
    for (int64_t i = 0; i < s->n; i++) {
        int byte = coder_take(c, s->logits + i * VOCABULARY);
        EXPECT(byte >= 0 && byte < 256);
    }
    bbyte_coder_free(c), free(words);
}

static void without_memory(const stream *s) {
    coder *c = NULL;
    for (int64_t allowed = 0; !c; allowed++) {
        EXPECT(allowed < 9);
        allocations_left = allowed;
        c = bbyte_coder_new(&tables, s->mode, s->n);
        allocations_left = -1;
    }
    allocations_left = from_to(0, 1);
    int problem = bbyte_coder_encode(c, s->logits, s->text, s->n);
    EXPECT(problem == GOOD || problem == OUT_OF_MEMORY);
    int64_t words = bbyte_coder_finish(c);
    allocations_left = -1;
    EXPECT(problem == GOOD ? words >= -1 : words == -1);
    bbyte_coder_free(c);
    EXPECT(!bbyte_coder_new(&tables, s->mode, -1) && !bbyte_coder_new(&tables, s->mode, INT64_MAX));
}

static void no_distribution(const stream *s) {
    uint32_t shares[VOCABULARY];
    float *row = s->logits + s->n * VOCABULARY;
    row[from_to(0, 255)] = once_in(2) ? NAN : INFINITY;
    EXPECT(bbyte_frequencies(row, shares) == NO_DISTRIBUTION);
    coder *c = bbyte_coder_new(&tables, s->mode, 9);
    EXPECT(bbyte_coder_encode(c, row, (const uint8_t *)"a", 1) == NO_DISTRIBUTION && bbyte_coder_finish(c) == -1);
    bbyte_coder_free(c);
}

/* What a model's logits have coded, decoded by a session of so many threads, whole or in parts. */
static void by_session(const model *m, int path, int threads, stream *s) {
    float *cos = numbers(1 << 16, -1, 1), *sin = numbers(1 << 16, -1, 1);
    uint8_t zero = 0, *found = malloc((size_t)s->n + 1);
    session *a = bbyte_session_new(m, 1, (int32_t)s->n + 1, 1, 0, 0, cos, sin);
    session *b = bbyte_session_new(m, 1, (int32_t)s->n + 1, threads, 0, path, cos, sin);
    EXPECT(a && b && !bbyte_session_step(a, &zero, 1, s->logits));
    EXPECT(!bbyte_session_step(a, s->text, s->n, s->logits + VOCABULARY));
    encode(s);
    for (int is_garbage = 0; is_garbage < 2; is_garbage++) {
        coder *c = bbyte_coder_new(&tables, s->mode, s->n);
        if (is_garbage && s->count) s->words[from_to(0, s->count - 1)] ^= once_in(2) ? UINT32_MAX : (uint32_t)dice();
        bbyte_session_clear(b);
        EXPECT(!bbyte_coder_begin(c, s->words, s->count) && !bbyte_session_step(b, &zero, 1, NULL));
        EXPECT(bbyte_session_decode(b, c, -1, found, 1) == WRONG_SIZE);
        EXPECT(bbyte_session_decode(b, c, 2, found, 0) == WRONG_SIZE);
        if (m->sizes.kind == TRANSFORMER) EXPECT(bbyte_session_decode(b, c, s->n + 1, found, 1) == FULL);
        int problem = GOOD;
        for (int64_t at = 0, length; at < s->n && !problem; at += length) {
            length = from_to(1, s->n - at);
            int feeds = length > 1 || once_in(2);
            problem = bbyte_session_decode(b, c, length, found + at, feeds);
            if (!feeds && !problem) EXPECT(!bbyte_session_step(b, found + at, 1, NULL));
        }
        EXPECT(is_garbage ? problem == GOOD || problem == NO_DISTRIBUTION : problem == GOOD);
        EXPECT(is_garbage || !memcmp(found, s->text, (size_t)s->n));
        bbyte_coder_free(c);
    }
    session *two = bbyte_session_new(m, 2, 4, 1, 0, 0, cos, sin);
    EXPECT(two && bbyte_session_decode(two, NULL, 1, found, 1) == WRONG_SIZE);
    bbyte_session_free(two), bbyte_session_free(a), bbyte_session_free(b);
    free(found), free(cos), free(sin);
}

static void with_a_model(int most_threads) {
    sizes z = some_sizes();
    stream s = {.n = from_to(0, 40), .mode = (int)from_to(0, 3)};
    model *m = some_model(z, 0);
    int path = (int)from_to(0, 2);
    s.text = some_text(s.n), s.logits = numbers((s.n + 1) * VOCABULARY, 0, 0);
    by_session(m, bbyte_path_is_usable(path) ? path : 0, (int)from_to(1, most_threads), &s);
    free(s.text), free(s.logits), free(s.words);
    bbyte_model_free(m);
}

int main(int count, char **words) {
    if (count < 3) return 2;
    fill_tables();
    seed = strtoull(words[1], NULL, 10);
    for (uint64_t end = seed + strtoull(words[2], NULL, 10); seed < end; seed++) {
        state = seed;
        stream s = {.n = once_in(6) ? from_to(0, 3) : from_to(0, 700), .mode = (int)from_to(0, 3)};
        s.text = some_text(s.n), s.logits = some_logits(s.n);
        check_shares(s.logits);
        encode(&s), decode(&s), decode_garbage(&s), no_distribution(&s);
        if (once_in(4)) without_memory(&s);
        free(s.text), free(s.logits), free(s.words);
        if (once_in(2)) with_a_model(count > 3 ? atoi(words[3]) : 2);
    }
    printf("%016llx\n", (unsigned long long)digest);
    return 0;
}
