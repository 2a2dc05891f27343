/* Vectors of `real` under one instruction set, for the products and transposes: the type
 * V of LANES values and the few operations on it.  Included once per precision; no
 * include guard.
 *
 * V_LOAD_FIRST and V_STORE_FIRST touch the first n values only, 1 <= n <= LANES.  AVX2
 * has masked stores too, but on AMD they take as long as ten full ones, hence the
 * pieces; NEON has no masks at all.  Without AVX2 or NEON FM_HAS_GEMM is 0, which leaves
 * the products to BLAS.  V_IN_REGISTER keeps a value that is used several times from
 * being loaded each time: compilers take a load within an instruction for free.
 *
 * TILE_ROWS_1 .. _4: rows of the largest tile of so many vectors whose sums fit the
 * registers (16 with AVX2, 32 with AVX-512 and NEON) beside the operands; _ACROSS: of a
 * transposed A.  PANEL_VECTORS: those of the panels that most columns of B fall into;
 * with AVX2 three took 0.92 to 1.00 of the time of whole steps with two (Zen 3, shared).
 * VECTORS_OF_2, _3: vectors of the widest tile of so many rows.
 * FM_FROM_LANE: a multiply-add takes a factor from a lane of a vector.
 * FM_PACKS: panels of B that lie badly are copied first, FM_PACKS_ACROSS: the rows of such
 * a transposed A.  With AVX-512 both together cost 2 to 10 % of a product of 128 to 1,000
 * rows and units on Zen 5, up to 40 % with fewer rows.  On Intel copies of A save 6 to 9 %
 * of the gradient of 512 x 512 weights over 512 rows, 9 to 14 % beside a busy hyperthread,
 * and take nothing from others (Emerald Rapids); copies of B save 12 to 30 % of 256 rows
 * times 150, 300 or 500 units, whose vectors cross lines, and 30 % where rows of B are a
 * multiple of 4 KB apart (Ice Lake, L2 of 1.25 MB in 1,024 sets; no change with the 2,048
 * sets of Emerald Rapids).  With AVX2 copies of B save 13 % of 256 rows times 500 units,
 * and shorter blocks of k 26 to 32 % of 32 rows times 1,024 units (Ice Lake). */

#undef V
#undef LANES
#undef V_ZERO
#undef V_SET
#undef V_FMA
#undef V_ADD
#undef V_MAX
#undef V_LOAD
#undef V_STORE
#undef V_LOAD_FIRST
#undef V_STORE_FIRST
#undef V_IN_REGISTER
#undef TILE_ROWS_1
#undef TILE_ROWS_2
#undef TILE_ROWS_3
#undef TILE_ROWS_4
#undef TILE_ROWS_1_ACROSS
#undef TILE_ROWS_2_ACROSS
#undef TILE_ROWS_3_ACROSS
#undef TILE_ROWS_4_ACROSS
#undef OP
#undef NEON
#undef FM_HAS_GEMM
#undef FM_PACKS
#undef FM_PACKS_ACROSS
#undef FM_FROM_LANE
#undef PANEL_VECTORS
#undef VECTORS_OF_2
#undef VECTORS_OF_3
#undef REGISTER

#if defined(__AVX512F__)

#define FM_HAS_GEMM 1
#define FM_PACKS fm_is_intel()
#define FM_PACKS_ACROSS fm_is_intel()
#define TILE_ROWS_1 12
#define TILE_ROWS_2 12
#define TILE_ROWS_3 8
#define TILE_ROWS_4 6
#define REGISTER "+v"
#define PANEL_VECTORS 4
#define VECTORS_OF_2 8
#define VECTORS_OF_3 6
#if FM_DOUBLE
#define V __m512d
#define LANES 8
#define OP(name) _mm512_##name##_pd
#define FIRST(n) ((__mmask8)((1u << (n)) - 1u))
#else
#define V __m512
#define LANES 16
#define OP(name) _mm512_##name##_ps
#define FIRST(n) ((__mmask16)((1u << (n)) - 1u))
#endif
static FM_ALWAYS_INLINE V FN(load_first)(const real *p, ptrdiff_t n)
{
    return OP(maskz_loadu)(FIRST(n), p);
}
static FM_ALWAYS_INLINE void FN(store_first)(real *p, ptrdiff_t n, V x)
{
    OP(mask_storeu)(p, FIRST(n), x);
}
#undef FIRST

#elif defined(__AVX2__) && defined(__FMA__)

#define FM_HAS_GEMM 1
#define FM_PACKS 1
#define FM_PACKS_ACROSS 1
#define TILE_ROWS_1 8
#define TILE_ROWS_2 6
#define TILE_ROWS_3 4
#define REGISTER "+x"
#define PANEL_VECTORS 3
#define VECTORS_OF_2 4
#define VECTORS_OF_3 3
#if FM_DOUBLE
#define V __m256d
#define LANES 4
#define OP(name) _mm256_##name##_pd
static FM_ALWAYS_INLINE V FN(load_first)(const real *p, ptrdiff_t n)
{
    return OP(maskload)(p, _mm256_cmpgt_epi64(_mm256_set1_epi64x(n),
                                              _mm256_setr_epi64x(0, 1, 2, 3)));
}
static FM_ALWAYS_INLINE void FN(store_first)(real *p, ptrdiff_t n, V x)
{
    __m128d part = _mm256_castpd256_pd128(x);
    if (n == LANES) {
        OP(storeu)(p, x);
        return;
    }
    if (n & 2) {
        _mm_storeu_pd(p, part);
        p += 2;
        part = _mm256_extractf128_pd(x, 1);
    }
    if (n & 1) _mm_store_sd(p, part);
}
#else
#define V __m256
#define LANES 8
#define OP(name) _mm256_##name##_ps
static FM_ALWAYS_INLINE V FN(load_first)(const real *p, ptrdiff_t n)
{
    return OP(maskload)(p,
                        _mm256_cmpgt_epi32(_mm256_set1_epi32((int)n),
                                           _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7)));
}
static FM_ALWAYS_INLINE void FN(store_first)(real *p, ptrdiff_t n, V x)
{
    __m128 part = _mm256_castps256_ps128(x);
    if (n == LANES) {
        OP(storeu)(p, x);
        return;
    }
    if (n & 4) {
        _mm_storeu_ps(p, part);
        p += 4;
        part = _mm256_extractf128_ps(x, 1);
    }
    if (n & 2) {
        _mm_storel_pi((__m64 *)p, part);
        p += 2;
        part = _mm_movehl_ps(part, part);
    }
    if (n & 1) _mm_store_ss(p, part);
}
#endif

#elif FM_NEON

#define FM_HAS_GEMM 1
#define FM_PACKS 1
#define FM_PACKS_ACROSS 1
#define FM_FROM_LANE 1
#define TILE_ROWS_1 12
#define TILE_ROWS_2 8
#define TILE_ROWS_3 6 /* with 7, GCC 12 keeps sums in memory */
#define PANEL_VECTORS 2
#define VECTORS_OF_2 8
#define VECTORS_OF_3 6
#define REGISTER "+w"
#define TILE_ROWS_1_ACROSS 12
#define TILE_ROWS_2_ACROSS 12
#define TILE_ROWS_3_ACROSS 8
#if FM_DOUBLE
#define V float64x2_t
#define LANES 2
#define NEON(name) v##name##_f64
static FM_ALWAYS_INLINE V FN(load_first)(const real *p, ptrdiff_t n)
{
    return n == LANES ? vld1q_f64(p) : vld1q_lane_f64(p, vdupq_n_f64(0), 0);
}
static FM_ALWAYS_INLINE void FN(store_first)(real *p, ptrdiff_t n, V x)
{
    if (n == LANES)
        vst1q_f64(p, x);
    else
        vst1q_lane_f64(p, x, 0);
}
#else
#define V float32x4_t
#define LANES 4
#define NEON(name) v##name##_f32
static FM_ALWAYS_INLINE V FN(load_first)(const real *p, ptrdiff_t n)
{
    const float32x2_t zeros = vdup_n_f32(0);
    if (n == LANES) return vld1q_f32(p);
    if (n == 1) return vld1q_lane_f32(p, vdupq_n_f32(0), 0);
    return vcombine_f32(vld1_f32(p), n == 3 ? vld1_lane_f32(p + 2, zeros, 0) : zeros);
}
static FM_ALWAYS_INLINE void FN(store_first)(real *p, ptrdiff_t n, V x)
{
    if (n == LANES) {
        vst1q_f32(p, x);
        return;
    }
    if (n & 2) {
        vst1_f32(p, vget_low_f32(x));
        if (n & 1) vst1q_lane_f32(p + 2, x, 2);
    } else {
        vst1q_lane_f32(p, x, 0);
    }
}
#endif

#define V_ZERO() NEON(dupq_n)(0)
#define V_SET(x) NEON(dupq_n)(x)
#define V_FMA(a, b, c) NEON(fmaq)(c, a, b)
#define V_ADD(a, b) NEON(addq)(a, b)
#define V_MAX(a, b) NEON(bslq)(NEON(cgtq)(a, b), a, b) /* as that of x86 */
#define V_LOAD(p) NEON(ld1q)(p)
#define V_STORE(p, x) NEON(st1q)(p, x)

#else

#define FM_HAS_GEMM 0

#endif

#ifdef OP
#define V_ZERO() OP(setzero)()
#define V_SET(x) OP(set1)(x)
#define V_FMA(a, b, c) OP(fmadd)(a, b, c)
#define V_ADD(a, b) OP(add)(a, b)
#define V_MAX(a, b) OP(max)(a, b) /* b of NaN or two zeros */
#define V_LOAD(p) OP(loadu)(p)
#define V_STORE(p, x) OP(storeu)(p, x)
#define TILE_ROWS_1_ACROSS TILE_ROWS_1
#define TILE_ROWS_2_ACROSS TILE_ROWS_2
#define TILE_ROWS_3_ACROSS TILE_ROWS_3
#ifdef TILE_ROWS_4
#define TILE_ROWS_4_ACROSS TILE_ROWS_4
#endif
#define FM_FROM_LANE 0
#endif
#if FM_HAS_GEMM
#define V_LOAD_FIRST(p, n) FN(load_first)(p, n)
#define V_STORE_FIRST(p, n, x) FN(store_first)(p, n, x)
#ifdef __GNUC__
#define V_IN_REGISTER(x) __asm__("" : REGISTER(x))
#else
#define V_IN_REGISTER(x) (void)(x)
#endif
#endif
