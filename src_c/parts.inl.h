#if FM_HAS_GEMM

/* Vectors that hold the sums of several columns in parts side by side, for the narrow
 * products: `columns` times `parts` lanes. */

#undef INDEX
#undef V_PERMUTE
#undef UNITS
#if FM_NEON /* a column at a time has its lanes in order */
#define INDEX int
#define UNITS 1
#define V_PERMUTE(x, index) ((void)(index), (x))
#elif defined(__AVX512F__)
#define INDEX __m512i
#define UNITS (sizeof(real) / 4)
#if FM_DOUBLE
#define V_PERMUTE(x, index)                                                            \
    _mm512_castsi512_pd(_mm512_permutexvar_epi32(index, _mm512_castpd_si512(x)))
#else
#define V_PERMUTE(x, index) _mm512_permutexvar_ps(index, x)
#endif
#else
#define INDEX __m256i
#define UNITS (sizeof(real) / 4)
#if FM_DOUBLE
#define V_PERMUTE(x, index)                                                            \
    _mm256_castsi256_pd(_mm256_permutevar8x32_epi32(_mm256_castpd_si256(x), index))
#else
#define V_PERMUTE(x, index) _mm256_permutevar8x32_ps(x, index)
#endif
#endif

/* For V_PERMUTE of (rows, columns) to (columns, rows) lanes */
static FM_ALWAYS_INLINE INDEX FN(transposing)(int rows, int columns)
{
    int32_t units[sizeof(V) / 4];
    INDEX index;
    for (int lane = 0; lane < LANES; ++lane)
        for (int i = 0; i < (int)UNITS; ++i)
            units[lane * (int)UNITS + i] =
                (lane % rows * columns + lane / rows) * (int)UNITS + i;
    memcpy(&index, units, sizeof(index));
    return index;
}

/* `count` values at x, LANES / count times one after the other: one load */
static FM_ALWAYS_INLINE V FN(repeat)(int count, const real *x)
{
#if defined(__AVX512F__) && FM_DOUBLE
    if (count == 4) return _mm512_broadcast_f64x4(_mm256_loadu_pd(x));
    if (count == 2) return _mm512_broadcast_f64x2(_mm_loadu_pd(x));
#elif defined(__AVX512F__)
    if (count == 8) return _mm512_broadcast_f32x8(_mm256_loadu_ps(x));
    if (count == 4) return _mm512_broadcast_f32x4(_mm_loadu_ps(x));
    if (count == 2) {
        double pair;
        memcpy(&pair, x, sizeof(pair));
        return _mm512_castpd_ps(_mm512_set1_pd(pair));
    }
#elif defined(__AVX2__) && FM_DOUBLE
    if (count == 2) return _mm256_broadcast_pd((const __m128d *)x);
#elif defined(__AVX2__)
    if (count == 4) return _mm256_broadcast_ps((const __m128 *)x);
    if (count == 2) {
        double pair;
        memcpy(&pair, x, sizeof(pair));
        return _mm256_castpd_ps(_mm256_set1_pd(pair));
    }
#endif
    return count == LANES ? V_LOAD(x) : V_SET(*x);
}

#if !FM_NEON && !FM_DOUBLE
static FM_ALWAYS_INLINE __m128 FN(load_pairs)(const float *x, ptrdiff_t ld)
{
    double pair;
    memcpy(&pair, x, sizeof(pair));
    return _mm_loadh_pi(_mm_castpd_ps(_mm_set_sd(pair)), (const __m64 *)(x + ld));
}
#endif

/* LANES / width rows of `width` values each, `ld` values apart */
static FM_ALWAYS_INLINE V FN(load_rows)(int width, const real *x, ptrdiff_t ld)
{
#if defined(__AVX512F__) && FM_DOUBLE
    if (width == 4)
        return _mm512_insertf64x4(_mm512_castpd256_pd512(_mm256_loadu_pd(x)),
                                  _mm256_loadu_pd(x + ld), 1);
    if (width == 2) {
        V rows = _mm512_castpd128_pd512(_mm_loadu_pd(x));
        rows = _mm512_insertf64x2(rows, _mm_loadu_pd(x + ld), 1);
        rows = _mm512_insertf64x2(rows, _mm_loadu_pd(x + 2 * ld), 2);
        return _mm512_insertf64x2(rows, _mm_loadu_pd(x + 3 * ld), 3);
    }
#elif defined(__AVX512F__)
    if (width == 8)
        return _mm512_insertf32x8(_mm512_castps256_ps512(_mm256_loadu_ps(x)),
                                  _mm256_loadu_ps(x + ld), 1);
    if (width == 4) {
        V rows = _mm512_castps128_ps512(_mm_loadu_ps(x));
        rows = _mm512_insertf32x4(rows, _mm_loadu_ps(x + ld), 1);
        rows = _mm512_insertf32x4(rows, _mm_loadu_ps(x + 2 * ld), 2);
        return _mm512_insertf32x4(rows, _mm_loadu_ps(x + 3 * ld), 3);
    }
    if (width == 2) {
        V rows = _mm512_castps128_ps512(FN(load_pairs)(x, ld));
        rows = _mm512_insertf32x4(rows, FN(load_pairs)(x + 2 * ld, ld), 1);
        rows = _mm512_insertf32x4(rows, FN(load_pairs)(x + 4 * ld, ld), 2);
        return _mm512_insertf32x4(rows, FN(load_pairs)(x + 6 * ld, ld), 3);
    }
#elif defined(__AVX2__) && FM_DOUBLE
    if (width == 2)
        return _mm256_insertf128_pd(_mm256_castpd128_pd256(_mm_loadu_pd(x)),
                                    _mm_loadu_pd(x + ld), 1);
#elif defined(__AVX2__)
    if (width == 4)
        return _mm256_insertf128_ps(_mm256_castps128_ps256(_mm_loadu_ps(x)),
                                    _mm_loadu_ps(x + ld), 1);
    if (width == 2)
        return _mm256_insertf128_ps(_mm256_castps128_ps256(FN(load_pairs)(x, ld)),
                                    FN(load_pairs)(x + 2 * ld, ld), 1);
#endif
    (void)width;
    (void)ld;
    return V_LOAD(x);
}

/* a[l] + a[l + apart] in the lanes l without the bit `apart`, b[l] + b[l - apart] in
 * those with it.  Of each a half stays where it is; the other comes to it by a shuffle,
 * one for both (x86 has a single unit for most of these). */
static FM_ALWAYS_INLINE V FN(add_parts)(int apart, V a, V b)
{
#if FM_NEON && FM_DOUBLE
    (void)apart;
    return V_ADD(vtrn1q_f64(a, b), vtrn2q_f64(a, b));
#elif FM_NEON
    if (apart == 1) return V_ADD(vtrn1q_f32(a, b), vtrn2q_f32(a, b));
    return V_ADD(vcombine_f32(vget_low_f32(a), vget_low_f32(b)),
                 vcombine_f32(vget_high_f32(a), vget_high_f32(b)));
#elif defined(__AVX512F__) && FM_DOUBLE
    if (apart == 1) return V_ADD(OP(mask_blend)(0xaa, a, b), OP(shuffle)(a, b, 0x55));
    if (apart == 4)
        return V_ADD(OP(mask_blend)(0xf0, a, b), _mm512_shuffle_f64x2(a, b, 0x4e));
    return V_ADD(OP(mask_blend)(0xcc, a, b),
                 OP(permutex2var)(a, _mm512_setr_epi64(2, 3, 8, 9, 6, 7, 12, 13), b));
#elif defined(__AVX512F__)
    if (apart == 2) return V_ADD(OP(mask_blend)(0xcccc, a, b), OP(shuffle)(a, b, 0x4e));
    if (apart == 8)
        return V_ADD(OP(mask_blend)(0xff00, a, b), _mm512_shuffle_f32x4(a, b, 0x4e));
    if (apart == 4)
        return V_ADD(OP(mask_blend)(0xf0f0, a, b),
                     OP(permutex2var)(a,
                                      _mm512_setr_epi32(4, 5, 6, 7, 16, 17, 18, 19, 12,
                                                        13, 14, 15, 24, 25, 26, 27),
                                      b));
    return V_ADD(OP(mask_blend)(0xaaaa, a, b),
                 OP(permutex2var)(a,
                                  _mm512_setr_epi32(1, 16, 3, 18, 5, 20, 7, 22, 9, 24,
                                                    11, 26, 13, 28, 15, 30),
                                  b));
#elif FM_DOUBLE
    if (apart == 1) return V_ADD(OP(blend)(a, b, 0xa), OP(shuffle)(a, b, 0x5));
    return V_ADD(OP(blend)(a, b, 0xc), OP(permute2f128)(a, b, 0x21));
#else
    if (apart == 1)
        return V_ADD(OP(blend)(a, b, 0xaa), OP(permute)(OP(blend)(b, a, 0xaa), 0xb1));
    if (apart == 2) return V_ADD(OP(blend)(a, b, 0xcc), OP(shuffle)(a, b, 0x4e));
    return V_ADD(OP(blend)(a, b, 0xf0), OP(permute2f128)(a, b, 0x21));
#endif
}

/* The sums of `parts` vectors, (columns, parts) lanes each, as (columns, vectors)
 * lanes; x is written over */
static FM_ALWAYS_INLINE V FN(sums_of_parts)(int parts, V *x)
{
#define HALVE(half)                                                                    \
    if (half < parts)                                                                  \
        UNROLL for (int i = 0; i < half; ++i) x[i] =                                   \
            FN(add_parts)(half, x[i], x[i + half]);
    HALVE(8) HALVE(4) HALVE(2) HALVE(1)
#undef HALVE
    return x[0];
}

#endif
