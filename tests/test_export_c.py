"""Export to C: compiled under strict warnings, and equal to predict."""

import shutil
import subprocess

import numpy as np
import pytest
from models import ACTIVATIONS, N_FEATURES, TASKS, data, fitted, proba_or_values

from fastmlp import MLPClassifier, MLPRegressor, to_c

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
    """What the compiled header returns: failures of the self-test, rows of words."""
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
        tmp_path, to_c(regressor, name="net", dtype="int8"), X, "", "float"
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


def test_bad_input(tmp_path):
    model = fitted("binary")
    for name in ("2x", "a-b", "int", "a b", "ä"):
        with pytest.raises(ValueError, match="name must be an identifier of C"):
            to_c(model, name=name)
    with pytest.raises(ValueError, match="dtype must be one of"):
        to_c(model, dtype="float16")
    with pytest.raises(ValueError, match="X must have the shape"):
        to_c(model, X=np.ones((3, N_FEATURES + 1)))
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
