"""ONNX graphs to models: every spelling of an MLP, and what is no MLP."""

import copy
import doctest
import sys

import numpy as np
import pytest
from helpers.models import ACTIVATIONS, TASKS, data, fitted, proba_or_values
from helpers.onnx_graphs import SPELLINGS, Graph, run

import fastmlp
from fastmlp import MLPClassifier, MLPRegressor

onnx = pytest.importorskip("onnx")
pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
RNG = np.random.RandomState(0)
X = RNG.normal(size=(30, 4)).astype("f4") * 2


def check_same(model, other):
    """Compare weights and activations, bit for bit."""
    pairs = zip(
        model.coefs_ + model.intercepts_, other.coefs_ + other.intercepts_, strict=True
    )
    for a, b in pairs:
        np.testing.assert_array_equal(a, b, strict=True)
    assert model._snapshot().activations == other._snapshot().activations


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("strings", [False, True])
@pytest.mark.parametrize("task", TASKS)
def test_round_trip_of_every_task(task, strings, dtype, tmp_path):
    model = fitted(task, dtype, strings)
    rows, y = data(task, 50, dtype, strings)
    fastmlp.to_onnx(model, tmp_path / "m.onnx")
    back = fastmlp.from_onnx(tmp_path / "m.onnx", max_iter=3)
    assert type(back) is type(model) and back.max_iter == 3
    check_same(back, model)
    np.testing.assert_array_equal(back.predict(rows), model.predict(rows), strict=True)
    np.testing.assert_array_equal(
        proba_or_values(back, rows), proba_or_values(model, rows)
    )
    back.partial_fit(rows, y)
    back.score(rows, y)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_round_trip_of_every_activation(activation, dtype):
    model = fitted("multioutput", dtype, activation=activation)
    check_same(fastmlp.from_onnx(fastmlp.to_onnx(model)), model)


def test_weights_of_the_other_precision():
    model = fitted("regression")
    back = fastmlp.from_onnx(fastmlp.to_onnx(model, dtype="float32"))
    assert back.dtype == "float32"
    assert all(w.dtype == np.float32 for w in back.coefs_ + back.intercepts_)


@pytest.mark.parametrize(
    "name, opset",
    [
        (name, opset)
        for name, (_, oldest, _) in SPELLINGS.items()
        for opset in (7, 13, 20)
        if opset >= oldest
    ],
)
def test_every_spelling_of_an_activation(name, opset):
    spell, _, expected = SPELLINGS[name]
    graph = Graph(opset)
    z = spell(graph, graph.dense("X", 4, 5))
    model = graph.model(graph.dense(z, 5, 2))
    got = fastmlp.from_onnx(model)
    assert got.activation == expected
    np.testing.assert_allclose(got.predict(X), run(model, X)[0], rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("seed", range(40))
def test_random_graphs(seed):
    graph = Graph(13, np.random.RandomState(seed))
    rng = graph.rng
    spellings = [spell for spell, oldest, _ in SPELLINGS.values() if oldest <= 13]
    x, width = graph.passed(graph.scaled("X", 4)), 4
    for _ in range(rng.randint(1, 4)):
        units = rng.randint(1, 7)
        x = graph.passed(graph.dense(x, width, units))
        if rng.rand() < 0.5:
            x = graph.scaled(x, units)
        x = spellings[rng.randint(len(spellings))](graph, x)
        if rng.rand() < 0.5:
            x = graph.scaled(graph.passed(x), units)
        width = units
    x = graph.scaled(graph.dense(x, width, 3), 3)
    kind = [None, "Sigmoid", "Softmax", "LogSoftmax", "Exp"][seed % 5]
    model = graph.model(x if kind is None else graph.node(kind, [x]))
    expected = run(model, X)[0]
    got = fastmlp.from_onnx(model)
    assert isinstance(got, MLPRegressor) == (kind in (None, "Exp"))
    values = proba_or_values(got, X)
    expected = np.exp(expected) if kind == "LogSoftmax" else expected
    size = np.abs(expected).max()
    np.testing.assert_allclose(values, expected, rtol=1e-4, atol=2e-6 * size)


def test_gemm_and_its_attributes():
    graph = Graph()
    w, b = RNG.normal(size=(3, 4)), RNG.normal(size=3)
    w, b = (graph.constant(a.astype("f4")) for a in (w, b))
    x = graph.node("Gemm", ["X", w, b], transB=1, alpha=0.5, beta=2.0)
    for c in (np.float32(1.5), np.ones((1, 3), "f4"), None):
        w = graph.constant(np.eye(3, dtype="f4"))
        third = [] if c is None else [graph.constant(c)]
        x = graph.node("Gemm", [x, w, *third])
    model = graph.model(x)
    np.testing.assert_allclose(
        fastmlp.from_onnx(model).predict(X), run(model, X)[0], rtol=1e-5, atol=1e-6
    )


def test_scalers_with_a_large_mean_need_float64():
    mean, scale = np.array([1e6, 0, 0, 3], "f4"), np.array([1, 1, 2, 1], "f4")
    graph = Graph()
    x = graph.node("Sub", ["X", graph.constant(mean)])
    x = graph.dense(graph.node("Div", [x, graph.constant(scale)]), 4, 3)
    model = graph.model(graph.dense(graph.node("Tanh", [x]), 3, 1))
    rows = X * scale + mean
    got = fastmlp.from_onnx(model)
    assert got.coefs_[0].dtype == np.float64 and got.dtype == "float64"
    expected = run(model, rows)[0][:, 0]
    np.testing.assert_allclose(got.predict(rows), expected, rtol=1e-4, atol=1e-5)


def test_rows_with_more_axes_are_flattened():
    images = X.reshape(30, 2, 2)
    for how in ("Flatten", "Reshape", "copied", "Shape"):
        graph = Graph(13, shape=("n", 2, 2))
        x = graph.node("Div", ["X", graph.constant(np.float32(255))])
        if how == "Flatten":
            x = graph.node("Flatten", [x])
        elif how == "Shape":  # as a view(x.size(0), -1) is traced
            n = graph.node("Gather", [graph.node("Shape", ["X"]), graph.integers(0)])
            n = graph.node("Unsqueeze", [n, graph.integers([0])])
            n = graph.node("Concat", [n, graph.integers([-1])], axis=0)
            x = graph.node("Reshape", [x, n])
        else:
            to = [-1, 4] if how == "Reshape" else [0, -1]
            x = graph.node("Reshape", [x, graph.integers(to)])
        model = graph.model(graph.dense(x, 4, 2))
        got = fastmlp.from_onnx(model)
        expected = run(model, images)[0]
        np.testing.assert_allclose(got.predict(X), expected, rtol=1e-5, atol=1e-7)


def test_flat_predictions():
    for kind in ("Squeeze", "Reshape"):
        graph = Graph()
        to = graph.integers([1] if kind == "Squeeze" else [-1])
        x = graph.node(kind, [graph.dense("X", 4, 1), to])
        model = graph.model(graph.node("Sigmoid", [x]))
        got = fastmlp.from_onnx(model, classes=["no", "yes"])
        np.testing.assert_allclose(
            got.predict_proba(X)[:, 1], run(model, X)[0], rtol=1e-5, atol=1e-6
        )


def test_float16():
    graph = Graph(13, dtype="f2")
    z = SPELLINGS["gelu by erf"][0](graph, graph.dense("X", 4, 5))
    got = fastmlp.from_onnx(graph.model(graph.dense(z, 5, 2)))
    assert got.activation == "gelu" and got.coefs_[0].dtype == np.float32


def test_classes():
    graph = Graph()
    logits = graph.model(graph.dense("X", 4, 3))
    assert isinstance(fastmlp.from_onnx(logits), MLPRegressor)
    got = fastmlp.from_onnx(logits, classes=["c", "a", "b"])
    assert got.classes_.tolist() == ["a", "b", "c"]
    best = run(logits, X)[0].argmax(axis=1)
    np.testing.assert_array_equal(got.predict(X), np.array(["c", "a", "b"])[best])
    with pytest.raises(ValueError, match="classes must hold 3 different labels"):
        fastmlp.from_onnx(logits, classes=[0, 1])
    graph = Graph()
    z = graph.dense("X", 4, 3)
    node = graph.node("ArgMax", [z], axis=1, keepdims=0)
    names = graph.constant(np.array(["x", "z", "y"], object))
    labelled = graph.model(graph.node("Gather", [names, node]))
    got = fastmlp.from_onnx(labelled)
    assert isinstance(got, MLPClassifier) and got.out_activation_ == "softmax"
    np.testing.assert_array_equal(got.predict(X), run(labelled, X)[0])
    numbered = fastmlp.from_onnx(graph.model(node))
    assert numbered.classes_.tolist() == [0, 1, 2]
    assert isinstance(fastmlp.from_onnx(labelled, output=z), MLPRegressor)


def test_labels_of_another_rule():
    for kind, limit in (("Greater", 0.3), ("Less", 0.5), ("Greater", None)):
        graph = Graph()
        p = graph.node("Sigmoid", [graph.dense("X", 4, 1)])
        at = "X" if limit is None else p
        number = graph.constant(np.float32(limit or 0.5))
        label = graph.node("Cast", [graph.node(kind, [at, number])], to=7)
        model = graph.model(label, p)
        with pytest.raises(ValueError, match=rf"\({kind}\) cannot be taken: .*output="):
            fastmlp.from_onnx(model)
        assert isinstance(fastmlp.from_onnx(model, output=p), MLPClassifier)
    graph = Graph()  # the largest of several sigmoids is no rule of ours
    p = graph.node("Sigmoid", [graph.dense("X", 4, 3)])
    label = graph.node("ArgMax", [p], axis=1)
    with pytest.raises(ValueError, match=r"\(ArgMax\) cannot be taken"):
        fastmlp.from_onnx(graph.model(label, p))


def refused(build, match, **params):
    """Check that a graph is refused."""
    graph = Graph(**params)
    outputs = build(graph)
    with pytest.raises(ValueError, match=match):
        fastmlp.from_onnx(graph.model(*np.atleast_1d(outputs)))


def test_the_first_node_that_cannot_be_taken_is_named():
    def layered(kind, *constants, **attributes):
        def build(graph):
            inputs = [graph.constant(c) for c in constants]
            z = graph.node(
                kind, [graph.dense("X", 4, 3), *inputs], name="odd", **attributes
            )
            return graph.dense(z, 3, 1)

        return build

    odd = r"the node 'odd' \({}\) cannot be taken: "
    for kind, constants, attributes, why in (
        ("LayerNormalization", [np.ones(3, "f4")], {}, "no such operator"),
        ("Clip", [np.float32(0), np.float32(6)], {}, "none of the activations"),
        ("Gelu", [], {"approximate": "tanh"}, "none of the activations"),
        ("Sin", [], {}, "no such operator"),
        ("Softmax", [], {"axis": 0}, "over axis 0"),
        ("PRelu", [np.array([0.1, 0.2, 0.3], "f4")], {}, "differ between the columns"),
        ("Transpose", [], {"perm": [1, 0]}, "transposes the rows"),
        ("Mul", [np.ones((5, 3), "f4")], {}, "one number for each column"),
        ("Mul", [np.array([[np.nan, 1, 1]], "f4")], {}, "must be finite"),
        ("Cast", [], {"to": 7}, "another type"),
        ("Reshape", [np.array([-1, 1])], {}, "does not keep the rows"),
        ("Reshape", [np.array([3, -1])], {}, "does not keep the rows"),
        ("Unsqueeze", [np.array([1])], {}, "another axis"),
        ("Squeeze", [np.array([1])], {}, "another axis"),
        ("Concat", [], {"axis": 1}, "only 1 - p and p"),
        ("Gemm", [np.eye(3, dtype="f4")], {"transA": 1}, "transposes the rows"),
        ("Dropout", [np.float32(0.5), np.array(True)], {}, "training mode"),
        ("Flatten", [], {"axis": 0}, "joins rows"),
        ("Pow", [np.float32(2)], {}, "none of the activations"),
    ):
        refused(layered(kind, *constants, **attributes), odd.format(kind) + ".*" + why,
                opset=20)  # fmt: skip
    refused(
        lambda g: g.node("Relu", [g.dense("X", 4, 1)], name="last"),
        r"'last' \(Relu\).*none of the activations identity, logistic, exp",
    )
    refused(
        lambda g: g.dense(g.node("Relu", ["X"], name="early"), 4, 1),
        r"'early' \(Relu\).*before the first layer",
    )
    refused(
        lambda g: g.node("Mul", [g.node("Sigmoid", [g.dense("X", 4, 3)]), g.constant(
            np.array([1, 2, 3], "f4"))], name="scaled"),
        "'scaled'.*is scaled",
    )  # fmt: skip

    def joined(kind):
        def build(graph):
            p = graph.dense("X", 4, 1)
            p = p if kind is None else graph.node(kind, [p])
            rest = graph.node("Sub", [graph.number(1), p])
            return graph.node("Concat", [rest, p], name="joins", axis=1)

        return build

    refused(joined(None), "none of the activations logistic")
    refused(joined("Tanh"), "none of the activations logistic")

    def residual(graph):
        z = graph.dense("X", 4, 4)
        return graph.node("Add", [graph.dense(z, 4, 4), z], name="joins")

    refused(residual, r"'joins' \(Add\).*different layers")

    def two_weights(graph):
        z = graph.dense("X", 4, 4)
        return graph.node("MatMul", [z, z], name="attention")

    refused(two_weights, r"'attention' \(MatMul\).*no constants")

    def unnamed(graph):
        z = graph.node("Sin", [graph.dense("X", 4, 4)])
        graph.nodes[-1].name = ""
        return z

    refused(unnamed, r"the node of output \['sin_\d+'\] \(Sin\)")

    def own_domain(graph):
        return graph.node("Relu", [graph.dense("X", 4, 4)], domain="com.example")

    refused(own_domain, r"\(com.example.Relu\) cannot be taken")


def test_graphs_of_other_inputs_and_outputs():
    refused(lambda g: [g.dense("X", 4, 1), g.dense("X", 4, 2)], "name it by output=")
    refused(lambda g: g.node("Relu", ["X"]), "before the first layer")
    refused(lambda g: g.node("Identity", ["X"]), "no layer leads")
    refused(lambda g: g.dense("X", 4, 1), "texts", kind=onnx.TensorProto.STRING)
    refused(lambda g: g.dense("X", 4, 1), "rows of a matrix", shape=(4,))
    refused(lambda g: g.dense("X", 4, 1), "known shape", shape=("n", "a", "b"))
    refused(lambda g: g.dense("X", 3, 1), r"\(3, 1\) do not fit rows of shape \(4,\)")
    refused(lambda g: g.dense("X", 4, 1), "opset 6; 7 to", opset=6)
    refused(lambda g: g.dense("X", 4, 1), "Update onnx", opset=10_000)
    graph = Graph()
    model = graph.model(graph.dense("X", 4, 1))
    with pytest.raises(ValueError, match="output must be the name of a tensor"):
        fastmlp.from_onnx(model, output="nothing")
    with pytest.raises(TypeError, match="activation is what the graph says"):
        fastmlp.from_onnx(model, activation="relu")
    with pytest.raises(TypeError, match="path must be a str"):
        fastmlp.from_onnx(3)


def test_an_input_of_unknown_width():
    for scale in (None, np.ones(4, "f4") * 2):
        graph = Graph(shape=("n", "d"))
        x = "X" if scale is None else graph.node("Mul", ["X", graph.constant(scale)])
        model = graph.model(graph.dense(x, 4, 2))
        got = fastmlp.from_onnx(model).predict(X)
        np.testing.assert_allclose(got, run(model, X)[0], rtol=1e-5, atol=1e-6)


def test_models_of_tables_are_refused():
    pd = pytest.importorskip("pandas")
    rows, y = data("binary", 60)
    frame = pd.DataFrame(rows[:, :2], columns=["a", "b"])
    frame["c"] = np.where(rows[:, 2] > 0, "x", "y")
    settings = {"n_members": 1, "n_epochs": 1, "hidden_layer_sizes": (4,)}
    model = fastmlp.TabularMLPClassifier(**settings).fit(frame, y)
    with pytest.raises(ValueError, match="A model of raw tables"):
        fastmlp.from_onnx(fastmlp.to_onnx(model))
    numbers = fastmlp.TabularMLPRegressor(**settings).fit(rows, rows[:, 0])
    with pytest.raises(ValueError, match="cannot be taken"):
        fastmlp.from_onnx(fastmlp.to_onnx(numbers))


def test_own_activations_and_models_of_a_single_class_are_refused():
    rows, _ = data("binary", 40)
    one = MLPClassifier((3,), max_iter=2).fit(rows, np.full(40, "a"))
    with pytest.raises(ValueError, match="cannot be taken"):
        fastmlp.from_onnx(fastmlp.to_onnx(one))
    square = fastmlp.Activation(
        np.square, lambda z, a: 2 * z, onnx=lambda g, z, _: g.node("Mul", [z, z])
    )
    model = MLPRegressor(hidden_layer_sizes=(3,), activation=square, max_iter=2)
    graph = fastmlp.to_onnx(model.fit(rows, rows[:, 0]))
    with pytest.raises(ValueError, match=r"\(Mul\).*none of the activations"):
        fastmlp.from_onnx(graph)


def test_onnx_missing(monkeypatch):
    monkeypatch.setitem(sys.modules, "onnx", None)
    with pytest.raises(ImportError, match=r'pip install "fastmlp\[onnx\]"'):
        fastmlp.from_onnx("m.onnx")


def test_the_model_that_is_given_is_not_changed():
    model = fastmlp.to_onnx(fitted("multiclass"))
    before = copy.deepcopy(model)
    fastmlp.from_onnx(model, classes=["d", "c", "b", "a"])
    assert model == before


def test_the_example():
    found = doctest.DocTestFinder(recurse=False).find(fastmlp.from_onnx, globs={})
    (result,) = (doctest.DocTestRunner().run(examples) for examples in found)
    assert result.attempted > 3 and not result.failed
