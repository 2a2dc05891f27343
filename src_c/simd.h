/* Vectors of `real` under one instruction set, for gemm.inl.h: the type V of LANES values
 * and the few operations on it, and the transposition of small squares.  Included once per precision; no include guard.
 *
 * AVX2 and AVX-512 load and store under a mask, so the last columns of a matrix need no
 * copy.  Elsewhere FM_HAS_GEMM is 0, which leaves the products to BLAS. */

#undef V
#undef LANES
#undef V_MASK
#undef V_ZERO
#undef V_SET
#undef V_FMA
#undef V_ADD
#undef V_LOAD
#undef V_STORE
#undef V_MASK_OF
#undef V_MASK_ALL
#undef V_LOAD_MASK
#undef V_STORE_MASK
#undef TILE_ROWS
#undef OP
#undef FM_HAS_GEMM
#undef SQUARE

#if defined(__AVX512F__)

#define FM_HAS_GEMM 1
#define TILE_ROWS 12
#if FM_DOUBLE
#define V __m512d
#define LANES 8
#define V_MASK __mmask8
#define OP(name) _mm512_##name##_pd
#else
#define V __m512
#define LANES 16
#define V_MASK __mmask16
#define OP(name) _mm512_##name##_ps
#endif
#define V_MASK_OF(n) ((V_MASK)((1u << (n)) - 1u))
#define V_MASK_ALL ((V_MASK)-1)
#define V_LOAD_MASK(p, mask) OP(maskz_loadu)(mask, p)
#define V_STORE_MASK(p, mask, x) OP(mask_storeu)(p, mask, x)

#elif defined(__AVX2__) && defined(__FMA__)

#define FM_HAS_GEMM 1
#define TILE_ROWS 6
#define V_MASK __m256i
#if FM_DOUBLE
#define V __m256d
#define LANES 4
#define OP(name) _mm256_##name##_pd
#define V_MASK_OF(n)                                                                   \
    _mm256_cmpgt_epi64(_mm256_set1_epi64x(n), _mm256_setr_epi64x(0, 1, 2, 3))
#else
#define V __m256
#define LANES 8
#define OP(name) _mm256_##name##_ps
#define V_MASK_OF(n)                                                                   \
    _mm256_cmpgt_epi32(_mm256_set1_epi32((int)(n)),                                    \
                       _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7))
#endif
#define V_MASK_ALL _mm256_set1_epi32(-1)
#define V_LOAD_MASK(p, mask) OP(maskload)(p, mask)
#define V_STORE_MASK(p, mask, x) OP(maskstore)(p, mask, x)

#else

#define FM_HAS_GEMM 0

#endif

#ifdef OP
#define V_ZERO() OP(setzero)()
#define V_SET(x) OP(set1)(x)
#define V_FMA(a, b, c) OP(fmadd)(a, b, c)
#define V_ADD(a, b) OP(add)(a, b)
#define V_LOAD(p) OP(loadu)(p)
#define V_STORE(p, x) OP(storeu)(p, x)

/* to := the transpose of a square of SQUARE x SQUARE values */
#if FM_DOUBLE
#define SQUARE 2
static inline void FN(transpose_square)(const real *from, ptrdiff_t stride, real *to,
                                        ptrdiff_t to_stride)
{
    const __m128d a = _mm_loadu_pd(from), b = _mm_loadu_pd(from + stride);
    _mm_storeu_pd(to, _mm_unpacklo_pd(a, b));
    _mm_storeu_pd(to + to_stride, _mm_unpackhi_pd(a, b));
}
#else
#define SQUARE 4
static inline void FN(transpose_square)(const real *from, ptrdiff_t stride, real *to,
                                        ptrdiff_t to_stride)
{
    __m128 a = _mm_loadu_ps(from), b = _mm_loadu_ps(from + stride);
    __m128 c = _mm_loadu_ps(from + 2 * stride), d = _mm_loadu_ps(from + 3 * stride);
    _MM_TRANSPOSE4_PS(a, b, c, d);
    _mm_storeu_ps(to, a);
    _mm_storeu_ps(to + to_stride, b);
    _mm_storeu_ps(to + 2 * to_stride, c);
    _mm_storeu_ps(to + 3 * to_stride, d);
}
#endif
#endif
