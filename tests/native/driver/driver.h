/* The tools of every part of the driver: guarded buffers, random numbers, comparisons.
 *
 * A part computes what a kernel should give once, then calls the kernel in
 * `while (next_call())`, which goes through the instruction sets and the places of the
 * buffers; take() gives the buffers of one call, and the next next_call() checks that
 * nothing beside them, and no input, has changed. */
#ifndef FASTMLP_DRIVER_H
#define FASTMLP_DRIVER_H

#include <float.h>
#include <math.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fastmlp.h"

/* Where a buffer is: at the first byte behind a page that faults, one value further
 * (every vector is unaligned), up to the last byte before such a page, or in a block of
 * malloc of its very size, whose ends and first reads the sanitizers and valgrind watch. */
typedef enum { AT_START, SHIFTED, AT_END, ON_HEAP, N_PLACES } place;

/* How much is run: what valgrind does in minutes, each case in one place; all sizes along
 * each dimension, each case AT_END and elsewhere; all pairs of sizes in all places. */
typedef enum { QUICK, NORMAL, FULL } extent;
extern extent how_much;

/* The call under way, for messages. */
extern struct context {
    const char *kernel, *detail, *precision;
    const fm_isa *isa;
    place where;
    ptrdiff_t n, k, m;
} now;

typedef enum { INPUT, CHANGED } role;

/* Go on to the next instruction set or place; 0 past the last */
int next_call(void);

/* A buffer of n values of `size` bytes, copied from `values` unless that is NULL */
void *take(const void *values, ptrdiff_t n, size_t size, role is);

void fail(const char *format, ...);
void start_kernel(const char *kernel, const char *precision);

/* The largest error of the kernel as a part of its bound; printed with its name. */
void note_error(double part);
void report(void);

uint64_t random_bits(void);
double uniform(double low, double high);

/* Sizes: 0 .. 70, of which the second dimension takes all where the first is an edge */
enum { MOST = 70 };
int is_edge(ptrdiff_t n);
int is_in_grid(ptrdiff_t n, ptrdiff_t k);

void test_kernels_f32(void);
void test_kernels_f64(void);

#endif
