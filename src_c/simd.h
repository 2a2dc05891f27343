/* Vectors of `real` under one instruction set, for gemm.inl.h: the type V of LANES values
 * and the few operations on it.  Included once per precision; no include guard.
 *
 * AVX2 and AVX-512 load and store under a mask, so the last columns of a matrix need no
 * copy.  Elsewhere FM_HAS_GEMM is 0, which leaves the products to BLAS. */

#undef V
#undef LANES
#undef V_MASK
#undef V_ZERO
#undef V_SET
#undef V_FMA
#undef V_LOAD
#undef V_STORE
#undef V_MASK_OF
#undef V_MASK_ALL
#undef V_LOAD_MASK
#undef V_STORE_MASK
#undef TILE_ROWS
#undef OP
#undef FM_HAS_GEMM
#undef V_INDEX
#undef V_GATHER

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
#if FM_DOUBLE
#define V_INDEX(s)                                                                     \
    _mm256_mullo_epi32(_mm256_set1_epi32(s), _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7))
#define V_GATHER(p, index) _mm512_i32gather_pd(index, p, 8)
#else
#define V_INDEX(s)                                                                     \
    _mm512_mullo_epi32(_mm512_set1_epi32(s),                                           \
                       _mm512_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, \
                                         14, 15))
#define V_GATHER(p, index) _mm512_i32gather_ps(index, p, 4)
#endif

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
#if FM_DOUBLE
#define V_INDEX(s) _mm_mullo_epi32(_mm_set1_epi32(s), _mm_setr_epi32(0, 1, 2, 3))
#define V_GATHER(p, index) _mm256_i32gather_pd(p, index, 8)
#else
#define V_INDEX(s)                                                                     \
    _mm256_mullo_epi32(_mm256_set1_epi32(s), _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7))
#define V_GATHER(p, index) _mm256_i32gather_ps(p, index, 4)
#endif

#else

#define FM_HAS_GEMM 0

#endif

#ifdef OP
#define V_ZERO() OP(setzero)()
#define V_SET(x) OP(set1)(x)
#define V_FMA(a, b, c) OP(fmadd)(a, b, c)
#define V_LOAD(p) OP(loadu)(p)
#define V_STORE(p, x) OP(storeu)(p, x)
#endif
