"""The pages of the lecture run, and their numbers are those that they tell of."""

import importlib.util
import runpy
from pathlib import Path

import numpy as np
import pytest

import fastmlp

matplotlib = pytest.importorskip("matplotlib")
matplotlib.use("Agg")
import matplotlib.pyplot as plt  # noqa: E402

FOLDER = Path(__file__).parents[2] / "docs/lecture"
PAGES = {path.stem.split("_", 2)[2]: path for path in FOLDER.glob("plot_*.py")}
# They train for seconds, and run when the site is built.
SLOW = ["size", "batches", "vanishing_gradients", "sparsity"]


@pytest.fixture
def run(monkeypatch):
    """Runs a page and returns its variables."""
    monkeypatch.setattr(plt, "show", lambda: plt.close("all"))
    yield lambda name: runpy.run_path(str(PAGES[name]))
    plt.close("all")


def test_pages_are_numbered_and_compile():
    numbers = sorted(int(path.stem.split("_")[1]) for path in PAGES.values())
    assert numbers == list(range(1, len(PAGES) + 1))
    for name in SLOW:
        compile(PAGES[name].read_text(encoding="utf-8"), name, "exec")


def test_neuron(run, capsys):
    run("neuron")
    out = capsys.readouterr().out
    assert "z = -0.5, a = 0.3775" in out and "by fastmlp: a = 0.3775" in out
    assert "x1 and x2   0  0  0  1" in out and "two layers: [0. 1. 1. 0.]" in out


def test_logistic_regression(run):
    page = run("logistic_regression")
    best = np.r_[page["best"].coefs_[0].ravel(), page["best"].intercepts_[0]]
    theirs = np.r_[page["theirs"].coef_.ravel(), page["theirs"].intercept_]
    np.testing.assert_allclose(best, theirs, atol=0.02)
    assert page["losses"][-1] < page["losses"][0]


def test_forward_example(run, capsys):
    run("forward")
    out = capsys.readouterr().out
    wrong, right = out.split("x  = ")[1:]
    assert "I1 = [ 4.   4.5 -1. ]" in wrong and "O2 = [0.43]" in wrong
    assert "I1 = [4.  0.5 1. ]" in right and "O1 = [0.98 0.62 0.73]" in right
    assert "I2 = [-1.09]" in right and "O2 = [0.25]" in right


def test_graphs(run, capsys):
    page = run("graphs")
    first, z = page["first"], page["z"]
    assert first.value == -12 and z.gradient == 3
    assert [node.gradient for node in first.inputs[0].inputs] == [-4, -4]
    gradients = [page[name].gradient for name in "abcd"]
    assert page["patterns"].value == -20 and gradients == [-8, 6, 2, 0]
    assert page["branch"].value == 24 and page["x"].gradient == 11
    weights = [page[name].gradient for name in ("w0", "w1", "w2")]
    s = 1 / (1 + np.exp(-1))
    np.testing.assert_allclose(weights, (s - 1) * np.array([1, -1, -2]), rtol=1e-12)
    (layer,) = page["trace"].layers
    steps = [layer.intercept_gradients, layer.coef_gradients.ravel()]
    np.testing.assert_allclose(weights, np.concatenate(steps), rtol=1e-12)
    trace = page["third"]
    assert trace.outputs.round(4) == 0.4711 and trace.new_outputs.round(4) == 0.4714
    output = trace.layers[-1]
    assert output.local_derivatives.round(2) == 0.25 and output.deltas.round(2) == -0.53
    out = capsys.readouterr().out
    assert "0.7311 -> 0.7314" in out and "with the printed weights: 0.7323" in out


def test_backpropagation(run):
    page = run("backpropagation")
    for ours, theirs in zip(page["by_hand"], page["coef_grads"]):
        np.testing.assert_allclose(ours, theirs, atol=1e-15)
    assert page["largest"] < 1e-9 and page["outputs"][-1] > 0.99


def test_losses(run, capsys):
    run("losses")
    out = capsys.readouterr().out
    assert f"loss = {-np.log(1 / 4):.4f}" in out and "y = 0: loss = 0.2877" in out
    assert "loss = 1.125, slope = -1.5" in out and out.count("2.3671") == 2


def test_activations(run, capsys):
    run("activations")
    out = capsys.readouterr().out
    assert "slopes at 0: [0.] [1.]" in out
    first, second = out.splitlines()[-2:]
    assert first.split()[-1] == second.split()[-1]  # the loss with its own ReLU


def test_nonlinearity(run):
    page = run("nonlinearity")
    assert page["difference"] < 1e-12
    scores = [net.score(page["X"], page["y"]) for net in page["networks"].values()]
    assert scores[0] < 0.9 < 0.95 < scores[2]


def test_representations(run, capsys):
    run("representations")
    lines = capsys.readouterr().out.splitlines()[1:]
    shares = [float(line.split()[-1]) for line in lines]
    assert shares == sorted(shares)  # nearest class mean, from pixels to layer 3


@pytest.mark.skipif(not hasattr(fastmlp, "from_onnx"), reason="needs from_onnx")
def test_frameworks(run, capsys):
    run("frameworks")
    out = capsys.readouterr().out
    assert "False" not in out
    for name, words in {"torch": "same gradient: True", "onnx": "gates: "}.items():
        assert (words in out) == bool(importlib.util.find_spec(name))
