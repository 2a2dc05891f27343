"""Drawings, the layer table, and the trace of one step with the lecture's numbers."""

import sys
from itertools import combinations, pairwise

import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone
from sklearn.compose import TransformedTargetRegressor
from sklearn.datasets import load_iris
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from fastmlp import (
    LossCurveDisplay,
    MLPClassifier,
    MLPRegressor,
    WeightsDisplay,
    load_model,
    plot_network,
    save_model,
)

matplotlib = pytest.importorskip("matplotlib")
matplotlib.use("Agg")
import matplotlib.pyplot as plt  # noqa: E402

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

X, Y = load_iris(return_X_y=True)
CLF = MLPClassifier((20, 3), max_iter=8, random_state=0)


@pytest.fixture(autouse=True)
def close_figures():
    yield
    plt.close("all")


def test_loss_curve():
    clf = clone(CLF).fit(X, Y)
    display = LossCurveDisplay.from_estimator(clf)
    assert display.line_.get_ydata().tolist() == clf.loss_curve_
    assert display.line_.get_xdata().tolist() == list(range(1, 9))
    assert display.validation_line_ is None and display.score_line_ is None
    assert display.figure_ is display.ax_.figure
    assert "MLPClassifier" in display.line_.get_label()
    with pytest.raises(ValueError, match="needs a model with validation data"):
        display.plot(plot_score=True)
    clf = clone(CLF).fit(X, Y, X_val=X, y_val=Y)
    _, ax = plt.subplots()
    display = LossCurveDisplay.from_estimator(
        clf, ax=ax, name="iris", plot_score=True, color="red"
    )
    assert display.ax_ is ax and display.line_.get_color() == "red"
    assert display.validation_line_.get_ydata().tolist() == clf.validation_loss_curve_
    assert display.score_line_.get_ydata().tolist() == clf.validation_scores_
    assert len(ax.get_legend().get_texts()) == 3
    lbfgs = clone(CLF).set_params(solver="lbfgs").fit(X, Y)
    display = LossCurveDisplay.from_estimator(lbfgs)
    assert len(display.loss) == lbfgs.n_iter_
    with pytest.raises(NotFittedError):
        LossCurveDisplay.from_estimator(CLF)


@pytest.mark.parametrize("judged", [False, True])
def test_loss_curve_of_a_loaded_model(tmp_path, judged):
    clf = clone(CLF).set_params(warm_start=True).fit(X, Y)
    clf.fit(X, Y, **({"X_val": X, "y_val": Y} if judged else {}))
    save_model(clf, tmp_path / "m")
    loaded = load_model(tmp_path / "m")
    display = LossCurveDisplay.from_estimator(loaded)
    assert display.line_.get_ydata().tolist() == clf.loss_curve_
    if judged:  # in the last epochs only, as in the record of the fit
        np.testing.assert_array_equal(
            display.validation_loss, clf.history_["validation_loss"]
        )
        assert np.isfinite(display.validation_loss).sum() == 8
        assert np.isfinite(display.validation_score).sum() == 8
    else:
        assert display.validation_line_ is None
    with pytest.raises(AttributeError, match="a file of save_model, which holds"):
        _ = loaded.history_
    save_model(clone(CLF).set_params(solver="lbfgs").fit(X, Y), tmp_path / "l")
    with pytest.raises(ValueError, match="no epochs on record.*before the model is sa"):
        LossCurveDisplay.from_estimator(load_model(tmp_path / "l"))


def _wrapped():
    """Fitted models of scikit-learn that hold one of ours, and ours."""
    pipeline = make_pipeline(StandardScaler(), clone(CLF)).fit(X, Y)
    search = GridSearchCV(
        make_pipeline(StandardScaler(), clone(CLF)), {"mlpclassifier__alpha": [0.1]}
    ).fit(X, Y)
    wrapper = TransformedTargetRegressor(MLPRegressor(max_iter=3)).fit(X, X[:, 0])
    return [
        (pipeline, pipeline[-1]),
        (search, search.best_estimator_[-1]),
        (wrapper, wrapper.regressor_),
    ]


@pytest.mark.parametrize("which", [0, 1, 2])
def test_pictures_of_what_holds_a_model(which):
    outer, model = _wrapped()[which]
    display = LossCurveDisplay.from_estimator(outer)
    assert display.line_.get_ydata().tolist() == model.loss_curve_
    assert type(model).__name__ in display.line_.get_label()
    image = WeightsDisplay.from_estimator(outer).im_.get_array()
    np.testing.assert_array_equal(image, model.coefs_[0])
    n_params = sum(a.size for a in model.coefs_ + model.intercepts_)
    assert plot_network(outer).ax_.get_title() == f"{n_params} parameters"


def test_pictures_of_other_things():
    others = LogisticRegression().fit(X, Y), make_pipeline(StandardScaler()).fit(X)
    draw = LossCurveDisplay.from_estimator, WeightsDisplay.from_estimator, plot_network
    for call in draw:
        for other in others:
            with pytest.raises(TypeError, match="expected a fitted fastmlp.MLPCl"):
                call(other)
        for unfitted in (CLF, make_pipeline(StandardScaler(), clone(CLF))):
            with pytest.raises(NotFittedError):
                call(unfitted)


@pytest.mark.parametrize("solver", ["adam", "lbfgs"])
@pytest.mark.parametrize("warm", [False, True])
def test_the_epoch_that_was_kept(solver, warm, tmp_path):
    clf = clone(CLF).set_params(
        early_stopping=True, validation_split=np.arange(0, 150, 3), scoring="loss",
        max_iter=60, n_iter_no_change=5, learning_rate_init=0.1, solver=solver,
        warm_start=warm,
    )  # fmt: skip
    for _ in range(1 + warm):
        weights = []
        n_before = len(clf.history_["loss"]) if hasattr(clf, "coefs_") else 0
        clf.fit(X, Y, callback=lambda r, w=weights: _keep(w, r))
    display = LossCurveDisplay.from_estimator(clf)
    kept = display.kept_epoch - n_before  # of the last fit, from 1
    for ours, theirs in zip(clf.coefs_, weights[kept - 1]):
        np.testing.assert_array_equal(ours, theirs)
    assert list(display.kept_line_.get_xdata()) == [display.kept_epoch] * 2
    assert f"weights of epoch {display.kept_epoch}" in display.kept_line_.get_label()
    if solver == "adam":
        save_model(clf, tmp_path / "m")
        loaded = LossCurveDisplay.from_estimator(load_model(tmp_path / "m"))
        assert loaded.kept_epoch == display.kept_epoch
    plain = LossCurveDisplay.from_estimator(clone(CLF).fit(X, Y))
    assert plain.kept_epoch is None and plain.kept_line_ is None


def _keep(weights, record):
    weights.append([w.copy() for w in record.fitted_estimator().coefs_])


def test_the_epoch_that_a_divergence_left():
    weights = []
    regr = MLPRegressor(
        hidden_layer_sizes=(5,), activation="identity", solver="sgd", random_state=0,
        learning_rate_init=3.0, on_divergence="warn", max_iter=500, max_grad_norm=None,
    )  # fmt: skip
    with pytest.warns(match="best weights so far are kept"):
        regr.fit(X, Y * 1.0, callback=lambda r: _keep(weights, r))
    kept = LossCurveDisplay.from_estimator(regr).kept_epoch
    np.testing.assert_array_equal(regr.coefs_[0], weights[kept - 1][0])


def test_weights_are_those_of_training():
    scales, shift = [1.0, 100.0, 0.01, 1.0], [0, 50, 0, -3]
    frame = pd.DataFrame(X * scales + shift, columns=list("abcd"))
    targets = np.c_[X[:, 0] * 1000, X[:, 1]]
    params = {"hidden_layer_sizes": (6,), "max_iter": 5, "random_state": 0}
    inner = MLPRegressor(**params).fit(
        StandardScaler().fit_transform(frame), StandardScaler().fit_transform(targets)
    )
    outer = MLPRegressor(**params, standardize_X=True, standardize_y=True)
    outer.fit(frame, targets)
    assert not np.allclose(outer.coefs_[0], inner.coefs_[0])
    for layer, words in ((0, "features"), (1, "targets")):
        display = WeightsDisplay.from_estimator(outer, layer=layer)
        np.testing.assert_allclose(display.weights, inner.coefs_[layer], rtol=1e-8)
        assert display.ax_.get_title().endswith(f"\nfor standardised {words}")
        plain = WeightsDisplay.from_estimator(inner, layer=layer)
        assert "standardised" not in plain.ax_.get_title()
    deep = clone(outer).set_params(hidden_layer_sizes=(6, 4)).fit(frame, targets)
    middle = WeightsDisplay.from_estimator(deep, layer=1)
    np.testing.assert_array_equal(middle.weights, deep.coefs_[1])
    single = clone(outer).set_params(hidden_layer_sizes=()).fit(frame, targets)
    title = WeightsDisplay.from_estimator(single).ax_.get_title()
    assert title.endswith("for standardised features and targets")


@pytest.mark.parametrize("n_features", [4, 60])
def test_names_of_features_are_within_the_figure(n_features):
    names = [f"a rather long name of a feature, number {i}" for i in range(n_features)]
    frame = pd.DataFrame(np.resize(X, (150, n_features)), columns=names)
    for model in (clone(CLF), make_pipeline(StandardScaler(), clone(CLF))):
        display = WeightsDisplay.from_estimator(model.fit(frame, Y))
        display.figure_.canvas.draw()
        labels = display.ax_.get_yticklabels()
        assert [label.get_text() for label in labels] == names
        boxes = [label.get_window_extent() for label in labels]
        assert all(_is_inside(box, display.figure_.bbox) for box in boxes)
        assert not any(a.overlaps(b) for a, b in pairwise(boxes))


def _is_inside(box, outer):
    return (
        outer.x0 <= box.x0 and box.x1 <= outer.x1
        and outer.y0 <= box.y0 and box.y1 <= outer.y1
    )  # fmt: skip


@pytest.mark.parametrize("sizes", [(2, 2, 1), (4, 4, 3), (8, 6, 3), (20, 16, 5)])
@pytest.mark.parametrize("has_axes", [False, True])
def test_no_number_of_a_trace_covers_another(sizes, has_axes):
    n_inputs, n_units, n_outputs = sizes
    names = [f"a long name {i}" for i in range(n_inputs)]
    frame = pd.DataFrame(-1.2345e-5 * np.resize(X, (150, n_inputs)), columns=names)
    y = frame.to_numpy()[:, :1] * np.ones(n_outputs)
    regr = MLPRegressor(hidden_layer_sizes=(n_units,), max_iter=2, random_state=0)
    regr.fit(frame, y.squeeze())
    trace = regr.trace_step(frame.to_numpy()[0], y[0], learning_rate=0.1)
    ax = trace.plot(ax=plt.subplots()[1] if has_axes else None)
    ax.figure.canvas.draw()
    boxes = [text.get_window_extent() for text in ax.texts]
    assert len(boxes) > (n_inputs + 1) * n_units + (n_units + 1) * n_outputs
    assert all(_is_inside(box, ax.figure.bbox) for box in boxes)
    for one, other in combinations(boxes, 2):
        assert not one.shrunk(0.9, 0.9).overlaps(other.shrunk(0.9, 0.9))


@pytest.mark.parametrize("max_units", [3, 10, 30])
def test_units_of_a_diagram_do_not_overlap(max_units):
    clf = clone(CLF).set_params(hidden_layer_sizes=(40, 5)).fit(X, Y)
    display = plot_network(clf, max_units=max_units)
    for units in display.units_:
        places = display.ax_.transData.transform(units.get_offsets())
        diameter = np.sqrt(units.get_sizes()[0]) * display.figure_.dpi / 72
        if len(places) > 1:
            assert -np.diff(places[:, 1]).max() > diameter
    dots = [text for text in display.ax_.texts if text.get_text() == "⋮"]
    assert len(dots) == sum(n > max_units for n in (4, 40, 5, 3))


def test_weights():
    frame = pd.DataFrame(X, columns=list("abcd"))
    clf = clone(CLF).fit(frame, Y)
    display = WeightsDisplay.from_estimator(clf)
    np.testing.assert_array_equal(display.im_.get_array(), clf.coefs_[0])
    bound = np.abs(clf.coefs_[0]).max()
    assert display.im_.get_clim() == (-bound, bound)
    assert [t.get_text() for t in display.ax_.get_yticklabels()] == list("abcd")
    display = WeightsDisplay.from_estimator(clf, layer=-1, cmap="viridis")
    np.testing.assert_array_equal(display.im_.get_array(), clf.coefs_[2])
    assert display.im_.get_cmap().name == "viridis"
    for layer in (3, -4, 0.0):
        with pytest.raises(ValueError, match=r"layer must be an int in the range"):
            WeightsDisplay.from_estimator(clf, layer=layer)


def test_network_diagram():
    clf = clone(CLF).fit(X, Y)
    display = plot_network(clf)
    counts = [len(circles.get_offsets()) for circles in display.units_]
    assert counts == [4, 9, 3, 3]
    assert len(display.lines_.get_segments()) == 4 * 9 + 9 * 3 + 3 * 3
    texts = [text.get_text().split("\n") for text in display.texts_]
    assert texts[0] == ["input", "4 units"]
    assert texts[1] == ["hidden 1", "20 units", "relu", "100", "parameters"]
    assert texts[3] == ["output", "3 units", "softmax", "12", "parameters"]
    assert display.ax_.get_title() == "175 parameters"
    display = plot_network(clf, max_units=30)
    assert [len(c.get_offsets()) for c in display.units_] == [4, 20, 3, 3]
    with pytest.raises(ValueError, match="max_units must be an int >= 3"):
        plot_network(clf, max_units=2)


def test_summary():
    regr = MLPRegressor(
        hidden_layer_sizes=(3,), activation=("leaky_relu", 0.1), fit_intercept=False
    )
    table = regr.set_params(max_iter=2, dtype="float32").fit(X, Y).summary()
    assert repr(table) == str(table) == table  # as an interactive session shows it
    lines = table.splitlines()
    assert lines[0] == "MLPRegressor"
    assert lines[5].split() == [
        "hidden",
        "1",
        "3",
        "leaky_relu(0.1)",
        "4",
        "x",
        "3",
        "12",
    ]
    assert lines[-1] == "15 parameters in float32, 60 bytes"
    with pytest.raises(NotFittedError):
        CLF.summary()


def test_printing_a_summary_ends_with_the_table(capsys):
    model = clone(CLF).fit(X, Y)
    print(model.summary())
    assert capsys.readouterr().out.endswith(" bytes\n")


@pytest.mark.parametrize(
    "params, name",
    [
        ({"output_activation": ("logistic", -1, 5)}, "logistic(-1, 5)"),
        ({"loss": "gaussian_nll"}, "gaussian"),
        (
            {
                "loss": "quantile",
                "quantile": [0.1, 0.9],
                "monotone_quantiles": True,
                "output_activation": "softplus",
            },
            "monotone softplus",
        ),
    ],
)
def test_output_activations_by_name(params, name):
    regr = MLPRegressor(hidden_layer_sizes=(3,), max_iter=2, **params).fit(X, Y)
    assert f"  {name}  " in regr.summary().splitlines()[-3]
    texts = [text.get_text() for text in plot_network(regr).ax_.texts]
    assert any(name in text.split("\n") for text in texts)


def test_matplotlib_is_imported_when_something_is_drawn(monkeypatch):
    clf = clone(CLF).fit(X, Y)
    monkeypatch.setitem(sys.modules, "matplotlib.pyplot", None)
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(ImportError, match="pip install matplotlib"):
        LossCurveDisplay.from_estimator(clf)


def _by_hand(coefs, intercepts, **params):
    """A classifier with given weights and logistic units."""
    clf = MLPClassifier(
        [len(b) for b in intercepts[:-1]], "logistic", solver="sgd", alpha=0.0,
        momentum=0.0, nesterovs_momentum=False, **params,
    )  # fmt: skip
    clf.coefs_ = [np.array(w, dtype=float) for w in coefs]
    clf.intercepts_ = [np.array(b, dtype=float) for b in intercepts]
    clf.n_layers_, clf.n_outputs_ = len(coefs) + 1, 1
    clf.out_activation_, clf.classes_ = "logistic", np.arange(2)
    return clf


def test_trace_of_the_lectures_forward_pass():
    w1 = np.array([[1, 0, 1, 0], [0, -1, 0.5, -1], [-1, -1, 0, 0.5]]).T
    net = _by_hand([w1, [[-1.0], [1.0], [-1.0]]], [np.zeros(3), [0.0]])
    trace = net.trace_step([1.0, -1.0, 3.0, 2.0], 1)
    hidden, output = trace.layers
    assert hidden.net_inputs.tolist() == [4, 0.5, 1]
    assert hidden.outputs.round(2).tolist() == [0.98, 0.62, 0.73]
    assert output.net_inputs.round(2).tolist() == [-1.09]
    assert trace.outputs.round(2).tolist() == [0.25]


def test_trace_of_the_lectures_neuron():
    neuron = _by_hand([[[2], [-3]]], [[-3]], learning_rate_init=0.001)
    trace = neuron.trace_step([-1.0, -2.0], 1)
    gates = {gate.gate: gate for gate in trace.gates()}
    assert gates["w * x0"].value == -2 and gates["w * x1"].value == 6
    assert gates["+ b"].value == -3 and gates["sum z"].value == 1
    assert round(gates["activation a"].value, 4) == 0.7311
    assert round(gates["activation a"].local_derivative, 2) == 0.2
    assert gates["w * x1"].local_derivative == -2
    (layer,) = trace.layers
    assert layer.deltas.round(2).tolist() == [-0.27]
    assert layer.coef_gradients.ravel().round(2).tolist() == [0.27, 0.54]
    assert layer.intercept_gradients.round(2).tolist() == [-0.27]
    # the source prints -2.9973 and 1.9973, which lost a 9 (see test_lecture.py)
    assert layer.new_intercepts.round(5).tolist() == [-2.99973]
    assert layer.new_coefs.ravel().round(5).tolist() == [1.99973, -3.00054]
    assert trace.new_outputs.round(4).tolist() == [0.7314]
    assert "1.99973" in str(trace) and "-> 0.7314" in str(trace)


def test_trace_of_the_lectures_gradient_of_the_output():
    rng = np.random.RandomState(0)
    net = _by_hand([rng.randn(2, 2), rng.randn(2, 1)], [rng.randn(2), [0.0]])
    x = np.array([[1.0, -1.0]])
    p = net.predict_proba(x)[0, 1]
    net.intercepts_[1] += np.log(0.47 / 0.53) - np.log(p / (1 - p))
    trace = net.trace_step(x, 1)
    output = trace.layers[-1]
    assert trace.outputs[0] == pytest.approx(0.47)
    assert output.output_gradients.round(3).tolist() == [-2.128]
    assert output.local_derivatives.round(4).tolist() == [0.2491]
    assert output.deltas.round(2).tolist() == [-0.53]
    assert trace.new_outputs[0] > trace.outputs[0] and trace.new_loss < trace.loss


TASKS = {
    "binary": (MLPClassifier, Y > 0, {}),
    "multiclass": (MLPClassifier, Y, {}),
    "multilabel": (MLPClassifier, np.c_[Y > 0, Y > 1].astype(int), {}),
    "regression": (MLPRegressor, X[:, 0], {}),
    "many outputs": (MLPRegressor, X[:, :2], {}),
    "poisson": (MLPRegressor, X[:, 0], {"loss": "poisson"}),
}


@pytest.mark.parametrize("task", TASKS)
@pytest.mark.parametrize("hidden", [(), (4,), (4, 3)])
@pytest.mark.parametrize("fit_intercept", [True, False])
def test_the_step_is_that_of_sgd(task, hidden, fit_intercept):
    kind, y, more = TASKS[task]
    model = kind(
        hidden_layer_sizes=hidden,
        activation="softplus",
        solver="sgd",
        momentum=0.0,
        alpha=0.1,
        learning_rate_init=0.01,
        max_iter=3,
        random_state=0,
        fit_intercept=fit_intercept,
        **more,
    ).fit(X / 5, y)
    before = [array.copy() for array in model.coefs_ + model.intercepts_]
    trace = model.trace_step(X[60] / 5, y[60])
    for a, b in zip(model.coefs_ + model.intercepts_, before):
        np.testing.assert_array_equal(a, b)  # the model is left as it is
    model.partial_fit(X[60:61] / 5, y[60:61])
    for layer, coef, intercept in zip(trace.layers, model.coefs_, model.intercepts_):
        np.testing.assert_allclose(layer.new_coefs, coef, rtol=1e-12)
        np.testing.assert_allclose(layer.new_intercepts, intercept, rtol=1e-10)
        np.testing.assert_allclose(
            layer.net_inputs, layer.inputs @ layer.coefs + layer.intercepts, rtol=1e-12
        )
        if task != "multiclass" or layer is not trace.layers[-1]:
            np.testing.assert_allclose(
                layer.deltas, layer.output_gradients * layer.local_derivatives,
                rtol=1e-8,
            )  # fmt: skip
    assert trace.new_loss < trace.loss


@pytest.mark.parametrize("n_units", [1, 2, 7, 16, 17, 33, 200])
def test_slopes_of_layers_of_any_width(n_units):
    regr = MLPRegressor(hidden_layer_sizes=(n_units,), activation="logistic")
    regr.set_params(max_iter=2, random_state=0).fit(X, Y)
    layer = regr.trace_step(X[0], Y[0]).layers[0]
    expected = layer.outputs * (1 - layer.outputs)
    np.testing.assert_allclose(layer.local_derivatives, expected, rtol=1e-12)


def test_trace_drawing_and_bad_input():
    clf = MLPClassifier((2,), max_iter=2, random_state=0)
    clf.fit(pd.DataFrame(X[:, :2], columns=["length", "width"]), Y)
    trace = clf.trace_step(X[:1, :2], 0)
    texts = [text.get_text() for text in trace.plot().texts]
    assert sum("\nz " in text for text in texts) == 5
    title, *texts = [text for text in texts if "→" in text]
    assert title.startswith(f"loss {trace.loss:.4g} → {trace.new_loss:.4g}, output ")
    assert len(texts) == (2 + 1) * 2 + (2 + 1) * 3  # a row more for the intercepts
    layer = trace.layers[1]
    first = f"{layer.coefs[0, 0]:.4g}\n→ {layer.new_coefs[0, 0]:.4g}"
    last = f"{layer.intercepts[2]:.4g}\n→ {layer.new_intercepts[2]:.4g}"
    assert first in texts and last in texts
    with pytest.raises(ValueError, match="at most 1000 weights"):
        large = clone(CLF).set_params(hidden_layer_sizes=(150,))
        large.fit(X, Y).trace_step(X[0], 0).plot()
    with pytest.raises(ValueError, match="learning_rate must be a finite number > 0"):
        clf.trace_step(X[0, :2], 0, learning_rate=0.0)
    with pytest.raises(ValueError):  # the words are scikit-learn's
        clf.trace_step(X[0], 0)
    with pytest.raises(ValueError, match="not in `self.classes_`"):
        clf.trace_step(X[0, :2], 7)
    with pytest.raises(NotFittedError):
        CLF.trace_step(X[0], 0)
