/* The table of kernels of one precision; included once per precision.  It is the only
 * declaration of a kernel: the build derives those of Cython from it
 * (fastmlp/_core/declare_kernels.py).
 * n: rows, k: columns (units or outputs) unless said otherwise. */

typedef struct {
    /* a := f(z); z, a (n, k), which may be the same, their rows ld apart with room for a
     * multiple of 64 bytes, all of which may change; p: the parameter of f */
    void (*activate)(fm_activation f, const FM_REAL *z, FM_REAL *a, ptrdiff_t n,
                     ptrdiff_t k, ptrdiff_t ld, FM_REAL p);

    /* delta := delta * f'(x), in place, and db := db + column sums of the result;
     * x: the outputs, of an activation by input its inputs; x, delta (n, k), their rows
     * ld apart with room as above, db (k,) */
    void (*activate_backward)(fm_activation f, const FM_REAL *x, FM_REAL *delta,
                              FM_REAL *db, ptrdiff_t n, ptrdiff_t k, ptrdiff_t ld,
                              FM_REAL p);

    /* activate_backward of relu where delta is the product of a column and a row, above
     * (n,) and w (k,), with room as above; the bits are those of `gemm` and it */
    void (*relu_backward_of_one)(const FM_REAL *x, const FM_REAL *above,
                                 const FM_REAL *w, FM_REAL *delta, FM_REAL *db,
                                 ptrdiff_t n, ptrdiff_t k, ptrdiff_t ld);

    /* a := z + slopes (f(z) - z) for an f of FM_PARAMETRIC; slopes (k,), the rest as of
     * `activate` */
    void (*parametric)(fm_activation f, const FM_REAL *z, FM_REAL *a,
                       const FM_REAL *slopes, ptrdiff_t n, ptrdiff_t k, ptrdiff_t ld);

    /* delta := delta da/dz, in place, db := db + column sums of the result, dslopes :=
     * dslopes + the gradient of the slopes; z (n, k), the rest as above */
    void (*parametric_backward)(fm_activation f, const FM_REAL *z, const FM_REAL *slopes,
                                FM_REAL *delta, FM_REAL *db, FM_REAL *dslopes,
                                ptrdiff_t n, ptrdiff_t k, ptrdiff_t ld);

    /* out := scale times the embeddings of the numbers x (n, k), FM_PERIODIC + 1 values
     * each; weights (k, FM_NUMBER_SIZE): of each number frequencies and phases
     * (FM_FREQUENCIES,), a matrix (FM_FREQUENCIES, FM_PERIODIC), biases (FM_PERIODIC,),
     * and what a missing one takes (FM_PERIODIC + 1,); rows of x ldx apart, those of out
     * ldo */
    void (*embed_numbers)(const FM_REAL *x, ptrdiff_t ldx, const FM_REAL *weights,
                          const FM_REAL *scale, FM_REAL *out, ptrdiff_t ldo,
                          ptrdiff_t n, ptrdiff_t k);

    /* dweights, dscale := the same + the gradients of weights and scale of one number,
     * from those of its outputs, delta (n, FM_PERIODIC + 1) */
    void (*embed_number_backward)(const FM_REAL *x, ptrdiff_t ldx,
                                  const FM_REAL *weights, const FM_REAL *scale,
                                  const FM_REAL *delta, ptrdiff_t ldd,
                                  FM_REAL *dweights, FM_REAL *dscale, ptrdiff_t n);

    /* out := scale x, with missing (k,) in place of NaN; as `embed_numbers` */
    void (*scale_numbers)(const FM_REAL *x, ptrdiff_t ldx, const FM_REAL *missing,
                          const FM_REAL *scale, FM_REAL *out, ptrdiff_t ldo,
                          ptrdiff_t n, ptrdiff_t k);
    void (*scale_number_backward)(const FM_REAL *x, ptrdiff_t ldx,
                                  const FM_REAL *missing, const FM_REAL *scale,
                                  const FM_REAL *delta, ptrdiff_t ldd,
                                  FM_REAL *dmissing, FM_REAL *dscale, ptrdiff_t n);

    /* out (n, k) := scale times the rows of a table (levels, k) that a column of codes
     * names, ldx apart */
    void (*take_levels)(const FM_REAL *codes, ptrdiff_t ldx, const FM_REAL *table,
                        const FM_REAL *scale, FM_REAL *out, ptrdiff_t ldo, ptrdiff_t n,
                        ptrdiff_t k);

    /* dtable, dscale := the same + the gradients from delta (n, k); dtable may be NULL */
    void (*take_levels_backward)(const FM_REAL *codes, ptrdiff_t ldx,
                                 const FM_REAL *table, const FM_REAL *scale,
                                 const FM_REAL *delta, ptrdiff_t ldd, FM_REAL *dtable,
                                 FM_REAL *dscale, ptrdiff_t n, ptrdiff_t k);

    /* db := db + column sums of delta (n, k) */
    void (*column_sums)(const FM_REAL *delta, FM_REAL *db, ptrdiff_t n, ptrdiff_t k);

    /* z := output activation of z, in place; z (n, k) */
    void (*output)(const fm_objective *objective, FM_REAL *z, ptrdiff_t n, ptrdiff_t k);

    /* out := output activation of z, or z itself where o is NULL; z (k, n), its rows ld
     * apart with room for a multiple of 16 values, all of which may change; out (n, k),
     * and next_size values behind it are written next */
    void (*output_of_lanes)(const fm_objective *o, FM_REAL *z, ptrdiff_t ld,
                            FM_REAL *out, ptrdiff_t n, ptrdiff_t k,
                            ptrdiff_t next_size);

    /* z := w dloss/dz, in place, and db := db + column sums of the result; returns the
     * weighted sum of the losses over rows and outputs.
     * y (n, k), but (n, 1) class numbers for log_loss and focal, (n, k / n_levels) for
     * quantile, whose levels of a target are together, and (n, k / 2) for
     * gaussian_nll, whose means come before the log variances; w (n,) or NULL for
     * ones */
    double (*loss_delta)(const fm_objective *objective, const FM_REAL *y,
                         const FM_REAL *w, FM_REAL *z, FM_REAL *db, ptrdiff_t n,
                         ptrdiff_t k);

    /* write a value of each line of n values back, so that this cache owns the lines */
    void (*own_lines)(FM_REAL *x, ptrdiff_t n);

    /* the sum of n values */
    double (*sum_values)(const FM_REAL *x, ptrdiff_t n);

    /* whether none of n values is infinite or NaN */
    int (*all_finite)(const FM_REAL *x, ptrdiff_t n);

    /* g := scale g + decay w over n values; returns the sum of w * w */
    double (*finish_gradient)(const FM_REAL *w, FM_REAL *g, ptrdiff_t n, FM_REAL scale,
                            FM_REAL decay);

    /* one step by a rule over n values; m, v: its vectors of state, v unused where there
     * is one; returns the sum of w * w before it */
    double (*update)(fm_rule rule, const fm_step *step, const FM_REAL *g, FM_REAL *w,
                     FM_REAL *m, FM_REAL *v, ptrdiff_t n);

    /* the sum of x * y over n values; y may be x */
    double (*dot)(const FM_REAL *x, const FM_REAL *y, ptrdiff_t n);

    /* y := y + a x over n values; returns the sum of y * z; z may be x, but y neither */
    double (*axpy_dot)(FM_REAL a, const FM_REAL *x, FM_REAL *y, const FM_REAL *z,
                       ptrdiff_t n);

    /* w := sign(w) max(|w| - t, 0) over n values, t being threshold where v is NULL, else
     * threshold / (root sqrt(v) + epsilon) */
    void (*soft_threshold)(FM_REAL *w, const FM_REAL *v, ptrdiff_t n, FM_REAL threshold,
                           FM_REAL root, FM_REAL epsilon);

    /* w := w min(1, max_norm / norm) with the norm of each column; w (n, k),
     * factor (k,) is overwritten */
    void (*limit_norms)(FM_REAL *w, ptrdiff_t n, ptrdiff_t k, FM_REAL max_norm,
                        FM_REAL *factor);

    /* mean := w + rest (mean - w) over n values */
    void (*average)(const FM_REAL *w, FM_REAL *mean, ptrdiff_t n, FM_REAL rest);

    /* out := x / (1 - rate), or 0 with probability rate; x and out (n, k), rows ldx and
     * ldo apart; out may be x */
    void (*dropout)(const fm_draw *draw, double rate, const FM_REAL *x, ptrdiff_t ldx,
                    FM_REAL *out, ptrdiff_t ldo, ptrdiff_t n, ptrdiff_t k);

    /* the same for the stored values of n rows of a CSR matrix, each at its place */
    void (*csr_dropout)(const fm_draw *draw, double rate, fm_csr_rows rows,
                        const FM_REAL *values, FM_REAL *out, ptrdiff_t n);

    /* out := x + sd e with standard normal e; as above */
    void (*add_noise)(const fm_draw *draw, double sd, const FM_REAL *x, ptrdiff_t ldx,
                      FM_REAL *out, ptrdiff_t ldo, ptrdiff_t n, ptrdiff_t k);

    /* log_loss with targets (1 - smoothing) y + smoothing / k; the rest as `loss_delta` */
    double (*smoothed_log_loss)(const FM_REAL *y, const FM_REAL *w, FM_REAL *z,
                                FM_REAL *db, ptrdiff_t n, ptrdiff_t k,
                                FM_REAL smoothing);

    /* out := the rows order[0..n) of x; x (any, k), out (n, k), its rows ldo apart, with
     * room as above where that is a multiple of 64 bytes; order holds `known` >= n rows,
     * of which the next may be fetched into the cache */
    void (*gather_rows)(const FM_REAL *x, const ptrdiff_t *order, FM_REAL *out,
                        ptrdiff_t n, ptrdiff_t known, ptrdiff_t k, ptrdiff_t ldo);

    /* out := n rows of x in this precision: order[first ..], or first .. where order is
     * NULL; x (any, k), out (n, k), its rows ldo apart */
    void (*cast_rows)(const double *x, const ptrdiff_t *order, ptrdiff_t first,
                      FM_REAL *out, ptrdiff_t n, ptrdiff_t k, ptrdiff_t ldo);

    /* z := X w + b for n rows of a CSR matrix X; w (n_features, k), b (k,), z (n, k),
     * its rows ldz apart */
    void (*csr_forward)(fm_csr_rows rows, const FM_REAL *values, const FM_REAL *w,
                        const FM_REAL *b, FM_REAL *z, ptrdiff_t n, ptrdiff_t k,
                        ptrdiff_t ldz);

    /* dw := dw + X^T delta for the same rows; delta (n, k), its rows ldd apart,
     * dw (n_features, k) */
    void (*csr_backward)(fm_csr_rows rows, const FM_REAL *values, const FM_REAL *delta,
                         ptrdiff_t ldd, FM_REAL *dw, ptrdiff_t n, ptrdiff_t k);

    /* values in a vector of the products below, 0 where there are none */
    ptrdiff_t lanes;

    /* C (m, n) := A B + S; entry (i, p) of A is at a + i row_stride + p k_stride,
     * one of these strides being 1; rows of B (k, n) ldb apart, those of C ldc, those of
     * S s_stride; S may be C, a single row (stride 0), a single column (stride 1) where A
     * is transposed and m > 1, or NULL for none.  rectify: then C := max(C, 0), as by relu;
     * next: NULL, or rows of k values that are read next: m contiguous ones, which are fetched
     * into the cache, or where A is transposed, m > 1 and n a multiple of `lanes`, a
     * multiple of 4 rows that are brought to next->lanes; work: FM_GEMM_WORK values.  NULL
     * where BLAS is to be used */
    void (*gemm)(ptrdiff_t m, ptrdiff_t n, ptrdiff_t k, const FM_REAL *a,
                 ptrdiff_t row_stride, ptrdiff_t k_stride, const FM_REAL *b,
                 ptrdiff_t ldb, const FM_REAL *s, ptrdiff_t s_stride, int rectify,
                 fm_next *next, FM_REAL *c, ptrdiff_t ldc, FM_REAL *work);

    /* Whether gemm sums up C (m, n) in parts over k, for any m; NULL where that is */
    int (*is_narrow)(ptrdiff_t n, ptrdiff_t k);

    /* C^T := B^T A^T + s, or max(B^T A^T + s, 0), where is_narrow(n, k); A^T (k, m), m a
     * multiple of lanes, B (k, n), s (n,), C^T (n, m); the bits are those of gemm.  NULL
     * where that is */
    void (*narrow_of_lanes)(ptrdiff_t m, ptrdiff_t n, ptrdiff_t k, const FM_REAL *a,
                            const FM_REAL *b, const FM_REAL *s, int rectify, FM_REAL *c);

    /* out (k, n) := the transpose of x (n, k), rows ldx and ldo apart */
    void (*transpose)(const FM_REAL *x, ptrdiff_t ldx, FM_REAL *out, ptrdiff_t ldo,
                      ptrdiff_t n, ptrdiff_t k);

    /* y := f(x) over n values */
    void (*math)(fm_math f, const FM_REAL *x, FM_REAL *y, ptrdiff_t n);

    /* n rounds of multiply-adds in registers, returns the operations done; NULL where
     * gemm is */
    double (*multiply_add)(ptrdiff_t n);

    /* read n values; returns a number that depends on all of them */
    double (*read)(const FM_REAL *x, ptrdiff_t n);

    /* x := n times value */
    void (*write)(FM_REAL value, FM_REAL *x, ptrdiff_t n);
} FM_TABLE;

#undef FM_REAL
#undef FM_TABLE
