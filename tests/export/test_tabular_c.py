"""Models of tables to C: compiled under strict warnings, and equal to predict."""

import copy
import re
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
from helpers.fitted_tables import TASKS, fitted, proba_or_values, table
from helpers.tables import SMALL
from sklearn.exceptions import NotFittedError
from sklearn.pipeline import make_pipeline

from fastmlp import TabularMLPClassifier, TabularMLPRegressor, to_c

pd = pytest.importorskip("pandas")
COMPILER = shutil.which("gcc") or shutil.which("clang") or shutil.which("cc")
pytestmark = [
    pytest.mark.skipif(COMPILER is None, reason="no C compiler on the PATH"),
    pytest.mark.filterwarnings("ignore:y holds a single class"),
]
FLAGS = ["-Wall", "-Wextra", "-Werror", "-pedantic", "-O1"]
PARAMS = {**SMALL, "hidden_layer_sizes": (8,), "n_epochs": 3}
LIMIT = {"float32": 3e-6, "float64": 1e-12}

# Reads raw rows: a number, "nan" where missing; of a category "t text" or "n number".
PROGRAM = """
#include <stdio.h>
#include <stdlib.h>
#include "net.h"
int main(void)
{
    static double numbers[NET_N_NUMBERS + 1];
    static int codes[NET_N_CATEGORIES + 1];
    REAL out[NET_N_OUTPUTS];
    char line[1000];
    int i;
    printf("%d\\n", net_self_test());
    for (;;) {
        for (i = 0; i < NET_N_NUMBERS; ++i) {
            if (!fgets(line, sizeof line, stdin)) return 0;
            numbers[i] = strtod(line, NULL);
        }
        for (i = 0; i < NET_N_CATEGORIES; ++i) {
            if (!fgets(line, sizeof line, stdin)) return 0;
            line[strcspn(line, "\\n")] = 0;
            codes[i] = 0;
#if NET_N_CATEGORIES
            if (line[0] == 't') codes[i] = net_code_of_text(i, line + 2);
            else codes[i] = net_code_of_number(i, strtod(line + 2, NULL));
#endif
        }
        net_predict(numbers, codes, out);
        for (i = 0; i < NET_N_OUTPUTS; ++i) printf("%.17g ", (double)out[i]);
        LABEL
        printf("\\n");
        if (feof(stdin) || NET_N_NUMBERS + NET_N_CATEGORIES == 0) return 0;
    }
}
"""
NUMBERS_LABEL = 'printf("%ld", *net_label(numbers, codes));'
TEXTS_LABEL = 'printf("%s", *net_label(numbers, codes));'
LABELS = """{ int labels[NET_N_OUTPUTS]; net_labels(numbers, codes, labels);
        for (i = 0; i < NET_N_OUTPUTS; ++i) printf("%d ", labels[i]); }"""


def compiled(folder, source, program, standard="c11"):
    """The path of a program that includes the header."""
    (folder / "net.h").write_text(source, encoding="utf-8")
    (folder / "main.c").write_text(program)
    command = [COMPILER, f"-std={standard}", *FLAGS, "main.c", "-o", "program", "-lm"]
    subprocess.run(command, cwd=folder, check=True)
    return folder / "program"


def run_c(folder, model, source, X, label="", real="double"):
    """Failures of the self-test, and the words of each row."""
    program = compiled(
        folder, source, PROGRAM.replace("REAL", real).replace("LABEL", label)
    )
    encoder, lines = model._model.encoder, []
    for row in X.itertuples(index=False):
        for at in encoder.number_columns:
            lines.append(repr(float(np.nan if row[at] is None else row[at])))
        for cell in (row[at] for at in encoder.category_columns):
            if isinstance(cell, str):
                lines.append(f"t {cell}")
            else:  # a missing text has the code 0 too
                lines.append(f"n {np.nan if cell is None else float(cell)!r}")
    output = subprocess.run(
        [program], input="\n".join(lines) + "\n", capture_output=True, encoding="utf-8"
    ).stdout.splitlines()
    return int(output[0]), [line.split() for line in output[1 : 1 + len(X)]]


def check(folder, model, table, label="", **params):
    """Compare the compiled header with the estimator; returns its words after them."""
    source = to_c(model, name="net", **params)
    real = "float" if model.dtype == "float32" else "double"
    n_wrong, rows = run_c(folder, model, source, table, label, real)
    expected = proba_or_values(model, table).reshape(len(table), -1)
    got = np.array([[float(word) for word in row[: expected.shape[1]]] for row in rows])
    limit = LIMIT[model.dtype] * max(1, np.abs(expected).max())
    np.testing.assert_allclose(got, expected, rtol=0, atol=limit)
    assert n_wrong == 0
    return source, [row[expected.shape[1] :] for row in rows]


def mixed():
    """The table of the models with more gaps, and levels that they do not know."""
    X = table(40)
    X.loc[6, "n0"], X.loc[7, "c20"], X.loc[8, "c2"] = np.nan, "new", None
    X.loc[[9, 10], "code"] = np.nan
    X.loc[11, "n3"], X.loc[12, "n3"], X.loc[13, "constant"] = 1e300, -1e-300, 7
    return X


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("task", TASKS)
def test_every_task(tmp_path, task, dtype):
    label = {"binary": TEXTS_LABEL, "multiclass": NUMBERS_LABEL, "multilabel": LABELS}
    for params in ({}, {"n_members": 3, "hidden_layer_sizes": ()}):
        model, X = fitted(task, dtype, **params), mixed()
        _, words = check(tmp_path, model, X, label.get(task, ""))
        if task in label:
            predicted = model.predict(X).reshape(len(X), -1).astype(str)
            np.testing.assert_array_equal(np.array(words), predicted)


@pytest.mark.parametrize("n_targets", [1, 2])
@pytest.mark.parametrize(
    "params",
    [
        {"loss": "poisson", "n_members": 2},
        {"loss": "quantile", "quantile": [0.1, 0.5, 0.9]},
        {"loss": "quantile", "quantile": [0.1, 0.5], "monotone_quantiles": True},
        {"loss": "gaussian_nll"},
        {"loss": "gaussian_nll", "n_members": 3},
    ],
)
def test_losses(tmp_path, params, n_targets):
    X = mixed()
    score = X["n1"].to_numpy(float) + X["flag"]
    y = np.column_stack([np.exp(score), 20 + 5 * score])[:, :n_targets]
    model = TabularMLPRegressor(**{**PARAMS, **params}, dtype="float64")
    model.fit(X, y[:, 0] if n_targets == 1 else y)
    source, words = check(tmp_path, model, X, X=X)
    if params["loss"] == "gaussian_nll":
        assert f"NET_N_OUTPUTS {2 * n_targets}" in source
        deviation = model.predict(X, return_std=True)[1].reshape(len(X), -1)
        np.testing.assert_allclose(np.array(words, float), deviation, rtol=1e-10)


def test_the_simple_form_and_another_precision(tmp_path):
    model = fitted("regression", number_embedding=None)
    check(tmp_path, model, mixed())
    source = to_c(model, dtype="float64", name="net")
    _, rows = run_c(tmp_path, model, source, mixed())
    np.testing.assert_allclose(
        np.array(rows, float)[:, 0], model.predict(mixed()), rtol=1e-5, atol=1e-5
    )
    check(tmp_path, fitted("regression", "float32"), mixed(), X=mixed())


def test_levels_of_every_kind(tmp_path):
    rng = np.random.RandomState(0)
    n = 80
    texts = ["", "a", "ab", 'say "hi"\\', "ä $name ??/ */ %d", "Ünïcode", "\U0001f600"]
    X = pd.DataFrame(
        {
            "whole */ $x": rng.randint(-3, 30, n),
            "real": rng.choice([-0.5, 0.1, 0.25, 1e300], n),
            "flag": rng.rand(n) > 0.5,
            "gaps": rng.choice(np.array([True, False, None], object), n),
            "none": np.full(n, None, object),
            "texts": rng.choice(texts, n),
            "many": rng.choice([f"{i}" for i in range(40)], n),
        }
    )
    y = X["whole */ $x"] + 10.0 * X["flag"]
    model = TabularMLPRegressor(
        **PARAMS, categorical_features=list(X.columns), dtype="float64"
    ).fit(X, y)
    X.loc[:5, "whole */ $x"] = [100, 2**40, -(2**40), 0, 1, 2]
    X.loc[5:8, "real"] = [7.25, np.nan, 2.0, 0.2]
    X.loc[9:11, "texts"] = ["aa", "zz", None]
    check(tmp_path, model, X)
    assert np.ptp(model.predict(X)) > 0.01


def test_columns_of_one_kind(tmp_path):
    X = mixed()
    for names in (["n0", "n1"], ["c2", "c20"], ["flag"]):
        model = TabularMLPRegressor(**PARAMS).fit(X[names], X["n1"])
        check(tmp_path, model, X[names])
        check(tmp_path, model, X[names], X=X[names])
    numbers = X[["n0", "n1"]].to_numpy()
    model = TabularMLPRegressor(**PARAMS).fit(numbers, numbers[:, 1])
    source, _ = check(tmp_path, model, pd.DataFrame(numbers), X=numbers)
    assert 'net_number_names[2] = {"0", "1"}' in source


def test_other_standards_and_two_models(tmp_path):
    to_c(fitted("binary", n_members=2), tmp_path / "first-table.h", X=table())
    to_c(fitted("regression", "float64"), tmp_path / "net.h")
    program = """#include "first-table.h"
#include "net.h"
int main(void) { return first_table_self_test() + net_self_test(); }
"""
    source = (tmp_path / "net.h").read_text()
    for standard in ("c99", "c11"):
        assert (
            subprocess.run([compiled(tmp_path, source, program, standard)]).returncode
            == 0
        )
    cpp = shutil.which("g++") or shutil.which("clang++")
    if cpp:
        (tmp_path / "both.cpp").write_text(program)
        subprocess.run(
            [cpp, "-Wall", "-Werror", "both.cpp", "-o", "both"],
            cwd=tmp_path,
            check=True,
        )
        assert subprocess.run([tmp_path / "both"]).returncode == 0


def test_the_example_of_the_guide(tmp_path):
    page = Path(__file__).parents[2] / "docs/user_guide/deploy.md"
    guide = page.read_text(encoding="utf-8")
    (block,) = re.findall(r"```c\n(.*?)```", guide, re.S)
    include, _, statements = block.strip().partition("\n")
    X = pd.DataFrame({"size": np.arange(40) % 7.0, "town": ["Oslo", "Bodø"] * 20})
    model = TabularMLPClassifier(**PARAMS).fit(X, np.where(X["size"] > 3, "a", "b"))
    to_c(model, tmp_path / "model.h")
    program = f"#include <stdio.h>\n{include}\nint main(void) {{{statements}\n}}\n"
    built = compiled(tmp_path, "", program)
    printed = subprocess.run([built], capture_output=True, text=True).stdout.split()
    row = pd.DataFrame({"size": [0.5], "town": ["Oslo"]})
    assert printed == list(model.predict(row))


def test_the_self_test_notices_a_changed_weight(tmp_path):
    model = fitted("regression")
    source = to_c(model, name="net")
    place = source.index("{{", source.index("net_b0[")) + 2
    changed = source[:place] + "9.5f, " + source[source.index(",", place) + 1 :]
    n_wrong, _ = run_c(tmp_path, model, changed, mixed()[:0], real="float")
    assert n_wrong >= 1
    assert not re.search(r"\b(malloc|inf|nan)\b", source)


def test_what_is_refused():
    model = fitted("regression", "float64")
    for dtype in ("int8", "float16"):
        with pytest.raises(ValueError, match="'float32' or 'float64' for a model"):
            to_c(model, dtype=dtype)
    with pytest.raises(ValueError, match="name must be an identifier of C"):
        to_c(model, name="2x")
    with pytest.raises(ValueError, match="feature names"):
        to_c(model, X=table().drop(columns="n1"))
    with pytest.raises(NotFittedError):
        to_c(TabularMLPClassifier())
    huge = copy.deepcopy(model)
    huge._model.weights[0, 0] = 1e39
    with pytest.raises(ValueError, match=r"finite in float32 .*use dtype='float64'"):
        to_c(huge, dtype="float32")
    X = table()
    X["c2"] = np.where(X["n1"] > 0, "a\0b", "c")
    holder = make_pipeline("passthrough", TabularMLPRegressor(**PARAMS))
    holder.fit(X, X["n1"])
    with pytest.raises(ValueError, match="takes the estimator alone"):
        to_c(holder)
    with pytest.raises(ValueError, match="holds a NUL"):
        to_c(holder[-1])
    counts = TabularMLPRegressor(**PARAMS, loss="poisson", dtype="float64")
    counts.fit(table(), np.arange(len(X)))
    counts._model.network.split(counts._model.weights[0])[1][-1][:] = 100.0
    to_c(counts)
    with pytest.raises(ValueError, match=r"infinite in float32; .*dtype='float64'"):
        to_c(counts, dtype="float32")
