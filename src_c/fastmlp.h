/* The C interface of fastmlp: plain C11, no Python, no NumPy.
 *
 * Contract of every kernel: sizes may be 0; matrices are row-major and dense;
 * buffers do not overlap unless the kernel says "in place"; no kernel allocates,
 * keeps state or fails.  NaN goes through every formula.
 *
 * The bodies are compiled once per precision and instruction set under names like
 * fm_f32_v3_activate; dispatch.c offers one table of pointers per precision.
 */
#ifndef FASTMLP_H
#define FASTMLP_H

#include <stddef.h>
#include <stdint.h>

#include "registry.h"

#define FM_ENUM(name) FM_##name,
typedef enum { FM_ACTIVATIONS(FM_ENUM) FM_N_ACTIVATIONS } fm_activation;
#undef FM_ENUM

#define FM_ENUM(name, output) FM_LOSS_##name,
typedef enum { FM_LOSSES(FM_ENUM) FM_N_LOSSES } fm_loss;
#undef FM_ENUM

#define FM_ENUM(name) FM_OUTPUT_##name,
typedef enum { FM_OUTPUTS(FM_ENUM) FM_N_OUTPUTS } fm_output;
#undef FM_ENUM

enum { FM_N_LOSS_OUTPUTS = FM_OUTPUT_tanh }; /* those before it go with a loss */

enum { FM_MAX_LEVELS = 256 }; /* the most quantile levels */

/* The objective: a loss of the outputs behind their activation. */
typedef struct {
    fm_loss loss;
    fm_output output;
    double parameter;     /* delta of huber, power of tweedie, gamma of focal losses */
    double low, high;     /* range of a logistic output */
    const double *levels; /* (n_levels,) of quantile */
    ptrdiff_t n_levels;
    int is_monotone;          /* quantiles are sums of softplus steps */
    const double *step_scale; /* (k / n_levels,) units of the steps, or NULL for ones */
    const double *positive;   /* (k,) weights of the positive term, or NULL for ones */
} fm_objective;

#define FM_ENUM(name, vectors) FM_RULE_##name,
typedef enum { FM_RULES(FM_ENUM) FM_N_RULES } fm_rule;
#undef FM_ENUM

/* The scalars of a step along the gradient scale g + decay w; each rule reads some. */
typedef struct {
    double scale, decay;
    double keep; /* what weight decay leaves of w: 1 for none */
    double learning_rate, momentum, beta_1, beta_2, epsilon;
    double gradient_rate, root; /* of nadam */
    int nesterov;
} fm_step;

/* Random numbers are functions of this and of row and unit (random.inl.h). */
typedef struct {
    uint32_t key[2]; /* the seed */
    uint32_t step;
    uint32_t stream; /* one for each use within a step */
    ptrdiff_t row;   /* of the batch, the first one that is asked for */
} fm_draw;

/* Element-wise functions offered one by one to tests and benchmarks. */
#define FM_ENUM(name, function) FM_MATH_##name,
typedef enum { FM_MATH(FM_ENUM) FM_N_MATH } fm_math;
#undef FM_ENUM

/* Blocks of a matrix product, and the room it needs: for copies of a block of B and of
 * rows of A, and for a transposed result of few columns; or for a copy of few columns of
 * B.  BLOCK_N is a multiple of two vectors of any kind. */
enum {
    FM_GEMM_BLOCK_K = 320,
    FM_GEMM_BLOCK_M = 72,
    FM_GEMM_BLOCK_N = 512,
    FM_GEMM_NARROW = 16,
    FM_GEMM_NARROW_ROWS = 1008,
    FM_GEMM_WORK = FM_GEMM_BLOCK_K * (FM_GEMM_BLOCK_M + FM_GEMM_BLOCK_N) +
                   FM_GEMM_NARROW * FM_GEMM_NARROW_ROWS
};

/* The embedding of a number (stage.inl.h): frequencies, outputs beside the number itself,
 * its weights in the flat vector, and the most rows of one round of its gradient. */
enum {
    FM_FREQUENCIES = 16,
    FM_PERIODIC = 3,
    FM_NUMBER_SIZE = FM_FREQUENCIES * (2 + FM_PERIODIC) + FM_PERIODIC + FM_PERIODIC + 1,
    FM_STAGE_CHUNK = 1024
};

/* Rows of a batch in a CSR matrix: row i of the batch is row order[i] of the matrix,
 * or first + i where order is NULL. */
typedef struct {
    const ptrdiff_t *indices; /* (n_stored,) column of each stored value */
    const ptrdiff_t *indptr;  /* (n_samples + 1,) */
    const ptrdiff_t *order;   /* (n,) or NULL */
    ptrdiff_t first;
} fm_csr_rows;

/* Rows that are read after a product, which gets them ready meanwhile: those of a
 * transposed A go to lanes, which the other fields are for. */
typedef struct {
    const void *x;
    ptrdiff_t ldx, n;  /* values from a row to the next, rows */
    void *lanes;       /* where they go, transposed: (k, n) */
    ptrdiff_t further; /* values from a row to the one that may be fetched besides */
    int is_finite;     /* whether all that went there is */
} fm_next;

#define FM_REAL float
#define FM_TABLE fm_kernels_f32
#include "kernel_table.inl.h"

#define FM_REAL double
#define FM_TABLE fm_kernels_f64
#include "kernel_table.inl.h"

typedef struct {
    const char *name; /* "base", "v3" or "v4" */
    const fm_kernels_f32 *f32;
    const fm_kernels_f64 *f64;
} fm_isa;

/* The best instruction set of this processor, or the one called `name`;
 * NULL where `name` is unknown or the processor lacks it. */
const fm_isa *fm_select_isa(const char *name);

/* The name of the i-th instruction set that this build and this processor offer, best
 * first; NULL past the last. */
const char *fm_isa_name(int i);

/* Whether the processor is Intel's (dispatch.c). */
int fm_is_intel(void);

/* Do task(context, item, worker) for the items 0 .. n_items-1, in any order, by at most
 * n_threads threads (pool.c); worker < n_threads, and 0 is the caller. */
typedef void (*fm_task)(void *context, ptrdiff_t item, int worker);
void fm_parallel(fm_task task, void *context, ptrdiff_t n_items, int n_threads);

/* Take denormal numbers for 0 in this thread; returns what fm_restore_denormals needs to
 * put the former state back (denormals.c). */
unsigned int fm_flush_denormals(void);
void fm_restore_denormals(unsigned int before);

/* Tell the system how the pages of some bytes will be read: as it likes, by single rows
 * (no neighbours with them), or soon (pages.c). */
typedef enum { FM_AS_USUAL, FM_BY_ROWS, FM_SOON } fm_advice;
void fm_advise_pages(const void *at, size_t size, fm_advice advice);

/* Let n times 64 empty instructions pass the front end, or do as many additions, each of
 * which waits for the one before (front_end.c); returns how many, 0 where the compiler has
 * no such instructions. */
ptrdiff_t fm_pass_front_end(ptrdiff_t n);
ptrdiff_t fm_add_in_turn(ptrdiff_t n);

/* Let two threads raise a number n times in turn (hand_over.c); returns how often they did,
 * less than n where there is no second thread. */
ptrdiff_t fm_hand_over(ptrdiff_t n);

/* Names of the lists, in the order of the enums; NULL past the last. */
const char *fm_activation_name(int i);
const char *fm_activation_by_input(int i);
const char *fm_activation_parametric(int i);
const char *fm_loss_name(int i);
const char *fm_loss_output(int i);
const char *fm_output_name(int i);
const char *fm_rule_name(int i);
const char *fm_rule_vectors(int i);
const char *fm_math_name(int i);

#endif
