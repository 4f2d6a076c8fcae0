/* The sampler of bbyte.generation.sampler from its description, for a test. Compile with -ffp-contract=off.
   stdin: records of 256 float32 logits, 8 doubles (temperature, top_k, top_p, min_p, penalty, lane, position,
   number of recent bytes), the seed as uint64, and 64 recent bytes. stdout: one byte a record. */
#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

static const uint64_t golden = 0x9E3779B97F4A7C15u;
static const double coefficients[12] = {
    0x1.ae64567f544e4p-26, 0x1.27e4fb7789f5cp-22, 0x1.71de3a556c734p-19, 0x1.a01a01a01a01ap-16,
    0x1.a01a01a01a01ap-13, 0x1.6c16c16c16c17p-10, 0x1.1111111111111p-7, 0x1.5555555555555p-5,
    0x1.5555555555555p-3, 0.5, 1.0, 1.0};

static uint64_t mix(uint64_t z) {
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9u;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EBu;
    return z ^ (z >> 31);
}

static int64_t exp40(double z) {
    if (z < -30.0) z = -30.0;
    double k = floor(z * 0x1.71547652b82fep+0 + 0.5);
    double r = (z - k * 0x1.62e42feep-1) - k * 0x1.a39ef35793c76p-33;
    double p = coefficients[0];
    for (int i = 1; i < 12; i++) p = p * r + coefficients[i];
    return (int64_t)floor(ldexp(p, (int)k + 40) + 0.5);
}

static int sample(const float *logits, const double *s, uint64_t seed, const uint8_t *recent) {
    double x[256], largest = -INFINITY;
    int repeated[256] = {0};
    for (int i = 0; i < (int)s[7]; i++) repeated[recent[i]] = 1;
    for (int i = 0; i < 256; i++) {
        x[i] = logits[i];
        if (repeated[i] && s[4] != 1) x[i] = x[i] > 0 ? x[i] / s[4] : x[i] * s[4];
        if (x[i] > largest) largest = x[i];
    }
    if (s[0] == 0)
        for (int i = 0;; i++)
            if (x[i] == largest) return i;
    int64_t weight[256], total = 0;
    int order[256], count = 0, limit = s[1] == 0 ? 256 : (int)s[1];
    for (int i = 0; i < 256; i++) weight[i] = exp40((x[i] - largest) / s[0]);
    for (int i = 0; i < 256; i++) { /* insertion keeps equal weights in the order of bytes */
        int j = i;
        for (; j > 0 && weight[order[j - 1]] < weight[i]; j--) order[j] = order[j - 1];
        order[j] = i;
    }
    while (count < 256 && count < limit && (double)weight[order[count]] >= s[3] * 0x1p40) total += weight[order[count++]];
    double needed = s[2] * (double)total;
    int64_t reached = 0, kept[256] = {0};
    for (int i = 0; i < count; i++) {
        kept[order[i]] = weight[order[i]];
        reached += weight[order[i]];
        if ((double)reached >= needed) break;
    }
    uint64_t state = mix(seed + golden);
    state = mix(state + ((uint64_t)s[5] + 1) * golden);
    state = mix(state + ((uint64_t)s[6] + 1) * golden);
    int64_t draw = (int64_t)(((unsigned __int128)state * (uint64_t)reached) >> 64);
    for (int i = 0;; i++)
        if ((draw -= kept[i]) < 0) return i;
}

int main(void) {
    float logits[256];
    double settings[8];
    uint64_t seed;
    uint8_t recent[64];
    while (fread(logits, sizeof logits, 1, stdin) == 1 && fread(settings, sizeof settings, 1, stdin) == 1 &&
           fread(&seed, sizeof seed, 1, stdin) == 1 && fread(recent, sizeof recent, 1, stdin) == 1)
        putchar(sample(logits, settings, seed, recent));
    return 0;
}
