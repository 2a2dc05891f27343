"""Additions of the estimators to scikit-learn's, and deliberate differences."""

import inspect
import warnings

import numpy as np
import pytest
import sklearn.neural_network as upstream
from scipy import sparse
from sklearn.datasets import load_digits, load_iris, make_multilabel_classification
from sklearn.exceptions import ConvergenceWarning, DataConversionWarning
from sklearn.preprocessing import LabelBinarizer

import fastmlp
from fastmlp import MLPClassifier, MLPRegressor
from fastmlp._data.validation import fit_binarizer

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

X_IRIS, Y_IRIS = load_iris(return_X_y=True)
BOTH = [
    "dtype",
    "fit_intercept",
    "weight_init",
    "n_threads",
    "validation_split",
    "scoring",
    "target_score",
    "max_time",
    "on_divergence",
    "standardize_X",
    "random_stream",
]
OF_LOSSES = [
    "huber_delta",
    "quantile",
    "monotone_quantiles",
    "tweedie_power",
    "output_activation",
]
OF_REGULARISATION = [
    "dropout",
    "input_noise",
    "weight_decay",
    "l1",
    "max_weight_norm",
    "max_grad_norm",
    "label_smoothing",
    "learning_rate_factors",
    "weight_averaging",
]
OF_FOCAL = ["loss", "focal_gamma"]
ADDED = {
    "MLPClassifier": [
        *[*BOTH[:4], "class_weight", *BOTH[4:]],
        *[*OF_FOCAL, *OF_REGULARISATION],
    ],
    "MLPRegressor": [
        *[*BOTH[:-1], "standardize_y", BOTH[-1]],
        *[*OF_LOSSES, *OF_REGULARISATION],
    ],
}


@pytest.fixture
def regression():
    rng = np.random.RandomState(0)
    X = rng.randn(150, 4)
    return X, np.c_[X @ [1, 2, 3, 4], np.sin(X[:, 0]), X[:, 1] ** 2]


@pytest.mark.parametrize("name", ["MLPClassifier", "MLPRegressor"])
def test_signature_is_scikit_learns_and_additions_are_keyword_only(name):
    ours = inspect.signature(getattr(fastmlp, name)).parameters
    theirs = inspect.signature(getattr(upstream, name)).parameters
    if "loss" not in inspect.signature(upstream.MLPRegressor).parameters:
        pytest.skip("this scikit-learn has another signature")
    assert list(ours) == list(theirs) + ADDED[name]
    for parameter in theirs:
        assert ours[parameter].default == theirs[parameter].default
        assert ours[parameter].kind == theirs[parameter].kind
    assert all(ours[p].kind == inspect.Parameter.KEYWORD_ONLY for p in ADDED[name])


@pytest.mark.parametrize("name", ["MLPClassifier", "MLPRegressor"])
def test_public_surface_holds_scikit_learns(name):
    theirs, ours = getattr(upstream, name), getattr(fastmlp, name)
    missing = {a for a in dir(theirs) if not a.startswith("_")} - set(dir(ours))
    assert not missing
    fitted = [
        {a for a in vars(cls(max_iter=2).fit(X_IRIS, Y_IRIS)) if not a.startswith("_")}
        for cls in (theirs, ours)
    ]
    assert fitted[1] == fitted[0] | {*ADDED[name], "stop_reason_"}
    model = ours(max_iter=2, early_stopping=True).fit(X_IRIS, Y_IRIS)
    for a in ("_optimizer", "_random_state", "_no_improvement_count", "_best_coefs"):
        assert hasattr(model, a)
    assert hasattr(model, "_best_intercepts") and hasattr(model, "_loss_grad_lbfgs")
    for c, best in zip(model.coefs_, model._best_coefs):
        np.testing.assert_array_equal(c, best)


def test_partial_fit_is_hidden_for_lbfgs():  # W4: for the regressor as well
    for cls in (MLPClassifier, MLPRegressor):
        assert not hasattr(cls(solver="lbfgs"), "partial_fit")
        assert hasattr(cls(solver="sgd"), "partial_fit")


def test_lbfgs_with_many_outputs_minimises_the_printed_loss(regression):  # W2
    X, y = regression
    params = {"hidden_layer_sizes": (), "solver": "lbfgs", "alpha": 20.0, "tol": 1e-10}
    ours = MLPRegressor(**params).fit(X, y)
    _, coef_grads, intercept_grads = ours.loss_gradient(X, y)
    assert max(np.abs(g).max() for g in coef_grads + intercept_grads) < 1e-4
    theirs = upstream.MLPRegressor(**params).fit(X, y)
    ours.coefs_, ours.intercepts_ = theirs.coefs_, theirs.intercepts_
    grads = ours.loss_gradient(X, y)[1]
    assert np.abs(grads[0]).max() > 1e-2  # scikit-learn stops somewhere else


def test_warm_start_begins_a_new_count(regression):  # W1
    X, y = regression
    model = MLPRegressor(
        warm_start=True, max_iter=300, learning_rate_init=0.01, random_state=0
    ).fit(X, y[:, 0])
    epochs = len(model.loss_curve_)
    model.fit(X, -50 * y[:, 0])
    assert model.n_iter_ > 50
    assert len(model.loss_curve_) == epochs + model.n_iter_
    assert model.t_ == len(X) * len(model.loss_curve_)
    assert model.score(X, -50 * y[:, 0]) > 0.9


def test_log_proba_does_not_underflow():  # W15
    with warnings.catch_warnings():
        warnings.simplefilter("error", RuntimeWarning)
        for y in (Y_IRIS, Y_IRIS > 0, np.eye(3, dtype=int)[Y_IRIS]):
            clf = MLPClassifier((), random_state=0).fit(X_IRIS, y)
            far = 1e4 * X_IRIS
            log_proba = clf.predict_log_proba(far)
            assert np.isfinite(log_proba).all() and log_proba.min() < -1e4
            proba = clf.predict_proba(X_IRIS)
            np.testing.assert_array_equal(clf.predict_log_proba(X_IRIS), np.log(proba))


def test_single_class():  # W16
    clf = MLPClassifier(max_iter=3).fit(X_IRIS, np.full(150, "only"))
    assert clf.classes_.tolist() == ["only"]
    assert (clf.predict_proba(X_IRIS) == np.ones((150, 1))).all()
    assert (clf.predict_log_proba(X_IRIS) == np.zeros((150, 1))).all()
    assert set(clf.predict(X_IRIS)) == {"only"}


def test_batches_of_zero_weight_are_skipped():  # W9
    X, y, w = X_IRIS[:100], Y_IRIS[:100], np.ones(100)
    w[20:40] = 0
    params = {"shuffle": False, "batch_size": 20, "random_state": 0, "max_iter": 5}
    model = MLPClassifier(**params).fit(X, y, sample_weight=w)
    assert model._optimizer.t == 5 * 4
    without = MLPClassifier(**params).fit(X[w > 0], y[w > 0])
    np.testing.assert_array_equal(model.loss_curve_, without.loss_curve_)
    for a, b in zip(model.coefs_, without.coefs_):
        np.testing.assert_array_equal(a, b)


def test_a_weight_counts_as_so_many_rows():
    w = np.random.RandomState(0).randint(0, 4, 150)
    rows = np.repeat(np.arange(150), w)
    for solver in ("sgd", "adam", "lbfgs"):
        params = {"solver": solver, "batch_size": 1000, "random_state": 0}
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            a = MLPClassifier(max_iter=10, **params).fit(X_IRIS, Y_IRIS, w)
            b = MLPClassifier(max_iter=10, **params).fit(X_IRIS[rows], Y_IRIS[rows])
        np.testing.assert_allclose(
            a.predict_proba(X_IRIS), b.predict_proba(X_IRIS), rtol=1e-7
        )


def test_regressor_hides_nothing_of_its_outputs(regression):
    X, y = regression
    model = MLPRegressor(max_iter=3).fit(X, y)
    assert model.predict(X).shape == y.shape and model.n_outputs_ == 3
    assert model.__sklearn_tags__().target_tags.multi_output
    with pytest.warns(DataConversionWarning):
        model = MLPRegressor(max_iter=3).fit(X, y[:, :1])
    assert model.predict(X).shape == (len(X),)


@pytest.mark.parametrize("kind", ["int64", "csc", "csr", "matrix", "unsorted"])
def test_sparse_layouts_give_the_dense_model(kind):
    X, y = load_digits(n_class=4, return_X_y=True)
    X /= 16
    dense = MLPClassifier(20, max_iter=8, random_state=0).fit(X, y)
    S = sparse.csc_array(X) if kind == "csc" else sparse.csr_array(X)
    if kind == "matrix":
        S = sparse.csr_matrix(X)
    if kind == "int64":
        S.indices, S.indptr = S.indices.astype(np.int64), S.indptr.astype(np.int64)
    if kind == "unsorted":
        for i in range(S.shape[0]):
            row = slice(S.indptr[i], S.indptr[i + 1])
            S.indices[row], S.data[row] = S.indices[row][::-1], S.data[row][::-1]
        S.has_sorted_indices = False
    model = MLPClassifier(20, max_iter=8, random_state=0).fit(S, y)
    np.testing.assert_allclose(model.loss_curve_, dense.loss_curve_, rtol=1e-9)
    np.testing.assert_allclose(
        model.predict_proba(S), dense.predict_proba(X), rtol=1e-6
    )


def test_wide_sparse_data_is_never_made_dense():
    rng = np.random.RandomState(0)
    indices = rng.randint(0, 2_000_000, 20_000)
    X = sparse.csr_array((rng.rand(20_000), indices, np.arange(0, 20_001, 10)))
    X.resize(2000, 2_000_000)
    y = np.asarray(X[:, :1000].sum(axis=1)).ravel() > 0
    # dense it would take 32 GB, a dense batch 3.2 GB; the model takes 96 MB
    import tracemalloc

    tracemalloc.start()
    clf = MLPClassifier((2,), max_iter=1, random_state=0).fit(X, y)
    clf.predict(X)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 400e6


def test_partial_fit_may_see_the_classes_later():
    clf = MLPClassifier(random_state=0)
    clf.partial_fit([[1.0], [2.0]], ["a", "c"], classes=["c", "b", "a"])
    clf.partial_fit([[3.0]], ["b"])
    assert clf.classes_.tolist() == ["a", "b", "c"]
    assert clf.predict_proba([[1.0]]).shape == (1, 3)
    X, y = make_multilabel_classification(n_samples=40, n_classes=3, random_state=0)
    clf = MLPClassifier().partial_fit(X, y, classes=[0, 1, 2])
    clf.partial_fit(X[:3], y[:3])
    assert clf.predict(X).shape == (40, 3) and clf.predict(X).dtype.kind == "i"


def test_verbose_prints_scikit_learns_lines(capsys):
    printed = []
    for module in (upstream, fastmlp):
        for params in (
            {"early_stopping": True, "n_iter_no_change": 1},
            {"tol": 10.0, "n_iter_no_change": 1},
            {"solver": "sgd", "learning_rate": "adaptive", "tol": 10.0},
        ):
            model = module.MLPClassifier(
                5, verbose=True, random_state=0, max_iter=40, **params
            )
            model.fit(X_IRIS, Y_IRIS)
        printed.append(capsys.readouterr().out)
    assert printed[0] == printed[1] and "Stopping." in printed[1]
    MLPClassifier(5, solver="lbfgs", max_iter=3, verbose=True).fit(X_IRIS, Y_IRIS)
    assert capsys.readouterr().out.startswith("Iteration 1, loss = ")


def test_convergence_is_reported():
    for solver, word in (("adam", "Maximum iterations"), ("lbfgs", "max_iter")):
        with pytest.warns(ConvergenceWarning, match=word):
            MLPClassifier(solver=solver, max_iter=2).fit(X_IRIS, Y_IRIS)


def test_show_versions(capsys):
    fastmlp.show_versions()
    out = capsys.readouterr().out
    assert fastmlp.__version__ in out and "instruction set" in out


def test_another_solver_starts_anew():
    X, y = X_IRIS, Y_IRIS
    params = {"random_state": 0, "hidden_layer_sizes": 5}
    model = MLPClassifier(solver="adam", **params).partial_fit(X, y, classes=[0, 1, 2])
    fresh = MLPClassifier(solver="sgd", warm_start=True, max_iter=1, **params)
    fresh.coefs_ = [w.copy() for w in model.coefs_]
    fresh.intercepts_ = [b.copy() for b in model.intercepts_]
    fresh.classes_, fresh.n_features_in_ = model.classes_, 4
    model.set_params(solver="sgd").partial_fit(X, y)
    fresh.partial_fit(X, y)
    np.testing.assert_array_equal(model.coefs_[0], fresh.coefs_[0])
    assert fresh.out_activation_ == "softmax" and fresh.n_layers_ == 3


def test_early_stopping_outlives_a_divergence():
    X = np.random.RandomState(0).randn(100, 4) * 3
    y = 2 * X[:, 0] / 3 + 1
    models = [
        module.MLPRegressor(
            solver="sgd",
            activation="identity",
            learning_rate_init=0.03,  # the first epoch has a score, the others do not
            early_stopping=True,
            batch_size=10,
            max_iter=30,
            n_iter_no_change=50,
            random_state=0,
        )
        for module in (upstream, fastmlp)
    ]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        theirs, ours = (model.fit(X, y) for model in models)
    assert theirs.n_iter_ == 30 and ours.n_iter_ == 2
    np.testing.assert_allclose(
        ours.validation_scores_, theirs.validation_scores_[:2], rtol=1e-9
    )
    np.testing.assert_allclose(ours.coefs_[0], theirs.coefs_[0])
    # where no epoch has a score, the initial weights are no model
    with (
        pytest.warns(ConvergenceWarning, match="diverged in epoch 1"),
        pytest.raises(ValueError, match="non-finite parameter weights"),
    ):
        ours.set_params(learning_rate_init=0.5).fit(X, y)


def test_an_interrupt_before_the_first_step_keeps_the_optimizer():
    class Interrupting(np.random.RandomState):
        def shuffle(self, x):
            raise KeyboardInterrupt

    model = MLPClassifier(random_state=0).partial_fit(X_IRIS, Y_IRIS, classes=[0, 1, 2])
    before = vars(model._optimizer).copy()
    with pytest.warns(UserWarning, match="interrupted"):
        model.set_params(random_state=Interrupting(0)).partial_fit(X_IRIS, Y_IRIS)
    assert model._optimizer.t == before["t"] == 1
    assert model._optimizer.learning_rate_init == before["learning_rate_init"]
    for a, b in zip(model._optimizer.moments, before["moments"]):
        np.testing.assert_array_equal(a, b)


def test_sparse_labels():
    X, y = make_multilabel_classification(n_samples=40, n_classes=3, random_state=0)
    for module in (upstream, fastmlp):
        model = module.MLPClassifier(max_iter=3, random_state=0)
        predicted = model.fit(X, sparse.csr_matrix(y)).predict(X)
        assert sparse.issparse(predicted) and predicted.shape == y.shape


def test_labels_of_any_order_and_kind():
    names = np.array(["zebra", "ant", "cow"])
    plain = MLPClassifier(max_iter=3, random_state=0).fit(X_IRIS, Y_IRIS)
    for classes in ([0, 1, 2], names):
        model = MLPClassifier(max_iter=3, random_state=0).fit(X_IRIS, Y_IRIS)
        model.classes_ = np.array(classes)
        model.partial_fit(X_IRIS, model.classes_[Y_IRIS])
        expected = plain.predict_proba(X_IRIS)
        if model.classes_[0] == 0:
            plain.partial_fit(X_IRIS, Y_IRIS)
            expected = plain.predict_proba(X_IRIS)
        np.testing.assert_array_equal(model.predict_proba(X_IRIS), expected)
    mask = 255 * np.eye(3, dtype=int)[Y_IRIS]
    theirs, ours = (
        module.MLPClassifier(max_iter=20, random_state=0).fit(X_IRIS, mask)
        for module in (upstream, fastmlp)
    )
    np.testing.assert_allclose(ours.loss_curve_, theirs.loss_curve_)


def test_validation_fraction_of_any_float():
    a, b = (
        MLPClassifier(
            early_stopping=True,
            max_iter=3,
            random_state=0,
            validation_fraction=kind(0.25),
        ).fit(X_IRIS, Y_IRIS)
        for kind in (float, np.float32)
    )
    np.testing.assert_array_equal(a.coefs_[0], b.coefs_[0])


@pytest.mark.parametrize(
    "y", [[1, 2, 3] * 9, [5, 3] * 9, [7] * 9, range(9), [-1, 2**40]]
)
@pytest.mark.parametrize("dtype", [np.int64, np.uint16, np.float64, str])
def test_the_short_way_to_a_binarizer_leads_to_scikit_learns(y, dtype):
    y = np.array(y).astype(dtype)
    ours, theirs = vars(fit_binarizer(y)), vars(LabelBinarizer().fit(y))
    classes, expected = ours.pop("classes_"), theirs.pop("classes_")
    assert ours == theirs
    assert classes.dtype == expected.dtype
    np.testing.assert_array_equal(classes, expected)
