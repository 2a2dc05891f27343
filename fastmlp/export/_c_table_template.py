"""The C of an exported model of a table, beside what all models share."""

from __future__ import annotations

HEAD = """\
/* A multi-layer perceptron for tables, made by fastmlp.
 *
 * The mean of $n_members network(s) of $sizes units, weights in $dtype, arithmetic in
 * $real; C99, no allocation, no library but that of C.  A call takes about $stack bytes
 * of stack and may run in many threads at once.
 *
 * ${name}_predict(numbers, codes, out) reads ${NAME}_N_NUMBERS raw numbers, NAN where
 * one is missing, and ${NAME}_N_CATEGORIES codes, 0 for a missing or unknown level, and
 * writes ${NAME}_N_OUTPUTS values: $meaning.
 * Either array may be a null pointer if it is of length 0.
 * Arrays of names tell the columns in their order; ${name}_code_of_text and
 * ${name}_code_of_number, where there are categories, give the code of a level.
 * ${name}_self_test() predicts a few rows and returns how many of them come out wrong.
 */
#ifndef ${NAME}_H
#define ${NAME}_H

#include <math.h>
#include <string.h>

#define ${NAME}_N_NUMBERS $n_numbers
#define ${NAME}_N_CATEGORIES $n_categories
#define ${NAME}_N_OUTPUTS $n_outputs
"""

NUMBERS = """\

$number_arrays

/* Robust scale and smooth clip of number i */
static inline double ${name}_scaled(double x, int i)
{
    double z = x - ${name}_median[i], third;
    if (z > ${name}_limit[i]) z = ${name}_limit[i];
    if (z < -${name}_limit[i]) z = -${name}_limit[i];
    z *= ${name}_scale[i];
    third = z / 3;
    return z / sqrt(1 + third * third);
}
"""

PERIODIC = """\

/* to ($width,) := what number i, scaled, gives to the first layer of member m */
static inline void ${name}_embed(int m, int i, double x, $real *to)
{
    int c, k;
    for (c = 0; c < $width; ++c)
        to[c] = x != x ? ${name}_missing[m][i * $width + c]
            : c < $n_periodic ? ${name}_shift[m][i * $n_periodic + c] : ($real)x;
    if (x != x) return;
    for (k = i * $n_frequencies; k < (i + 1) * $n_frequencies; ++k) {
        const $real wave =
            cos$f(($real)x * ${name}_frequency[m][k] + ${name}_phase[m][k]);
        for (c = 0; c < $n_periodic; ++c)
            to[c] += wave * ${name}_mixing[m][k * $n_periodic + c];
    }
}
"""

PLAIN = """\

/* to (1,) := what number i, scaled, gives to the first layer of member m */
static inline void ${name}_embed(int m, int i, double x, $real *to)
{
    to[0] = x != x ? ${name}_missing[m][i] : ($real)x;
}
"""

CATEGORIES = """\

/* Levels in ascending order, texts in UTF-8 or numbers; the code of the first is 1 */
$level_arrays
static const struct {
    const char *name;
    int n_levels;
    const char *const *texts;
    const double *numbers;
} ${name}_categories[$n_categories] = {
    $categories};

/* The code of a text of a category, 0 if it is none of its levels */
static inline int ${name}_code_of_text(int category, const char *text)
{
    const char *const *levels = ${name}_categories[category].texts;
    int low = 0, high = ${name}_categories[category].n_levels;
    if (!levels || !text) return 0;
    while (low < high) {
        const int middle = (low + high) / 2, order = strcmp(text, levels[middle]);
        if (order == 0) return middle + 1;
        if (order < 0) high = middle;
        else low = middle + 1;
    }
    return 0;
}

/* The code of a number, or of 0 or 1 for a bool, of a category */
static inline int ${name}_code_of_number(int category, double number)
{
    const double *levels = ${name}_categories[category].numbers;
    int low = 0, high = ${name}_categories[category].n_levels;
    if (!levels) return 0;
    while (low < high) {
        const int middle = (low + high) / 2;
        if (number == levels[middle]) return middle + 1;
        if (number < levels[middle]) high = middle;
        else low = middle + 1;
    }
    return 0;
}

/* to (width,) := the row of a table with a row for each code */
static inline void ${name}_take(
    const $real *table, int n_levels, int width, int code, $real *to)
{
    int k;
    if (code < 0 || code > n_levels) code = 0;
    for (k = 0; k < width; ++k) to[k] = table[(long)code * width + k];
}
"""

MEMBER = """\

/* out (${NAME}_N_OUTPUTS,) := the outputs of member m for scaled numbers and codes */
static inline void ${name}_member(int m, const double *x, const int *codes, $real *out)
{
$body
$output}
"""

STEPS = """\
    {
        int k;
        for (k = 0; k < ${NAME}_N_OUTPUTS; ++k) {
            const $real unit = ${name}_unit[k / $n_levels];
            const $real z = out[k] / unit;
            if (k % $n_levels != 0) out[k] = out[k - 1] + unit * ($softplus);
        }
    }
"""

MEAN = """\
    for (k = 0; k < $n_means; ++k) {
        $real total = 0;
        for (m = 0; m < $n_members; ++m) total += z[m][k];
        out[k] = total / $n_members;
    }
"""

DEVIATION = """\
    for (k = 0; k < $n_means; ++k) {
        $real total = 0;
        for (m = 0; m < $n_members; ++m) {
            const $real distance = z[m][k] - out[k];
            total += exp$f(z[m][$n_means + k]) + distance * distance;
        }
        out[$n_means + k] = sqrt$f(total / $n_members);
    }
"""

CLIP = """\
    for (k = 0; k < $n_means; ++k) {
        if (out[k] < ${name}_lowest[k]) out[k] = ${name}_lowest[k];
        if (out[k] > ${name}_highest[k]) out[k] = ${name}_highest[k];
    }
"""
