"""Export to C: compiled under strict warnings, and equal to predict."""

import copy
import re
import shutil
import subprocess

import numpy as np
import pytest
from helpers.models import ACTIVATIONS, N_FEATURES, TASKS, data, fitted, proba_or_values
from scipy.sparse import csr_matrix
from sklearn.datasets import load_wine
from sklearn.preprocessing import StandardScaler

from fastmlp import MLPClassifier, MLPRegressor, to_c
from fastmlp.export._c_numbers import written_model
from fastmlp.export._source import snapshot

COMPILER = shutil.which("gcc") or shutil.which("clang") or shutil.which("cc")
pytestmark = [
    pytest.mark.skipif(COMPILER is None, reason="no C compiler on the PATH"),
    pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning"),
]
FLAGS = ["-std=c99", "-Wall", "-Wextra", "-Werror", "-Wpedantic", "-O1"]

PROGRAM = """
#include <stdio.h>
#include "NAME.h"
int main(void)
{
    static REAL x[NAME_N_FEATURES], out[NAME_N_OUTPUTS];
    int i;
    printf("%d\\n", PREFIX_self_test());
    for (;;) {
        for (i = 0; i < NAME_N_FEATURES; ++i) {
            double value;
            if (scanf("%lf", &value) != 1) return 0;
            x[i] = (REAL)value;
        }
        PREFIX_predict(x, out);
        for (i = 0; i < NAME_N_OUTPUTS; ++i) printf("%.17g ", (double)out[i]);
        LABEL
        printf("\\n");
    }
}
"""


def run_c(folder, source, X, label="", real="double", name="net"):
    """Results of the compiled header: failures of the self-test, rows of words."""
    (folder / f"{name}.h").write_text(source)
    program = PROGRAM.replace('"NAME.h"', f'"{name}.h"').replace("LABEL", label)
    program = program.replace("REAL", real).replace("PREFIX", name)
    (folder / "main.c").write_text(program.replace("NAME", name.upper()))
    command = [COMPILER, *FLAGS, "main.c", "-o", "program", "-lm"]
    subprocess.run(command, cwd=folder, check=True)
    rows = "\n".join(" ".join(f"{value:.17g}" for value in row) for row in X)
    output = subprocess.run(
        ["./program"],
        cwd=folder,
        input=rows,
        capture_output=True,
        text=True,
        check=True,
    ).stdout.splitlines()
    return int(output[0]), [line.split() for line in output[1:]]


@pytest.mark.parametrize("dtype", ["float32", "float64", "int8"])
@pytest.mark.parametrize("task", TASKS)
def test_every_task(tmp_path, task, dtype):
    real = "float64" if dtype == "float64" else "float32"
    model = fitted(task, real)
    X, _ = data(task, 50, real)
    label = ""
    if task in ("binary", "multiclass"):
        label = 'printf("%s", *net_label(x));'
    elif task == "multilabel":
        label = """{ int labels[NAME_N_OUTPUTS]; net_labels(x, labels);
        for (i = 0; i < NAME_N_OUTPUTS; ++i) printf("%d ", labels[i]); }"""
    source = to_c(model, tmp_path / "net.h", dtype=dtype, X=X)
    assert (tmp_path / "net.h").read_text() == source
    c_real = "double" if dtype == "float64" else "float"
    n_wrong, rows = run_c(tmp_path, source, X, label, c_real)
    assert n_wrong == 0 and len(rows) == 50
    expected = np.reshape(proba_or_values(model, X), (50, -1))
    k = expected.shape[1]
    got = np.array([[float(word) for word in row[:k]] for row in rows])
    if dtype == "int8":
        stated = float(source.split("_MAX_ERROR ")[1].split("f\n")[0])
        error = np.abs(got - expected).max()
        assert 0.3 * stated < error < stated + 1e-5
        assert stated < 0.15 * max(1, np.abs(expected).max())
        likely = np.abs(expected - 0.5).min(axis=1) > 2 * stated
    else:
        tolerance = 1e-6 if dtype == "float32" else 1e-13
        np.testing.assert_allclose(got, expected, rtol=5 * tolerance, atol=tolerance)
        likely = np.ones(50, bool)
    if label:
        labels = [row[k:] if task == "multilabel" else row[k] for row in rows]
        predicted = model.predict(X)
        want = predicted.astype(str) if task == "multilabel" else predicted
        np.testing.assert_array_equal(np.array(labels)[likely], want[likely])


@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_every_activation(tmp_path, activation):
    for dtype in ("float32", "float64", "int8"):
        model = fitted("multioutput", activation=activation)
        X, _ = data("multioutput", 20)
        source = to_c(model, dtype=dtype, name="net", X=X)
        real = "double" if dtype == "float64" else "float"
        n_wrong, rows = run_c(tmp_path, source, X, real=real)
        assert n_wrong == 0
        if dtype != "int8":
            tolerance = 3e-6 if dtype == "float32" else 1e-13
            got = np.array(rows, dtype=float)
            expected = model.predict(X)
            np.testing.assert_allclose(got, expected, rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize("hidden", [(), (3,), (4, 3, 5, 2), (300, 2)])
def test_depths_and_widths(tmp_path, hidden):
    X, y = data("multiclass", 40)
    model = MLPClassifier(hidden, max_iter=3).fit(X, y)
    n_wrong, rows = run_c(tmp_path, to_c(model, name="net"), X)
    assert n_wrong == 0
    np.testing.assert_allclose(
        np.array(rows, float), model.predict_proba(X), rtol=1e-12, atol=1e-14
    )


@pytest.mark.parametrize(
    "classes",
    [[-5, 70_000], [False, True], [1.0, 2.0], ['say "hi"\\', "ä $name ??/ */ %d\n"]],
)
def test_classes(tmp_path, classes):
    X, y = data("binary", 30, strings=False)
    model = MLPClassifier(max_iter=2).fit(X, np.array(classes)[y])
    kind = np.array(classes).dtype.kind
    form, cast = {"U": ("%s", ""), "f": ("%g", "")}.get(kind, ("%ld", ""))
    label = f'printf("{form}", {cast}*net_label(x)); printf("|");'
    _, rows = run_c(tmp_path, to_c(model, name="net"), X[:8], label)
    words = [" ".join(row[2:]).rstrip("|") for row in rows if len(row) > 2]
    predicted = model.predict(X[:8])
    if kind == "U":
        expected = [" ".join(text.split()) for text in predicted]
        assert [word.strip() for word in words] == expected
    else:
        assert [float(word) for word in words] == predicted.astype(float).tolist()


def test_one_class_and_poor_columns(tmp_path):
    X, _ = data("binary", 30)
    model = MLPClassifier(max_iter=2).fit(X, np.full(len(X), "only"))
    label = 'printf("%s", *net_label(x));'
    n_wrong, rows = run_c(tmp_path, to_c(model, name="net"), X[:2], label)
    assert n_wrong == 0 and rows == [["1", "only"]] * 2
    regressor = MLPRegressor(max_iter=2).fit(X, X[:, 0])
    regressor.coefs_[1][:] = 0  # a column without a scale
    n_wrong, rows = run_c(
        tmp_path, to_c(regressor, name="net", dtype="int8", X=X), X, "", "float"
    )
    assert n_wrong == 0
    np.testing.assert_allclose(np.array(rows, float)[:, 0], regressor.intercepts_[1][0])


def test_self_test_notices_a_changed_weight(tmp_path):
    model = fitted("regression")
    source = to_c(model, name="net")
    start = source.index("_w2[")
    place = source.index("{", start) + 1
    n_wrong, _ = run_c(
        tmp_path, source[:place] + "9.5, " + source[source.index(",", place) + 1 :], []
    )
    assert n_wrong >= 1


def test_two_models_in_one_program_and_cpp(tmp_path):
    a, b = fitted("binary", "float32"), fitted("multioutput")
    to_c(a, tmp_path / "first-model.h")
    to_c(b, tmp_path / "second.h")
    text = """#include "first-model.h"
#include "second.h"
int main(void) { return first_model_self_test() + second_self_test(); }
"""
    (tmp_path / "both.c").write_text(text)
    subprocess.run(
        [COMPILER, *FLAGS, "both.c", "-o", "both", "-lm"], cwd=tmp_path, check=True
    )
    assert subprocess.run([tmp_path / "both"]).returncode == 0
    cpp = shutil.which("g++") or shutil.which("clang++")
    if cpp:
        (tmp_path / "both.cpp").write_text(text)
        subprocess.run(
            [cpp, "-Wall", "-Werror", "both.cpp", "-o", "both_cpp"],
            cwd=tmp_path,
            check=True,
        )
        assert subprocess.run([tmp_path / "both_cpp"]).returncode == 0


def max_error(source):
    """The error that an int8 header states."""
    (line,) = [line for line in source.splitlines() if "_MAX_ERROR" in line]
    return float(line.split()[-1].rstrip("f"))


@pytest.mark.parametrize("gives_rows", [False, True])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_int8_of_features_of_any_scale(tmp_path, dtype, gives_rows):
    X, y = load_wine(return_X_y=True)  # scales from 0.1 to 300
    model = MLPClassifier((8,), standardize_X=True, random_state=0, dtype=dtype)
    model.fit(X, y)
    source = to_c(model, dtype="int8", name="net", X=X if gives_rows else None)
    assert max_error(source) < 0.02
    n_wrong, words = run_c(tmp_path, source, X, real="float")
    error = np.abs(np.array(words, float) - model.predict_proba(X)).max()
    assert n_wrong == 0 and error < 0.02
    if gives_rows:
        np.testing.assert_allclose(error, max_error(source), rtol=1e-3)
    else:
        assert "over\n * 256 random rows" in source


def test_int8_of_rows_that_tell_the_scales(tmp_path):
    X, y = load_wine(return_X_y=True)
    scaler = StandardScaler().fit(X)
    mlp = MLPClassifier((8,), random_state=0).fit(scaler.transform(X), y)
    raw = copy.deepcopy(mlp)  # the same model of raw features, folded by hand
    raw.coefs_[0] = mlp.coefs_[0] / scaler.scale_[:, None]
    raw.intercepts_[0] = mlp.intercepts_[0] - scaler.mean_ @ raw.coefs_[0]
    source = to_c(raw, dtype="int8", name="net", X=X)
    n_wrong, words = run_c(tmp_path, source, X, real="float")
    error = np.abs(np.array(words, float) - mlp.predict_proba(scaler.transform(X)))
    assert n_wrong == 0 and error.max() < 0.02
    # rows of one scale need no scaling: the header is without it where that is better
    only = X[:1]
    assert max_error(to_c(raw, dtype="int8", X=only)) < 0.02


def test_int8_without_the_scales_of_the_features_warns():
    model = fitted("multiclass")
    X, _ = data("multiclass", 20)
    with pytest.warns(UserWarning, match="int8 is measured on .*Pass X") as caught:
        to_c(model, dtype="int8")
    assert caught[0].filename == __file__
    to_c(model, dtype="int8", X=X)
    to_c(model, dtype="float32")


def test_int8_keeps_the_smallest_error():
    model = fitted("multiclass")
    X, _ = data("multiclass", 50)
    assert max_error(to_c(model, dtype="int8", X=X)) <= (
        np.abs(
            written_model(snapshot(model), True, X.astype("f4"), None).expected
            - model.predict_proba(X)
        ).max()
        * 1.001
    )


@pytest.mark.parametrize("loss", ["poisson", "gamma", "tweedie"])
@pytest.mark.parametrize("standardizes", [False, True])
@pytest.mark.parametrize("dtype", ["float32", "float64", "int8"])
@pytest.mark.filterwarnings("ignore:Training stopped", "ignore:the error of int8")
def test_exp_of_features_of_small_scale(tmp_path, loss, standardizes, dtype):
    rng = np.random.RandomState(0)
    X = rng.uniform(0, 1e-3, (200, 2))
    y = rng.poisson(np.exp(2000 * X[:, 0])) + (loss == "gamma")
    if standardizes:
        model = MLPRegressor(loss, (8,), standardize_X=True, random_state=0)
        model.set_params(max_iter=60, learning_rate_init=0.01).fit(X, y)
    else:
        model = MLPRegressor(loss, (), random_state=0, max_iter=2).fit(X, y)
        model.coefs_[0][:] = [[2000.0], [0.0]]
    for rows in (None, X):
        source = to_c(model, dtype=dtype, name="net", X=rows)
        assert not re.search(r"\b(inf|nan)", source)
        real = "double" if dtype == "float64" else "float"
        n_wrong, words = run_c(tmp_path, source, X, real=real)
        assert n_wrong == 0
        tolerance = {"float32": 1e-4, "float64": 1e-11, "int8": 0.2}[dtype]
        np.testing.assert_allclose(
            np.array(words, float)[:, 0], model.predict(X), rtol=tolerance
        )


def test_outputs_and_weights_that_are_infinite():
    X = np.array([[0.0], [1.0], [2.0]])
    model = MLPRegressor("poisson", (), max_iter=2).fit(X, X[:, 0])
    model.coefs_[0][:] = 60.0
    with pytest.raises(ValueError, match=r"row 2 of X .* infinite in float32.*float64"):
        to_c(model, X=X, dtype="float32")
    to_c(model, X=X, dtype="float64")
    with pytest.raises(
        ValueError, match=r"X contains infinity or a value too .*column 0"
    ):
        to_c(model, X=[[1e39]], dtype="float32")
    with pytest.raises(ValueError, match=r"X contains NaN"):
        to_c(model, X=[[np.nan]])
    model.intercepts_[0][:] = 800.0
    with pytest.raises(ValueError, match=r"random rows are infinite in float64; pass"):
        to_c(model)
    line = MLPRegressor(hidden_layer_sizes=(), max_iter=2).fit(X, X[:, 0])
    line.coefs_[0][:] = 1e39
    for dtype in ("float32", "int8"):
        with pytest.raises(ValueError, match=r"finite in float32 .*dtype='float64'"):
            to_c(line, dtype=dtype, X=[[1e-9]])


def test_tiny_weights_as_int8(tmp_path):
    model = MLPRegressor(hidden_layer_sizes=(), max_iter=2).fit([[0.0], [1.0]], [0, 1])
    model.coefs_[0][:], model.intercepts_[0][:] = 1e-60, 0.25
    source = to_c(model, dtype="int8", name="net", X=[[1.0]])
    assert run_c(tmp_path, source, [[1.0]], real="float") == (0, [["0.25"]])


def test_sparse_rows_and_a_class_with_a_nul(tmp_path):
    model = fitted("binary")
    X, _ = data("binary", 20)
    assert to_c(model, X=csr_matrix(X)) == to_c(model, X=X)
    other = copy.deepcopy(model)
    other.classes_ = np.array(["a", "b\0c"], object)
    with pytest.raises(ValueError, match="holds a NUL"):
        to_c(other)
    other.classes_ = np.array([0.0, np.inf])
    with pytest.raises(ValueError, match="inf has no form in C"):
        to_c(other)


def test_bad_input(tmp_path):
    model = fitted("binary")
    for name in ("2x", "a-b", "int", "a b", "ä"):
        with pytest.raises(ValueError, match="name must be an identifier of C"):
            to_c(model, name=name)
    with pytest.raises(ValueError, match="dtype must be one of"):
        to_c(model, dtype="float16")
    for X, message in {
        "wide": (
            np.ones((3, N_FEATURES + 1)),
            "X has 8 features, but to_c is expecting",
        ),
        "flat": (np.ones(N_FEATURES), "Expected 2D array, got 1D array"),
        "empty": (np.ones((0, N_FEATURES)), "X must hold at least one row"),
    }.values():
        with pytest.raises(ValueError, match=message):
            to_c(model, X=X)
    with pytest.raises(TypeError, match="expected a fastmlp"):
        to_c(object())
    broken = MLPRegressor(hidden_layer_sizes=())
    broken.coefs_, broken.intercepts_ = [np.array([[np.nan]])], [np.zeros(1)]
    broken.out_activation_ = "identity"
    with pytest.raises(ValueError, match="must be finite"):
        to_c(broken)
    huge = MLPClassifier(max_iter=1).fit([[0.0], [1.0]], [0, 2**40])
    with pytest.raises(ValueError, match=r"below 2\*\*31"):
        to_c(huge)
