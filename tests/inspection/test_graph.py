"""Computational graphs of traced steps: numbers of every edge, and their drawing."""

from dataclasses import dataclass

import numpy as np
import pytest
from sklearn.datasets import load_iris

from fastmlp import MLPClassifier, MLPRegressor, plot_graph
from fastmlp._inspection.graph import trace_graph

matplotlib = pytest.importorskip("matplotlib")
matplotlib.use("Agg")
import matplotlib.pyplot as plt  # noqa: E402

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

X, Y = load_iris(return_X_y=True)
TASKS = {
    "two classes": (MLPClassifier, Y > 0, {}),
    "classes": (MLPClassifier, Y, {"activation": "tanh"}),
    "labels": (MLPClassifier, np.c_[Y > 0, Y > 1].astype(int), {}),
    "outputs": (MLPRegressor, X[:, :2], {"activation": "logistic"}),
    "counts": (MLPRegressor, Y, {"loss": "poisson", "fit_intercept": False}),
}


@pytest.fixture(autouse=True)
def close_figures():
    yield
    plt.close("all")


def _nodes(last):
    """All nodes, each once, the last one first."""
    found, todo = {}, [last]
    while todo:
        node = todo.pop()
        if node not in found:
            found[node] = None
            todo.extend(node.inputs)
    return list(found)


@pytest.mark.parametrize("task", TASKS)
def test_gradient_of_a_node_is_the_sum_over_its_edges(task):
    kind, y, params = TASKS[task]
    model = kind(hidden_layer_sizes=(3, 2), max_iter=5, random_state=0)
    model.set_params(alpha=0.5, **params).fit(X, y)
    trace = model.trace_step(X[70], y[70])
    last = trace_graph(trace)
    nodes = _nodes(last)
    sums = dict.fromkeys(nodes, 0.0)
    for node in nodes:
        assert len(node.inputs) == len(node.slopes)
        for before, slope in zip(node.inputs, node.slopes):
            sums[before] += node.gradient * slope
    assert sums.pop(last) == 0 and last.gradient == 1
    for node, total in sums.items():
        assert node.gradient == pytest.approx(total, rel=1e-9, abs=1e-15)
    gradients = {node.label: node.gradient for node in nodes}
    for number, layer in enumerate(trace.layers, 1):
        free = layer.coef_gradients - 0.5 * layer.coefs  # without the penalty
        for (i, j), gradient in np.ndenumerate(free):
            found = gradients[f"W{number}[{i},{j}]"]
            assert found == pytest.approx(gradient, rel=1e-9, abs=1e-13)
        assert (f"b{number}[0]" in gradients) == model.fit_intercept
    squares = sum(np.sum(coef**2) for coef in model.coefs_)
    assert trace.penalty == pytest.approx(0.25 * squares)
    assert last.value == pytest.approx(trace.loss - trace.penalty)


@pytest.mark.parametrize("given_axes", [False, True])
def test_drawing_has_two_numbers_on_every_edge(given_axes):
    model = MLPClassifier((2,), max_iter=2, random_state=0)
    trace = model.fit(X[:, :2], Y).trace_step(X[0, :2], 0)
    axes = plt.subplots()[1] if given_axes else None
    ax = plot_graph(trace, ax=axes)
    assert axes is None or ax is axes
    nodes = _nodes(trace_graph(trace))
    n_edges = sum(len(node.inputs) for node in nodes)
    n_sums = 2 + 2  # features and hidden units go to several gates
    assert len(ax.texts) == len(nodes) + 2 * (n_edges + 1) + n_sums
    texts = [text.get_text() for text in ax.texts]
    assert texts.count("\N{MULTIPLICATION SIGN}") == 2 * 2 + 2 * 3
    assert "-log softmax" in texts and "relu" in texts and "W2[1,2]" in texts
    assert sum(text.startswith("Σ") for text in texts) == n_sums
    ax.figure.canvas.draw()
    if given_axes:
        return
    boxes = [t.get_window_extent() for t in ax.texts if t.get_text()[-1:].isdigit()]
    for i, box in enumerate(boxes):
        assert not any(box.overlaps(other) for other in boxes[:i])


@dataclass(eq=False)
class _Gate:
    label: str
    value: float
    gradient: float
    inputs: tuple = ()
    slopes: tuple = ()


def test_graph_of_gates_of_your_own():
    x = _Gate("x", 3.0, 6.0)
    square = _Gate("*", 9.0, 1.0, (x, x), (3.0, 3.0))
    texts = [text.get_text() for text in plot_graph(square).texts]
    assert sorted(texts) == sorted(["x", "*", "3", "3", "3", "3", "9", "1", "Σ 6"])
    plot_graph(x)  # a number alone


def test_graphs_that_are_refused():
    with pytest.raises(TypeError, match="StepTrace or a node with the attributes"):
        plot_graph(3)
    node = _Gate("x", 1.0, 1.0)
    for _ in range(1500):
        node = _Gate("id", 1.0, 1.0, (node,), (1.0,))
    with pytest.raises(ValueError, match="at most 200 edges, the graph has 1500"):
        plot_graph(node)
