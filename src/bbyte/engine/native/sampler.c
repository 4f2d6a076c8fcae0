/* From logits to a byte, as docs/sampling.md has it, to the bit. */
#include "engine.h"

#include <math.h>
#include <string.h>

static const uint64_t GOLDEN = 0x9e3779b97f4a7c15u;
static const double INVERSE_FACTORIALS[] = {
    0x1.ae64567f544e4p-26, 0x1.27e4fb7789f5cp-22, 0x1.71de3a556c734p-19, 0x1.a01a01a01a01ap-16,
    0x1.a01a01a01a01ap-13, 0x1.6c16c16c16c17p-10, 0x1.1111111111111p-7,  0x1.5555555555555p-5,
    0x1.5555555555555p-3,  0.5,                   1.0,                   1.0};

static uint64_t mix(uint64_t z) {
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

static uint64_t random_bits(uint64_t seed, uint64_t lane, uint64_t position) {
    return mix(mix(mix(seed + GOLDEN) + (lane + 1) * GOLDEN) + (position + 1) * GOLDEN);
}

/* (bits * total) >> 64 for a total below 2^48. */
static uint64_t scaled(uint64_t bits, uint64_t total) {
    uint64_t low = 0xffffffffu, carried = (bits & low) * (total & low) >> 32;
    uint64_t middle = (bits >> 32) * (total & low) + carried, other = (bits & low) * (total >> 32) + (middle & low);
    return (bits >> 32) * (total >> 32) + (middle >> 32) + (other >> 32);
}

/* floor(exp(z) * 2^40 + 1/2) for z <= 0. */
static int64_t weight_of(double z) {
    if (!(z > -30.0)) z = -30.0;
    double whole = z * 0x1.71547652b82fep+0 + 0.5;
    int k = (int)whole;
    k -= k > whole;
    double r = (z - k * 0x1.62e42feep-1) - k * 0x1.a39ef35793c76p-33, p = INVERSE_FACTORIALS[0];
    for (int i = 1; i < 12; i++) p = p * r + INVERSE_FACTORIALS[i];
    return (int64_t)(p * (double)((int64_t)1 << (k + 44)) * 0x1p-4 + 0.5); /* k is at least -43 */
}

/* The n-th largest of 256 distinct keys, n from 1. */
static uint64_t nth_largest(const uint64_t *given, int count, int n) {
    uint64_t keys[VOCABULARY];
    int low = 0, high = count - 1, wanted = n - 1;
    memcpy(keys, given, (size_t)count * sizeof *keys);
    while (low < high) {
        uint64_t pivot = keys[(low + high) / 2];
        int i = low, j = high;
        while (i <= j) {
            while (keys[i] > pivot) i++;
            while (keys[j] < pivot) j--;
            if (i > j) break;
            uint64_t kept = keys[i];
            keys[i++] = keys[j], keys[j--] = kept;
        }
        if (wanted <= j) high = j;
        else if (wanted >= i) low = i;
        else break;
    }
    return keys[wanted];
}

/* Sets to 0 the weights that top-k, min-p and top-p do not keep. */
static void keep_likeliest(int64_t *weights, const sampling *s) {
    uint64_t keys[VOCABULARY], least = 0;
    int count = 0, limit = s->top_k == 0 || s->top_k > VOCABULARY ? VOCABULARY : (int)s->top_k;
    double smallest = s->min_p * 0x1p40;
    for (int i = 0; i < VOCABULARY; i++) {
        keys[i] = (uint64_t)weights[i] << 8 | (uint64_t)(VOCABULARY - 1 - i); /* ordered by weight, then by byte */
        count += (double)weights[i] >= smallest;
    }
    count = count < limit ? count : limit;
    if (count < VOCABULARY) least = nth_largest(keys, VOCABULARY, count);
    if (s->top_p < 1) {
        uint64_t kept[VOCABULARY], total = 0, reached = 0;
        int n = 0;
        for (int i = 0; i < VOCABULARY; i++)
            if (keys[i] >= least) kept[n++] = keys[i], total += keys[i] >> 8;
        double needed = s->top_p * (double)(int64_t)total;
        for (int i = 1; i < n; i++) { /* few are kept: put them in order */
            uint64_t key = kept[i];
            int j = i;
            for (; j > 0 && kept[j - 1] < key; j--) kept[j] = kept[j - 1];
            kept[j] = key;
        }
        for (int i = 0; i < n; i++) {
            least = kept[i], reached += kept[i] >> 8;
            if ((double)(int64_t)reached >= needed) break;
        }
    }
    for (int i = 0; i < VOCABULARY; i++)
        if (keys[i] < least) weights[i] = 0;
}

/* What may come in the middle of a UTF-8 character, and before one: state 0 (RFC 3629). -1 is never. */
static int after_byte(int state, int byte) {
    static const uint8_t low[8] = {0, 0x80, 0x80, 0x80, 0xa0, 0x80, 0x90, 0x80};
    static const uint8_t high[8] = {0, 0xbf, 0xbf, 0xbf, 0xbf, 0x9f, 0xbf, 0x8f}, next[8] = {0, 0, 1, 2, 1, 1, 2, 2};
    if (state) return low[state] <= byte && byte <= high[state] ? next[state] : -1;
    if (byte < 0x80) return 0;
    if (byte < 0xc2 || byte > 0xf4) return -1;
    if (byte < 0xe0) return 1;
    if (byte < 0xf0) return byte == 0xe0 ? 4 : byte == 0xed ? 5 : 2;
    return byte == 0xf0 ? 6 : byte == 0xf4 ? 7 : 3;
}

/* The state after a text, told by its last three bytes; what is no character ends before it. */
static int state_after(const uint8_t *text, int64_t known) {
    int state = 0;
    for (int64_t i = known > 3 ? known - 3 : 0; i < known; i++) {
        state = after_byte(state, text[i]);
        if (state < 0) state = after_byte(0, text[i]);
        if (state < 0) state = 0;
    }
    return state;
}

/* The bounds of generation/sampling.py. */
int is_sensible(const sampling *s) {
    return (s->temperature == 0 || (s->temperature >= 0.01 && s->temperature <= 100)) && s->top_k >= 0 && s->top_p > 0 &&
           s->top_p <= 1 && s->min_p >= 0 && s->min_p <= 1 && s->penalty >= 0.01 && s->penalty <= 100 &&
           s->penalty_window >= 1;
}

/* The next byte, or -1 where there is no distribution. `before` holds the `known` bytes before. */
int draw(const float *logits, const sampling *s, uint64_t lane, uint64_t position, const uint8_t *before, int64_t known) {
    double x[VOCABULARY], largest = -INFINITY;
    int64_t weights[VOCABULARY], total = 0, reached = 0;
    int found = 0, state = s->valid_utf8 ? state_after(before, known) : 0;
    for (int i = 0; i < VOCABULARY; i++) {
        x[i] = logits[i];
        if (!(x[i] < INFINITY)) return -1;
    }
    if (s->penalty != 1) {
        uint8_t repeated[VOCABULARY] = {0};
        for (int64_t i = known > s->penalty_window ? known - s->penalty_window : 0; i < known; i++) repeated[before[i]] = 1;
        for (int i = 0; i < VOCABULARY; i++)
            if (repeated[i]) x[i] = x[i] > 0 ? x[i] / s->penalty : x[i] * s->penalty;
    }
    for (int i = 0; i < VOCABULARY; i++) {
        if (s->valid_utf8 && after_byte(state, i) < 0) x[i] = -INFINITY;
        if (x[i] > largest) largest = x[i], found = i;
    }
    if (!(largest > -INFINITY)) return -1;
    if (s->temperature != 0) {
        for (int i = 0; i < VOCABULARY; i++) weights[i] = weight_of((x[i] - largest) / s->temperature);
        if (s->top_k != 0 || s->top_p != 1 || s->min_p != 0) keep_likeliest(weights, s);
        for (int i = 0; i < VOCABULARY; i++) total += weights[i];
        int64_t wanted = (int64_t)scaled(random_bits(s->seed, lane, position), (uint64_t)total);
        for (found = 0; (reached += weights[found]) <= wanted; found++) {}
    }
    return found;
}
