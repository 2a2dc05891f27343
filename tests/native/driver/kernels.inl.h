/* All parts for one precision. */
#include "driver.h"

/* Room for the values of one case and for what they should give: the largest product. */
enum { SIZE = 1 << 19 };
static real A[SIZE], B[SIZE], C[SIZE], D[SIZE];
static double want[SIZE], bound[SIZE], want_sum[4096], bound_sum[4096];

#define KERNELS (now.isa->PRECISION)
#define START(kernel) start_kernel(kernel, PRECISION_NAME)
#define TAKE(values, n) ((real *)take(values, n, sizeof(real), CHANGED))
#define GIVE(values, n) ((const real *)take(values, n, sizeof(real), INPUT))
#define GIVE_INDICES(values, n)                                                        \
    ((const ptrdiff_t *)take(values, n, sizeof(ptrdiff_t), INPUT))

static void FN(random)(real *x, ptrdiff_t n, double low, double high)
{
    for (ptrdiff_t i = 0; i < n; ++i) x[i] = (real)uniform(low, high);
}

static void FN(check_value)(double got, double wanted, double within, const char *what,
                            ptrdiff_t i, ptrdiff_t j)
{
    const double error = fabs(got - wanted);
    note_error(error > 0 ? error / (within + TINY) : 0);
    if (!(error <= within + TINY))
        fail("%s (%td, %td) is %.17g, not %.17g +- %.3g", what, i, j, got, wanted,
             within);
}

/* (n, k) values, rows ld apart, beside want and bound, whose rows are not */
static void FN(check)(const real *got, ptrdiff_t n, ptrdiff_t k, ptrdiff_t ld)
{
    for (ptrdiff_t i = 0; i < n; ++i)
        for (ptrdiff_t j = 0; j < k; ++j)
            FN(check_value)((double)got[i * ld + j], want[i * k + j], bound[i * k + j],
                            "value", i, j);
}

/* the gaps between the rows: `first` .. ld - 1 of each but the last is as it was */
static void FN(check_gaps)(const real *got, const real *before, ptrdiff_t n,
                           ptrdiff_t first, ptrdiff_t ld)
{
    for (ptrdiff_t i = 0; i + 1 < n; ++i)
        if (ld > first && memcmp(got + i * ld + first, before + i * ld + first,
                                 (size_t)(ld - first) * sizeof(real)))
            fail("row %td was written beyond its end", i);
}

static void FN(check_sums)(const real *got, ptrdiff_t k)
{
    for (ptrdiff_t j = 0; j < k; ++j)
        FN(check_value)((double)got[j], want_sum[j], bound_sum[j], "column sum", j, 0);
}

/* want_sum := start + the column sums of want (n, k), and their bounds */
static void FN(sum_columns)(const real *start, ptrdiff_t n, ptrdiff_t k)
{
    for (ptrdiff_t j = 0; j < k; ++j) {
        double size = fabs((double)start[j]), within = 0;
        want_sum[j] = start[j];
        for (ptrdiff_t i = 0; i < n; ++i) {
            want_sum[j] += want[i * k + j];
            size += fabs(want[i * k + j]);
            within += bound[i * k + j];
        }
        bound_sum[j] = within + (double)(n + 1) * EPS * size;
    }
}

/* values of (n, k) whose rows are ld apart */
static ptrdiff_t FN(extent_of)(ptrdiff_t n, ptrdiff_t k, ptrdiff_t ld)
{
    return n > 0 ? (n - 1) * ld + k : 0;
}

/* k up to the next multiple of 64 bytes */
static ptrdiff_t FN(whole)(ptrdiff_t k)
{
    const ptrdiff_t room = 64 / (ptrdiff_t)sizeof(real);
    return (k + room - 1) / room * room;
}

#include "elements.inl.h"
#include "updates.inl.h"
#include "objectives.inl.h"
#include "outputs.inl.h"
#include "rows.inl.h"
#include "random.inl.h"
#include "products.inl.h"
#include "stage.inl.h"

void FN(test_kernels)(void)
{
    FN(test_activations)();
    FN(test_parametric_activations)();
    FN(test_functions)();
    FN(test_updates)();
    FN(test_constraints)();
    FN(test_outputs)();
    FN(test_losses)();
    FN(test_smoothing)();
    FN(test_gathering)();
    FN(test_sparse)();
    FN(test_dropout)();
    FN(test_noise)();
    FN(test_transpose)();
    FN(test_gemm)();
    FN(test_rows_alone)();
    FN(test_moves)();
    FN(test_narrow)();
    FN(test_calibration)();
    FN(test_stage)();
}
