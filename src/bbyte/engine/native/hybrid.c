/* The model's prediction mixed, bit by bit, with those of contexts seen in the chunk: whole numbers throughout, as
   docs/coder.md has it. */
#include "coder.h"

#include <stdlib.h>
#include <string.h>

enum {
    ORDERS = 8, LINE_BITS = 17, COUNT_LIMIT = 255, COUNTS = 15, FINE = 33,
    INPUTS = 1 + 2 * ORDERS + 2 + 1, MIXERS = 3, MATCH_SETS = 7,
    LEARNING_BITS = 16, LAST_LEARNING = 6, LAST_LEARNING_BITS = 20, MATCH_BITS = 18, SHORTEST_MATCH = 5, LONGEST_MATCH = 63
};

/* Half a byte of a context: of each of the 15 places in its tree a probability in 22 bits, its upper bit turned so
   that 0 is one half, and a count in 10. */
typedef struct {
    uint32_t slots[15], check;
} line;

struct hybrid {
    const coder_tables *tables;
    line *memory, *lines[ORDERS], *here[ORDERS];
    uint16_t fine[ORDERS][COUNTS][FINE]; /* what a probability with so large a count turned out to be */
    uint16_t of_match[LONGEST_MATCH + 1];
    int32_t of_byte[256][INPUTS], of_length[MATCH_SETS][INPUTS], of_previous[256][INPUTS], last[256][MIXERS];
    uint8_t *text;
    size_t count, room, match; /* match: where the text went on the last time */
    uint32_t *places;          /* of hashes of SHORTEST_MATCH bytes */
    int length;
    uint32_t word, word_before, hashes[ORDERS];
    /* Of the bit at hand: */
    int partial, bits_done, inputs[INPUTS], logits[MIXERS], shares[MIXERS], share;
    int32_t *chosen[MIXERS];
    uint16_t *refined[ORDERS];
};

void hybrid_free(hybrid *h) {
    if (!h) return;
    aligned_free(h->memory), free(h->text), free(h->places), free(h);
}

static void fill(hybrid *h) {
    for (int i = 0; i < ORDERS; i++)
        for (int n = 0; n < COUNTS; n++)
            for (int p = 0; p < FINE; p++)
                h->fine[i][n][p] = (uint16_t)(h->tables->squash[LARGEST_STRETCH + (p - 16) * 128] >> 8);
    for (int n = 0; n <= LONGEST_MATCH; n++) h->of_match[n] = (uint16_t)(65535 - 65536 / (n + 2));
    for (int i = 0; i < 256; i++) {
        h->of_byte[i][0] = h->of_previous[i][0] = 65536; /* at first the model alone */
        for (int m = 0; m < MIXERS; m++) h->last[i][m] = 65536 / MIXERS;
    }
    for (int i = 0; i < MATCH_SETS; i++) h->of_length[i][0] = 65536;
}

static uint32_t hashed(uint32_t a, uint32_t b) {
    uint32_t h = a * 0x2c1b3c6du ^ (b + 0x9e3779b9u) * 0x297a2d39u;
    h ^= h >> 15;
    h *= 0x85ebca6bu;
    return h ^ h >> 13;
}

static uint32_t place_of(uint32_t hash) { return hash * 0x9e3779b1u >> (32 - LINE_BITS); }

/* The line of a context: of two places the one that is its own, else the one that was used less, emptied. */
static line *line_of(line *lines, uint32_t hash) {
    uint32_t check = hash >> 16 | 1;
    line *a = lines + place_of(hash), *b = lines + (place_of(hash) ^ 1);
    if (a->check == check) return a;
    if (b->check == check) return b;
    line *taken = (a->slots[0] & 1023) <= (b->slots[0] & 1023) ? a : b;
    memset(taken, 0, sizeof *taken);
    taken->check = check;
    return taken;
}

static uint32_t previous(const hybrid *h, size_t back) { return h->count >= back ? h->text[h->count - back] : 0; }

/* Six contexts of 1 to 6 bytes, the letters of the word with the byte before, and that word with the one before it.
   Their lines are asked for, so that they are at hand when they are looked at. */
static void hash_contexts(hybrid *h) {
    uint32_t low = 0, high = 0, partial = (uint32_t)h->partial;
    for (uint32_t i = 0; i < 6; i++) {
        if (i < 4)
            low |= previous(h, i + 1) << 8 * i;
        else
            high |= previous(h, i + 1) << 8 * (i - 4);
        h->hashes[i] = hashed(hashed(low, high + i * 0x1000193u), partial);
    }
    h->hashes[6] = hashed(hashed(h->word, previous(h, 1)), partial + 0x10000u);
    h->hashes[7] = hashed(hashed(h->word, h->word_before), partial + 0x20000u);
    for (int i = 0; i < ORDERS; i++) {
        __builtin_prefetch(h->lines[i] + place_of(h->hashes[i]), 1);
        __builtin_prefetch(h->lines[i] + (place_of(h->hashes[i]) ^ 1), 1);
    }
}

static void find_lines(hybrid *h) {
    for (int i = 0; i < ORDERS; i++) h->here[i] = line_of(h->lines[i], h->hashes[i]);
}

hybrid *hybrid_new(const coder_tables *tables, int64_t longest) {
    hybrid *h = calloc(1, sizeof *h);
    if (!h) return NULL;
    h->tables = tables, h->room = (size_t)longest;
    h->text = malloc(h->room + 1);
    h->places = calloc((size_t)1 << MATCH_BITS, sizeof *h->places);
    h->memory = aligned_zeros(ORDERS * (sizeof(line) << LINE_BITS));
    if (!h->text || !h->places || !h->memory) {
        hybrid_free(h);
        return NULL;
    }
    for (int i = 0; i < ORDERS; i++) h->lines[i] = h->memory + ((size_t)i << LINE_BITS);
    fill(h);
    h->partial = 1;
    hash_contexts(h);
    return h;
}

static int bounded(int64_t x, int most) { return x > most ? most : x < -most ? -most : (int)x; }

static int squashed(const hybrid *h, int logit) { return h->tables->squash[LARGEST_STRETCH + logit]; }

static int stretched(const hybrid *h, uint32_t p16) { return h->tables->stretch[p16 >> 4]; }

/* 65536 ln(x) of a whole x >= 1. */
static int32_t logarithm_of(const hybrid *h, uint32_t x) {
    int k = 31 - __builtin_clz(x);
    uint32_t fraction = k > 11 ? x >> (k - 11) : x << (11 - k);
    return k * 45426 + h->tables->logarithm[fraction & 2047];
}

/* The bit that followed the last time; -1 where nothing like this text has been. */
static int expected_bit(const hybrid *h) {
    if (!h->length) return -1;
    int byte = h->text[h->match] | 256;
    return byte >> (8 - h->bits_done) == h->partial ? byte >> (7 - h->bits_done) & 1 : -1;
}

static int set_of_length(int n) {
    return n == 0 ? 0 : n < 8 ? 1 : n < 12 ? 2 : n < 16 ? 3 : n < 24 ? 4 : n < 32 ? 5 : 6;
}

static int set_of_count(int n) {
    return n < 8 ? n : n < 12 ? 8 : n < 16 ? 9 : n < 24 ? 10 : n < 32 ? 11 : n < 64 ? 12 : n < 128 ? 13 : 14;
}

static int place_in_line(const hybrid *h) {
    int known = h->bits_done & 3;
    return (1 << known) - 1 + (h->partial & ((1 << known) - 1));
}

static void look_at_contexts(hybrid *h, int *x) {
    int at = place_in_line(h);
    for (int i = 0; i < ORDERS; i++, x += 2) {
        uint32_t slot = h->here[i]->slots[at], n = slot & 1023;
        int logit = n ? stretched(h, ((slot >> 10) ^ 0x200000u) >> 6) : 0;
        h->refined[i] = &h->fine[i][set_of_count((int)n)][(bounded(logit, 2047) + 2112) / 128];
        x[0] = logit;
        x[1] = n ? stretched(h, *h->refined[i]) : 0;
    }
}

static void look_at_match(hybrid *h, int *x) {
    int bit = expected_bit(h), strength = h->length < 32 ? h->length * 32 : 1024;
    int logit = bit < 0 ? 0 : stretched(h, h->of_match[h->length]);
    x[0] = bit == 1 ? logit : -logit;
    x[1] = bit < 0 ? 0 : bit ? strength : -strength;
}

static int dot(const int32_t *weights, const int *inputs, int count) {
    int64_t sum = 0;
    for (int i = 0; i < count; i++) sum += (int64_t)weights[i] * inputs[i];
    return bounded(sum >> 16, LARGEST_STRETCH);
}

/* The share of a 1, of 2^24, from the model's shares of what would begin with 0 and with 1. */
static uint32_t predict(hybrid *h, uint32_t zero, uint32_t one) {
    int *x = h->inputs;
    x[0] = bounded((logarithm_of(h, one) - logarithm_of(h, zero)) / 256, LARGEST_STRETCH);
    look_at_contexts(h, x + 1);
    look_at_match(h, x + 1 + 2 * ORDERS);
    x[INPUTS - 1] = 256;
    h->chosen[0] = h->of_byte[h->partial];
    h->chosen[1] = h->of_length[set_of_length(h->length)];
    h->chosen[2] = h->of_previous[previous(h, 1)];
    for (int m = 0; m < MIXERS; m++) {
        h->logits[m] = dot(h->chosen[m], x, INPUTS);
        h->shares[m] = squashed(h, h->logits[m]);
    }
    h->share = squashed(h, dot(h->last[h->partial], h->logits, MIXERS));
    return (uint32_t)h->share;
}

/* By input * error / 2^bits, rounded; products stay below 2^31, and weights within 64 either way. */
static void teach(int32_t *weights, const int *inputs, int count, int error, int bits) {
    for (int i = 0; i < count; i++) {
        int taught = weights[i] + ((inputs[i] * error + (1 << (bits - 1))) >> bits);
        taught = taught < 64 << 16 ? taught : 64 << 16;
        weights[i] = taught > -(64 << 16) ? taught : -(64 << 16);
    }
}

static void teach_contexts(hybrid *h, int bit) {
    int at = place_in_line(h);
    for (int i = 0; i < ORDERS; i++) {
        uint32_t *slot = &h->here[i]->slots[at], n = *slot & 1023;
        int32_t p = (int32_t)((*slot >> 10) ^ 0x200000u), aim = bit ? (1 << 22) - 1 : 0;
        p += (int32_t)(((int64_t)(aim - p) * h->tables->rate[n]) >> 16);
        *slot = ((uint32_t)p ^ 0x200000u) << 10 | (n < COUNT_LIMIT ? n + 1 : n);
        if (n) *h->refined[i] = (uint16_t)(*h->refined[i] + ((bit ? 65535 : 0) - *h->refined[i]) / 64);
    }
}

static void learn(hybrid *h, int bit) {
    int target = bit << TOTAL_BITS, guess = expected_bit(h);
    teach(h->last[h->partial], h->logits, MIXERS, (target - h->share) / 256 * LAST_LEARNING, LAST_LEARNING_BITS);
    for (int m = 0; m < MIXERS; m++)
        teach(h->chosen[m], h->inputs, INPUTS, (target - h->shares[m]) / 256, LEARNING_BITS);
    teach_contexts(h, bit);
    if (guess >= 0) {
        uint16_t *p = &h->of_match[h->length];
        *p = (uint16_t)(*p + ((guess == bit ? 65535 : 0) - *p) / 64);
        if (guess != bit) h->length = 0;
    }
    h->partial = h->partial << 1 | bit;
    if (++h->bits_done != 4) return;
    hash_contexts(h);
    find_lines(h);
}

/* The match goes on, or another is looked for among the places of the last five bytes. */
static void find_match(hybrid *h) {
    if (h->count < SHORTEST_MATCH) return;
    uint32_t hash = 0;
    for (size_t back = SHORTEST_MATCH; back > 0; back--) hash = hashed(hash, previous(h, back));
    uint32_t *place = &h->places[hash >> (32 - MATCH_BITS)];
    if (h->length) {
        h->match++;
        if (h->length < LONGEST_MATCH) h->length++;
    } else if (*place) {
        size_t n = 0;
        h->match = *place;
        while (n < LONGEST_MATCH && n < h->match && h->text[h->match - 1 - n] == h->text[h->count - 1 - n]) n++;
        h->length = n < SHORTEST_MATCH ? 0 : (int)n;
    }
    *place = (uint32_t)h->count;
}

static void remember(hybrid *h, int byte) {
    int lower = byte | 32, is_letter = ('a' <= lower && lower <= 'z') || byte >= 128;
    h->text[h->count++] = (uint8_t)byte;
    if (!is_letter && h->word) h->word_before = h->word;
    h->word = is_letter ? hashed(h->word, (uint32_t)(byte < 128 ? lower : byte)) : 0;
    find_match(h);
}

/* More than was said is not remembered. */
static void end_byte(hybrid *h, int byte) {
    if (h->count < h->room) remember(h, byte);
    h->partial = 1, h->bits_done = 0;
    hash_contexts(h);
}

/* Sums of shares below each place of the tree of a byte: place 1 has them all. */
static void begin_byte(hybrid *h, const uint32_t *shares, uint32_t *places) {
    memcpy(places + 256, shares, 256 * sizeof *places);
    for (int i = 255; i > 0; i--) places[i] = places[2 * i] + places[2 * i + 1];
    find_lines(h);
}

void hybrid_put(hybrid *h, range_coder *r, const uint32_t *shares, int byte) {
    uint32_t places[512];
    begin_byte(h, shares, places);
    for (int i = 7; i >= 0; i--) {
        int bit = byte >> i & 1;
        uint32_t one = predict(h, places[2 * h->partial], places[2 * h->partial + 1]), zero = (1u << TOTAL_BITS) - one;
        range_put(r, bit ? zero : 0, bit ? one : zero);
        learn(h, bit);
    }
    end_byte(h, byte);
}

int hybrid_take(hybrid *h, range_coder *r, const uint32_t *shares) {
    uint32_t places[512];
    begin_byte(h, shares, places);
    while (h->bits_done < 8) {
        uint32_t one = predict(h, places[2 * h->partial], places[2 * h->partial + 1]), zero = (1u << TOTAL_BITS) - one;
        int bit = range_look(r) >= zero;
        range_take(r, bit ? zero : 0, bit ? one : zero);
        learn(h, bit);
    }
    int byte = h->partial & 255;
    end_byte(h, byte);
    return byte;
}
