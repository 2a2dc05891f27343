"""C: a fitted model of a table as one header, C99, without allocation."""

from __future__ import annotations

from itertools import pairwise

import numpy as np

from fastmlp._core.kernels import n_frequencies, n_periodic
from fastmlp._model.losses import outputs_per_target
from fastmlp._tables.scaling import bound
from fastmlp._utils.numbers import dtype_name
from fastmlp.export import _c_literals as literals
from fastmlp.export import _c_table_template as template
from fastmlp.export import _c_template as shared
from fastmlp.export._c_table_rows import SelfTestRows
from fastmlp.export._source import check_distinct, check_precision
from fastmlp.export._table_source import table_weights

_TOLERANCE = {"float32": 1e-5, "float64": 1e-11}
_DOUBLE = np.dtype(np.float64)
_WEIGHTS_NOTE = """\
/* A row for each member: what numbers take; tables t of the categories; of layer i the
 * weights w (n_in, n_out) row by row, intercepts b and slopes p of its activation */"""


def table_source(snapshot, dtype, name, X):
    """The text of the header.

    Parameters
    ----------
    snapshot : TableSnapshot
    dtype : str, dtype or None
    name : str
        Prefix of all names.
    X : table or None
        Rows of which the first ones are those of the self-test.
    """
    model, encoder = snapshot.model, snapshot.model.encoder
    dtype = dtype_name(model.weights.dtype if dtype is None else dtype)
    if not isinstance(dtype, str) or dtype not in _TOLERANCE:
        raise ValueError(
            "dtype must be 'float32' or 'float64' for a model of a table, got "
            f"{dtype!r}."
        )
    real, weights = np.dtype(dtype), table_weights(model)
    check_precision(weights.arrays(), real)
    rows = SelfTestRows.of(snapshot, X, real)
    units = model.network.units
    parts = [template.HEAD]
    if encoder.n_numbers:
        parts.append(_numbers_part(encoder))
    if encoder.levels:
        parts.append(_categories_part(encoder))
    if rows.is_of_only_class:
        body = "    (void)numbers;\n    (void)codes;\n    out[0] = 1;"
        parts.append(_filled(shared.PREDICT, body=body, output=""))
    else:
        parts += _network_parts(model, weights, real)
    words = {
        "name": name,
        "NAME": name.upper(),
        "real": "float" if real == np.float32 else "double",
        "f": "f" if real == np.float32 else "",
        "dtype": dtype,
        "n_members": len(model.weights),
        "sizes": "-".join(map(str, units)),
        "stack": 8 * encoder.n_numbers
        + real.itemsize
        * (units[0] + 2 * max(units[1:]) + len(model.weights) * units[-1]),
        "meaning": _meaning(snapshot),
        "n_numbers": encoder.n_numbers,
        "n_categories": len(encoder.levels),
        "n_outputs": rows.expected.shape[1],
        "parameters": "const double *numbers, const int *codes",
        "arguments": "numbers, codes",
        "tolerance": literals.number(_TOLERANCE[dtype], real),
        **rows.words(real),
    }
    if snapshot.is_multilabel:
        parts.append(shared.LABELS)
    elif snapshot.classes is not None:
        parts.append(shared.CLASS)
        words |= literals.class_names(snapshot.classes)
    return shared.filled("".join([*parts, shared.SELF_TEST]), words)


def _filled(text, **words):
    """A part of the header with the words that it alone has."""
    return shared.filled(text, words)


def _meaning(snapshot):
    """The meaning of the outputs, in words."""
    if snapshot.classes is not None:
        return "the probabilities of the " + (
            "labels" if snapshot.is_multilabel else "classes"
        )
    loss = snapshot.model.objective.loss
    if loss == "gaussian_nll":
        return "the means of all targets, then their standard deviations"
    return "the quantiles of each target" if loss == "quantile" else "the predictions"


def _names(encoder, columns):
    """Literals of the names of columns; of their positions where there are none."""
    names = encoder.names or list(map(str, range(encoder.n_features_in)))
    return [literals.text(names[at], "name") for at in columns.tolist()]


def _numbers_part(encoder):
    """The code that scales the numbers."""
    size = f"[{encoder.n_numbers}]"
    limits = [bound(scale) for scale in encoder.scales.tolist()]
    arrays = [
        literals.array("double", what, size, literals.numbers(values, _DOUBLE))
        for what, values in (
            ("median", encoder.medians),
            ("limit", limits),
            ("scale", encoder.scales),
        )
    ]
    names = literals.lines(_names(encoder, encoder.number_columns))
    arrays.insert(0, literals.array("char *const", "number_names", size, names))
    return _filled(template.NUMBERS, number_arrays="\n".join(arrays))


def _categories_part(encoder):
    """The levels of the categories, and what finds their codes."""
    arrays, entries = [], []
    names = _names(encoder, encoder.category_columns)
    for at, (name, levels) in enumerate(zip(names, encoder.levels)):
        texts = numbers = "0"
        if levels.dtype == object and len(levels):
            texts = f"${{name}}_levels{at}"
            values = literals.lines(literals.text(level, "level") for level in levels)
            kind = "char *const"
        elif len(levels):
            numbers, kind = f"${{name}}_levels{at}", "double"
            check_distinct(levels.astype(_DOUBLE))
            values = literals.numbers(levels, _DOUBLE)
        if len(levels):
            size = f"[{len(levels)}]"
            arrays.append(literals.array(kind, f"levels{at}", size, values))
        entries.append(f"{{{name}, {len(levels)}, {texts}, {numbers}}}")
    return _filled(
        template.CATEGORIES,
        level_arrays="\n".join(arrays),
        categories=",\n    ".join(entries),
    )


def _network_parts(model, weights, real):
    """The weights, and what computes with them."""
    objective, network = model.objective, model.network
    n_numbers, width = weights.missing.shape[1:]
    outputs = ""
    if objective.is_monotone:
        softplus = shared.ACTIVATIONS["softplus"].format(z="z")
        n_levels = len(objective.levels)
        outputs = _filled(template.STEPS, softplus=softplus, n_levels=n_levels)
    member = {
        "body": _member_body(model, weights),
        "output": outputs + shared.OUTPUTS[network.output],
    }
    parts = [
        _filled(
            shared.WEIGHTS,
            weights="\n".join(_arrays(model, weights, real)),
            weight="$real",
            scale_parameter="",
            start="b[j]",
            finish="",
        )
    ]
    if n_numbers:
        embed = template.PLAIN if weights.embedding is None else template.PERIODIC
        sizes = {"n_frequencies": n_frequencies, "n_periodic": n_periodic}
        parts.append(_filled(embed, width=width, **sizes))
    parts.append(_filled(template.MEMBER, **member))
    parts.append(_filled(shared.PREDICT, body=_predict_body(model), output=""))
    return parts


def _arrays(model, weights, real):
    """The arrays of weights, with a row for each member."""
    named = {"missing": weights.missing}
    if weights.embedding is not None:
        named |= weights.embedding._asdict()
    named |= {f"t{at}": table for at, table in enumerate(weights.tables)}
    for i, (w, b) in enumerate(zip(weights.coefs, weights.intercepts)):
        named |= {f"w{i}": w, f"b{i}": b}
    named |= {f"p{i}": slopes for i, slopes in enumerate(weights.slopes)}
    arrays = [_WEIGHTS_NOTE]
    for name, array in named.items():
        rows = array.reshape(len(array), -1)
        if rows.size:
            size = f"[{len(rows)}][{rows.shape[1]}]"
            arrays.append(
                literals.array("$real", name, size, literals.table(rows, real))
            )
    lists = {}
    if model.objective.is_monotone:
        n_targets = model.n_outputs // len(model.objective.levels)
        lists["unit"] = model.objective.step_scale or (1.0,) * n_targets
    if model.bounds is not None:
        lists["lowest"], lists["highest"] = model.bounds[:, : _n_means(model)]
    for name, values in lists.items():
        size, values = f"[{len(values)}]", literals.numbers(values, real)
        arrays.append(literals.array("$real", name, size, values))
    return arrays


def _n_means(model):
    """Outputs that are places among the targets."""
    is_normal = model.objective.loss == "gaussian_nll"
    return model.n_outputs // (outputs_per_target(model.objective) if is_normal else 1)


def _member_body(model, weights):
    """The statements from scaled numbers and codes to the outputs of a member."""
    units, last = model.network.units, len(weights.coefs) - 1
    n_numbers, width = weights.missing.shape[1:]
    lines = [f"$real inputs[{units[0]}];"]
    lines += [f"$real {array}[{max(units[1:-1])}];" for array in "ab"[: min(last, 2)]]
    if n_numbers or last:
        lines.append("int i;")
    if n_numbers:
        lines.append(
            f"for (i = 0; i < {n_numbers}; ++i)\n"
            f"        ${{name}}_embed(m, i, x[i], inputs + i * {width});"
        )
    else:
        lines.append("(void)x;")
    widths = [table.shape[2] for table in weights.tables]
    starts = np.cumsum([n_numbers * width, *widths])
    for at, (start, width) in enumerate(zip(starts.tolist(), widths)):
        n_levels = weights.tables[at].shape[1] - 1
        if width:
            lines.append(
                f"${{name}}_take(${{name}}_t{at}[m], {n_levels}, {width}, codes[{at}], "
                f"inputs + {start});"
            )
    if not any(widths):
        lines.append("(void)codes;")
    formula = shared.ACTIVATIONS[model.architecture.activation]
    source = "inputs"
    for i, (fan_in, fan_out) in enumerate(pairwise(units)):
        target = "ab"[i % 2] if i < last else "out"
        lines.append(
            f"${{name}}_dense({source}, ${{name}}_w{i}[m], ${{name}}_b{i}[m], "
            f"{fan_in}, {fan_out}, {target});"
        )
        if i < last:
            lines.append(
                f"for (i = 0; i < {fan_out}; ++i) {{\n"
                f"        const $real z = {target}[i];\n"
                f"        const $real f = {formula.format(z='z')};\n"
                f"        {target}[i] = z + ${{name}}_p{i}[m][i] * (f - z);\n    }}"
            )
        source = target
    return "\n".join("    " + line for line in lines)


def _predict_body(model):
    """The statements from a raw row to the mean of the members."""
    n_members, n_numbers = len(model.weights), model.encoder.n_numbers
    lines = [f"    $real z[{n_members}][{model.n_outputs}];"]
    lines += [f"    double x[{n_numbers}];"] * bool(n_numbers)
    lines.append("    int m, k;")
    if n_numbers:
        lines.append(
            f"    for (k = 0; k < {n_numbers}; ++k) "
            "x[k] = ${name}_scaled(numbers[k], k);"
        )
    else:
        lines.append("    (void)numbers;")
    scaled = "x" if n_numbers else "0"
    lines.append(
        f"    for (m = 0; m < {n_members}; ++m) "
        f"${{name}}_member(m, {scaled}, codes, z[m]);\n"
    )
    parts = [template.MEAN]
    if model.objective.loss == "gaussian_nll":
        parts.append(template.DEVIATION)
    if model.bounds is not None:
        parts.append(template.CLIP)
    sizes = {"n_means": _n_means(model), "n_members": n_members}
    return "\n".join(lines) + _filled("".join(parts), **sizes).rstrip("\n")
