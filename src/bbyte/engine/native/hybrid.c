/* The model's prediction mixed, bit by bit, with those of contexts seen in the chunk: whole numbers throughout.

   Logits of bits are in 256ths, at most 12 either way. A context keeps, for each of the 15 places in a tree of half a
   byte, a probability in 22 bits and a count in 10. Two mixers, one chosen by what is known of the byte, one by the
   length of the match, see the same inputs; the mean of their logits is coded. */
#include "coder.h"

#include <stdlib.h>
#include <string.h>

enum {
    ORDERS = 7, LINE_BITS = 17, COUNT_LIMIT = 255, FINE = 33, COUNTS = 16, INPUTS = 1 + 2 * ORDERS + 2 + 1, MATCH_BITS = 18,
    SHORTEST_MATCH = 5, LONGEST_MATCH = 63, MATCH_SETS = 12, LEARNING = 16, LEARN2 = 4
};

typedef struct {
    uint32_t slots[15], check;
} line;

struct hybrid {
    const coder_tables *tables;
    line *lines[ORDERS];
    line *here[ORDERS];
    uint16_t fine[ORDERS][COUNTS][FINE]; /* what a probability with so large a count turned out to be */
    uint16_t of_match[LONGEST_MATCH + 1];
    int32_t of_byte[256][INPUTS], of_length[MATCH_SETS][INPUTS], of_previous[256][INPUTS];
    uint8_t *text;
    size_t count, room;
    uint32_t *places; /* of hashes of SHORTEST_MATCH bytes */
    size_t match;
    int length;
    uint32_t word;
    /* of the bit at hand */
    int partial, inputs[INPUTS], bits_done;
    uint16_t *refined[ORDERS];
    int p_byte, p_length, p_previous, p_final, three[3]; /* of the mixers, 24 bits */
    int32_t of_three[256][3];
};

void hybrid_free(hybrid *h) {
    if (!h) return;
    for (int i = 0; i < ORDERS; i++) aligned_free(h->lines[i]);
    free(h->text), free(h->places), free(h);
}

hybrid *hybrid_new(const coder_tables *tables, int64_t longest) {
    hybrid *h = calloc(1, sizeof *h);
    if (!h) return NULL;
    int good = 1;
    h->tables = tables, h->room = (size_t)longest;
    h->text = malloc(h->room + 1);
    for (int i = 0; i < ORDERS; i++) {
        h->lines[i] = aligned_zeros(sizeof(line) << LINE_BITS);
        good &= h->lines[i] != NULL;
    }
    h->places = calloc((size_t)1 << MATCH_BITS, sizeof *h->places);
    if (!good || !h->places || !h->text) {
        hybrid_free(h);
        return NULL;
    }
    for (int i = 0; i < ORDERS; i++)
        for (int n = 0; n < COUNTS; n++)
            for (int p = 0; p < FINE; p++) h->fine[i][n][p] = (uint16_t)(tables->squash[LARGEST_STRETCH + (p - 16) * 128] >> 8);
    for (int n = 0; n <= LONGEST_MATCH; n++) h->of_match[n] = (uint16_t)(65535 - 65536 / (n + 2));
    for (int i = 0; i < 256; i++) h->of_byte[i][0] = h->of_previous[i][0] = 65536, h->of_three[i][0] = h->of_three[i][1] = h->of_three[i][2] = 21845;
    for (int i = 0; i < MATCH_SETS; i++) h->of_length[i][0] = 65536;
    return h;
}

static uint32_t hashed(uint32_t a, uint32_t b) {
    uint32_t h = a * 0x2c1b3c6du ^ (b + 0x9e3779b9u) * 0x297a2d39u;
    h ^= h >> 15;
    h *= 0x85ebca6bu;
    return h ^ h >> 13;
}

/* The line of a context: of two places the one that is its own, else the one that was used less, emptied. */
static line *line_of(line *lines, uint32_t hash) {
    uint32_t check = (hash >> 16) | 1, at = hash * 0x9e3779b1u >> (32 - LINE_BITS);
    line *a = lines + at, *b = lines + (at ^ 1);
    if (a->check == check) return a;
    if (b->check == check) return b;
    line *kept = (a->slots[0] & 1023) <= (b->slots[0] & 1023) ? a : b;
    memset(kept, 0, sizeof *kept);
    kept->check = check;
    return kept;
}

static void find_lines(hybrid *h) {
    uint64_t last = 0;
    for (int i = 0; i < 6; i++) {
        size_t back = (size_t)i + 1;
        if (h->count >= back) last |= (uint64_t)h->text[h->count - back] << 8 * i;
        uint32_t low = (uint32_t)last, high = (uint32_t)(last >> 32);
        h->here[i] = line_of(h->lines[i], hashed(hashed(low, high + (uint32_t)i * 0x1000193u), (uint32_t)h->partial));
    }
    uint32_t before = h->count ? h->text[h->count - 1] : 0;
    h->here[6] = line_of(h->lines[6], hashed(hashed(h->word, before), (uint32_t)h->partial + 0x10000u));
}

static int bounded(int64_t x) {
    return x > LARGEST_STRETCH ? LARGEST_STRETCH : x < -LARGEST_STRETCH ? -LARGEST_STRETCH : (int)x;
}

static int stretched(const hybrid *h, uint32_t p16) { return h->tables->stretch[p16 >> 4]; }

/* 65536 ln(x) of a whole x >= 1. */
static int32_t logarithm_of(const hybrid *h, uint32_t x) {
    int k = 31 - __builtin_clz(x);
    uint32_t fraction = k > 11 ? x >> (k - 11) : x << (11 - k);
    return k * 45426 + h->tables->logarithm[fraction & 2047];
}

static int expected_bit(const hybrid *h) {
    if (!h->length) return -1;
    int byte = h->text[h->match] | 256;
    return byte >> (8 - h->bits_done) == h->partial ? byte >> (7 - h->bits_done) & 1 : -1;
}

static int64_t mixed(const int32_t *weights, const int *inputs) {
    int64_t sum = 0;
    for (int i = 0; i < INPUTS; i++) sum += (int64_t)weights[i] * inputs[i];
    return sum >> 16;
}

static int length_set(const hybrid *h) {
    int n = h->length;
    return n == 0 ? 0 : n < 8 ? 1 : n < 12 ? 2 : n < 16 ? 3 : n < 24 ? 4 : n < 32 ? 5 : 6;
}

static int previous(const hybrid *h) { return h->count ? h->text[h->count - 1] : 0; }

static int place_in_line(const hybrid *h) {
    int of_half = h->bits_done & 3, known = h->partial & ((1 << of_half) - 1);
    return (1 << of_half) - 1 + known;
}

/* The probability of a 1, in 24 bits, from the sums of the model's shares of what would begin with 0 and with 1. */
static uint32_t predict(hybrid *h, uint32_t zero, uint32_t one) {
    int *x = h->inputs, at = place_in_line(h), bit = expected_bit(h);
    x[0] = bounded((logarithm_of(h, one) - logarithm_of(h, zero)) / 256);
    for (int i = 0; i < ORDERS; i++) {
        uint32_t slot = h->here[i]->slots[at], n = slot & 1023, p = (slot >> 10) ^ 0x200000u;
        int st = n ? stretched(h, p >> 6) : 0, place = bounded(st);
        place = place > 2047 ? 2047 : place < -2047 ? -2047 : place;
        int bucket = n < 8 ? (int)n : n < 12 ? 8 : n < 16 ? 9 : n < 24 ? 10 : n < 32 ? 11 : n < 64 ? 12 : n < 128 ? 13 : 14;
        h->refined[i] = &h->fine[i][bucket][(place + 2048 + 64) / 128];
        x[1 + 2 * i] = st;
        x[2 + 2 * i] = n ? stretched(h, *h->refined[i]) : 0;
    }
    x[1 + 2 * ORDERS] = x[2 + 2 * ORDERS] = 0;
    if (bit >= 0) {
        int st = stretched(h, h->of_match[h->length]), strength = h->length < 32 ? h->length * 32 : 1024;
        x[1 + 2 * ORDERS] = bit ? st : -st;
        x[2 + 2 * ORDERS] = bit ? strength : -strength;
    }
    x[3 + 2 * ORDERS] = 256;
    int by_byte = bounded(mixed(h->of_byte[h->partial], x));
    int by_length = bounded(mixed(h->of_length[length_set(h)], x));
    int by_all;
    int by_previous = bounded(mixed(h->of_previous[previous(h)], x));
    h->p_previous = h->tables->squash[LARGEST_STRETCH + by_previous];
    h->p_byte = h->tables->squash[LARGEST_STRETCH + by_byte];
    h->p_length = h->tables->squash[LARGEST_STRETCH + by_length];
    h->three[0] = by_byte, h->three[1] = by_length, h->three[2] = by_previous;
    int64_t sum = 0;
    for (int i = 0; i < 3; i++) sum += (int64_t)h->of_three[h->partial][i] * h->three[i];
    by_all = bounded(sum >> 16);
    h->p_final = h->tables->squash[LARGEST_STRETCH + by_all];
    return (uint32_t)h->p_final;
}

static void teach(int32_t *weights, const int *inputs, int error) {
    for (int i = 0; i < INPUTS; i++) weights[i] += (int32_t)(((int64_t)inputs[i] * error * LEARNING + (1 << 19)) >> 20);
}

static void update(hybrid *h, int bit) {
    int at = place_in_line(h), guess = expected_bit(h), target = bit << 24;
    teach(h->of_byte[h->partial], h->inputs, (target - h->p_byte) / 256);
    for (int i = 0; i < 3; i++) h->of_three[h->partial][i] += (int32_t)(((int64_t)h->three[i] * ((target - h->p_final) / 256) * LEARN2 + (1 << 19)) >> 20);
    teach(h->of_previous[previous(h)], h->inputs, (target - h->p_previous) / 256);
    teach(h->of_length[length_set(h)], h->inputs, (target - h->p_length) / 256);
    for (int i = 0; i < ORDERS; i++) {
        uint32_t *slot = &h->here[i]->slots[at], n = *slot & 1023;
        int32_t p = (int32_t)((*slot >> 10) ^ 0x200000u), aim = bit ? (1 << 22) - 1 : 0;
        p += (int32_t)(((int64_t)(aim - p) * h->tables->rate[n]) >> 16);
        *slot = ((uint32_t)p ^ 0x200000u) << 10 | (n < COUNT_LIMIT ? n + 1 : n);
        if (n) *h->refined[i] = (uint16_t)(*h->refined[i] + ((((bit << 16) - bit) - *h->refined[i]) / 64));
    }
    if (guess >= 0) {
        uint16_t *p = &h->of_match[h->length];
        *p = (uint16_t)(*p + ((guess == bit ? 65535 : 0) - *p) / 64);
        if (guess != bit) h->length = 0;
    }
    h->partial = h->partial << 1 | bit;
    if (++h->bits_done == 4) find_lines(h);
}

static void begin_byte(hybrid *h) {
    h->partial = 1, h->bits_done = 0;
    find_lines(h);
}

/* The byte is known: the match goes on, or is looked for. */
static void end_byte(hybrid *h, int byte) {
    if (h->count == h->room) return; /* more than was said: nothing more is learned */
    h->text[h->count++] = (uint8_t)byte;
    int lower = byte | 32, is_letter = ('a' <= lower && lower <= 'z') || byte >= 128;
    h->word = is_letter ? hashed(h->word, (uint32_t)(byte < 128 ? byte | 32 : byte)) : 0;
    if (h->count < SHORTEST_MATCH) return;
    uint32_t hash = 0;
    for (int i = SHORTEST_MATCH; i > 0; i--) hash = hashed(hash, h->text[h->count - (size_t)i]);
    uint32_t *place = &h->places[hash >> (32 - MATCH_BITS)];
    if (h->length) {
        h->match++;
        if (h->length < LONGEST_MATCH) h->length++;
    } else if (*place) {
        h->match = *place;
        while (h->length < LONGEST_MATCH && (size_t)h->length < h->match &&
               h->text[h->match - 1 - (size_t)h->length] == h->text[h->count - 1 - (size_t)h->length])
            h->length++;
        if (h->length < SHORTEST_MATCH) h->length = 0;
    }
    *place = (uint32_t)h->count;
}

/* Sums of shares below each place of the tree of a byte: node 1 has them all. */
static void add_up(const uint32_t *shares, uint32_t *nodes) {
    memcpy(nodes + 256, shares, 256 * sizeof *nodes);
    for (int i = 255; i > 0; i--) nodes[i] = nodes[2 * i] + nodes[2 * i + 1];
}

void hybrid_put(hybrid *h, range_coder *r, const uint32_t *shares, int byte) {
    uint32_t nodes[512];
    add_up(shares, nodes);
    begin_byte(h);
    for (int i = 7; i >= 0; i--) {
        int bit = byte >> i & 1;
        uint32_t one = predict(h, nodes[2 * h->partial], nodes[2 * h->partial + 1]), zero = (1u << TOTAL_BITS) - one;
        range_put(r, bit ? zero : 0, bit ? one : zero);
        update(h, bit);
    }
    end_byte(h, byte);
}

int hybrid_take(hybrid *h, range_coder *r, const uint32_t *shares) {
    uint32_t nodes[512];
    add_up(shares, nodes);
    begin_byte(h);
    for (int i = 7; i >= 0; i--) {
        uint32_t one = predict(h, nodes[2 * h->partial], nodes[2 * h->partial + 1]), zero = (1u << TOTAL_BITS) - one;
        int bit = range_look(r) >= zero;
        range_take(r, bit ? zero : 0, bit ? one : zero);
        update(h, bit);
    }
    int byte = h->partial & 255;
    end_byte(h, byte);
    return byte;
}
