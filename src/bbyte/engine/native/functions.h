/* exp and its kin, norms and rounding to 8 bits: docs/engine.md, word for word. */

#define ROUNDING 0x1.8p+23f
#define LN2_HIGH 0x1.62e4p-1f
#define LN2_LOW 0x1.7f7d1cp-20f

INLINE f16 exponential(f16 x) {
    x = smaller(all(88.0f), larger(all(-87.0f), x));
    f16 result;
    EACH_PART {
        vf t = x.v[part] * 0x1.715476p+0f + ROUNDING, k = t - ROUNDING;
        vf r = (x.v[part] - k * LN2_HIGH) - k * LN2_LOW;
        vf p = r * 0x1.6c16c2p-10f + 0x1.111112p-7f;
        p = p * r + 0x1.555556p-5f;
        p = p * r + 0x1.555556p-3f;
        p = p * r + 0.5f;
        p = p * r + 1.0f;
        p = p * r + 1.0f;
        vu shift = ((vu)t - 0x4b400000u) << 23; /* the bits of ROUNDING */
        result.v[part] = (vf)((vu)p + shift);
    }
    return result;
}

INLINE f16 logarithm(f16 u) {
    f16 result;
    EACH_PART {
        vu bits = (vu)u.v[part] + (0x3f800000u - 0x3f3504f3u);
        vf k = __builtin_convertvector((vi)(bits >> 23) - 127, vf);
        vf f = (vf)((bits & 0x7fffffu) + 0x3f3504f3u) - 1.0f;
        vf s = f / (f + 2.0f), z = s * s, twice = s + s;
        vf p = ((z * 0x1.c71c72p-4f + 0x1.24924ap-3f) * z + 0x1.99999ap-3f) * z + 0x1.555556p-2f;
        vf l = twice + twice * (z * p);
        result.v[part] = k * LN2_HIGH + (k * LN2_LOW + l);
    }
    return result;
}

INLINE f16 softplus(f16 x) {
    f16 e = exponential(x), u = add(e, all(1.0f));
    f16 curve = add(logarithm(u), over(subtract(e, subtract(u, all(1.0f))), u));
    EACH_PART curve.v[part] = chosen(x.v[part] > 20.0f, x.v[part], curve.v[part]);
    return curve;
}

INLINE f16 silu(f16 x) { return over(x, add(exponential(subtract(all(-0.0f), x)), all(1.0f))); }

INLINE float root(float x) { return __builtin_sqrtf(x); }

/* x_i * r * g_i; S16 of the squares runs over `n` numbers. `out` may be `x`. */
INLINE void norm(const float *x, const float *gain, float *out, int64_t n, float eps) {
    f16 sum = load_some(x, n);
    sum = times(sum, sum);
    for (int64_t i = LANES_OF_16; i < n; i += LANES_OF_16) {
        f16 some = load_some(x + i, n - i);
        sum = add(sum, times(some, some));
    }
    f16 r = all(1.0f / root(tree(sum) / (float)n + eps));
    for (int64_t i = 0; i < n; i += LANES_OF_16) {
        f16 some = times(times(load_some(x + i, n - i), r), load_some(gain + i, n - i));
        store_some(out + i, some, n - i);
    }
}

/* Codes of n numbers, their step and their sum; what fills up the last 16 is 0. */
INLINE void codes_of(const float *x, int64_t n, int8_t *codes, float *step, int32_t *sum) {
    f16 largest = all(0x1.4f8b58p-17f);
    for (int64_t i = 0; i < n; i += LANES_OF_16) largest = larger_magnitude(largest, load_some(x + i, n - i));
    float a = largest_magnitude(largest);
    f16 inverse = all(127.0f / a);
    vi total = {0};
    for (int64_t i = 0; i < n; i += LANES_OF_16) {
        f16 some = times(load_some(x + i, n - i), inverse);
        EACH_PART {
            vi code = (vi)(some.v[part] + ROUNDING) - 0x4b400000;
            total += code;
            *(vb_anywhere *)(codes + i + part * WIDTH) = __builtin_convertvector(code, vb);
        }
    }
    *step = a / 127.0f;
    *sum = 0;
    for (int i = 0; i < WIDTH; i++) *sum += total[i];
}
