"""The C of an exported model; $words are filled in.

The formulas are those of src_c/activations.inl.h in plain C: they are compiled
elsewhere, for processors without vectors too.
"""

from __future__ import annotations

import re
from string import Template

KEYWORDS = re.compile(
    "auto|break|case|char|const|continue|default|do|double|else|enum|extern|float|for|"
    "goto|if|inline|int|long|register|restrict|return|short|signed|sizeof|static|"
    "struct|switch|typedef|union|unsigned|void|volatile|while"
)

ACTIVATIONS = {
    "logistic": "1 / (1 + exp$f(-{z}))",
    "tanh": "tanh$f({z})",
    "relu": "{z} < 0 ? 0 : {z}",
    "softplus": "({z} > 0 ? {z} : 0) + log1p$f(exp$f(-fabs$f({z})))",
    "leaky_relu": "{z} < 0 ? {p} * {z} : {z}",
    "elu": "{z} > 0 ? {z} : {p} * expm1$f({z})",
    "selu": "($real)1.0507009873554805 * "
    "({z} > 0 ? {z} : ($real)1.6732632423543772 * expm1$f({z}))",
    "softsign": "{z} / (1 + fabs$f({z}))",
    "hard_sigmoid": "{z} < -3 ? 0 : {z} > 3 ? 1 : ({z} + 3) / 6",
    "gelu": "{z} * erfc$f(-{z} * ($real)0.7071067811865476) / 2",
    "silu": "{z} / (1 + exp$f(-{z}))",
    "mish": "{z} * tanh$f(({z} > 0 ? {z} : 0) + log1p$f(exp$f(-fabs$f({z}))))",
}

HEAD = """\
/* A multi-layer perceptron, made by fastmlp.
 *
 * Layers of $sizes units, weights in $dtype, arithmetic in $real; C99, no allocation,
 * no library but that of mathematics.  A call takes about $stack bytes of stack and may
 * run in many threads at once.
 *
 * ${name}_predict(x, out) reads ${NAME}_N_FEATURES values and writes ${NAME}_N_OUTPUTS:
 * the probabilities of a classifier, the values of a regressor.
 * ${name}_self_test() predicts a few rows and returns how many of them come out wrong.
 */
#ifndef ${NAME}_H
#define ${NAME}_H

#include <math.h>

#define ${NAME}_N_FEATURES $n_features
#define ${NAME}_N_OUTPUTS $n_outputs
"""

ERROR = """\

/* The largest error of an output that the int8 weights cause, measured over
 * $n_error_rows $error_rows against float64; other rows may show more. */
#define ${NAME}_MAX_ERROR $max_error
"""

WEIGHTS = """\

$weights

/* z (n_out) := x (n_in) W + b */
static inline void ${name}_dense(
    const $real *x, const $weight *w, const $real *b,$scale_parameter
    int n_in, int n_out, $real *z)
{
    int i, j;
    for (j = 0; j < n_out; ++j) z[j] = $start;
    for (i = 0; i < n_in; ++i)
        for (j = 0; j < n_out; ++j) z[j] += x[i] * w[(long)i * n_out + j];
$finish}
"""

PREDICT = """\

static inline void ${name}_predict(${parameters}, $real *out)
{
$body
$output}
"""

FINISH = "    for (j = 0; j < n_out; ++j) z[j] = z[j] * scale[j] + b[j];\n"

_LOOP = """\
    {{
        int k;
        for (k = 0; k < ${{NAME}}_N_OUTPUTS; ++k) {}
    }}
"""

OUTPUTS = {
    "identity": "",
    "exp": _LOOP.format("out[k] = exp$f(out[k]);"),
    "logistic": _LOOP.format("out[k] = 1 / (1 + exp$f(-out[k]));"),
    "binary": """\
    out[1] = 1 / (1 + exp$f(-p[0]));
    out[0] = 1 - out[1];
""",
    "single": "    out[0] = p[0] * 0 + 1;\n",
    "softmax": """\
    {
        $real largest = out[0], total = 0;
        int k;
        for (k = 1; k < ${NAME}_N_OUTPUTS; ++k)
            if (out[k] > largest) largest = out[k];
        for (k = 0; k < ${NAME}_N_OUTPUTS; ++k) {
            out[k] = exp$f(out[k] - largest);
            total += out[k];
        }
        for (k = 0; k < ${NAME}_N_OUTPUTS; ++k) out[k] /= total;
    }
""",
}

CLASS = """\

static const $class_type ${name}_classes[$n_classes] = {$classes};

/* The place of the class in ${name}_classes */
static inline int ${name}_class(${parameters})
{
    $real out[${NAME}_N_OUTPUTS];
    int k, best = 0;
    ${name}_predict(${arguments}, out);
    for (k = 1; k < ${NAME}_N_OUTPUTS; ++k)
        if (out[k] > out[best]) best = k;
    return best;
}

static inline const $class_type *${name}_label(${parameters})
{
    return &${name}_classes[${name}_class(${arguments})];
}
"""

LABELS = """\

/* labels (${NAME}_N_OUTPUTS) := 1 where the probability is above 1/2, else 0 */
static inline void ${name}_labels(${parameters}, int *labels)
{
    $real out[${NAME}_N_OUTPUTS];
    int k;
    ${name}_predict(${arguments}, out);
    for (k = 0; k < ${NAME}_N_OUTPUTS; ++k) labels[k] = out[k] > ($real)0.5;
}
"""

SELF_TEST = """\

static inline int ${name}_self_test(void)
{
    $row_arrays
    static const $real expected[$n_rows][${NAME}_N_OUTPUTS] = {
    $expected};
    int row, k, n_wrong = 0;
    for (row = 0; row < $n_rows; ++row) {
        $real out[${NAME}_N_OUTPUTS];
        int is_wrong = 0;
        ${name}_predict($row_arguments, out);
        for (k = 0; k < ${NAME}_N_OUTPUTS; ++k) {
            const $real size = $unit + fabs$f(expected[row][k]);
            if (!(fabs$f(out[k] - expected[row][k]) <= $tolerance * size)) is_wrong = 1;
        }
        n_wrong += is_wrong;
    }
    return n_wrong;
}

#endif
"""


def filled(text, words):
    """Fill in the words, whose values may hold further ones."""
    for _ in range(3):
        text = Template(text).safe_substitute(words)
    return text
