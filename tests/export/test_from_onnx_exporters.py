"""Models that other frameworks have written as ONNX, and the way back to them."""

import numpy as np
import pytest
from helpers.models import proba_or_values
from helpers.onnx_graphs import run
from sklearn import neural_network
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import (
    MaxAbsScaler,
    MinMaxScaler,
    RobustScaler,
    StandardScaler,
)

import fastmlp
from fastmlp import MLPClassifier

pytest.importorskip("onnx")
pytestmark = [
    pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::FutureWarning"),
]
RNG = np.random.RandomState(0)
X = (RNG.normal(size=(60, 4)) * [1, 10, 100, 0.1] + [0, 3, 200, 0.2]).astype("f4")
Z = (X - X.mean(axis=0)) / X.std(axis=0)
TARGETS = {
    "binary": (Z[:, 0] > 0).astype(int),
    "binary texts": np.where(Z[:, 0] > 0, "yes", "no"),
    "classes": Z.argmax(axis=1) + 3,
    "class texts": np.array(["d", "c", "b", "a"])[Z.argmax(axis=1)],
    "labels": (Z[:, :3] > 0).astype(int),
    "regression": Z[:, 0],
    "outputs": Z[:, :2],
}


def check(got, expected):
    """Compare values, relative to the largest one."""
    expected = np.reshape(expected, got.shape)
    assert np.abs(got - expected).max() <= 1e-6 * np.abs(expected).max()


@pytest.mark.parametrize("opset", [11, None])
@pytest.mark.parametrize(
    "scalers",
    [[], [StandardScaler()], [MinMaxScaler(), RobustScaler()], [MaxAbsScaler()]],
    ids=["alone", "standard", "two", "largest"],
)
@pytest.mark.parametrize("task", TARGETS)
def test_scikit_learn(task, scalers, opset):
    skl2onnx = pytest.importorskip("skl2onnx")
    y = TARGETS[task]
    is_regressor = task in ("regression", "outputs")
    kind = "MLPRegressor" if is_regressor else "MLPClassifier"
    mlp = getattr(neural_network, kind)(max_iter=4, random_state=0)
    mlp.set_params(hidden_layer_sizes=(6, 5), activation="tanh")
    pipeline = make_pipeline(*scalers, mlp).fit(X, y)
    for has_maps in [False] if is_regressor else [True, False]:
        options = {} if has_maps or is_regressor else {"zipmap": False}
        graph = skl2onnx.to_onnx(pipeline, X[:1], target_opset=opset, options=options)
        model = fastmlp.from_onnx(graph)
        if not has_maps:
            check(proba_or_values(model, X), run(graph, X)[-1])
        np.testing.assert_allclose(
            proba_or_values(model, X), proba_or_values(pipeline, X), 1e-3, 1e-5
        )
        if is_regressor:
            continue
        np.testing.assert_array_equal(model.classes_, pipeline.classes_)
        np.testing.assert_array_equal(model.predict(X), pipeline.predict(X))
    theirs = fastmlp.to_sklearn(model)  # and back, of raw features
    check(proba_or_values(theirs, X), proba_or_values(model, X))
    back = fastmlp.from_onnx(skl2onnx.to_onnx(theirs, X[:1].astype(model.dtype)))
    np.testing.assert_array_equal(proba_or_values(back, X), proba_or_values(model, X))


def torch_module(task):
    """A module that nobody wrote for us, in evaluation mode."""
    torch = pytest.importorskip("torch", reason="torch is not installed")
    nn = torch.nn

    class Flat(nn.Module):
        def __init__(self, n_outputs, last):
            super().__init__()
            self.first, self.second = nn.Linear(4, 6), nn.Linear(6, n_outputs)
            self.norm, self.last = nn.BatchNorm1d(6), last
            self.is_flat = isinstance(last, nn.Sigmoid) and n_outputs == 1

        def forward(self, x):
            x = x.view(x.size(0), -1)
            x = nn.functional.gelu(self.norm(self.first((x - 1) / 2)))
            x = self.last(self.second(x))
            return x.squeeze(-1) if self.is_flat else x

    torch.manual_seed(0)
    module = {
        "binary": lambda: Flat(1, nn.Sigmoid()),
        "classes": lambda: Flat(3, nn.Softmax(dim=-1)),
        "two classes": lambda: Flat(2, nn.LogSoftmax(dim=1)),
        "labels": lambda: Flat(3, nn.Sigmoid()),
        "regression": lambda: Flat(1, nn.Identity()),
        "outputs": lambda: Flat(2, nn.Dropout(0.5)),
        "activations": lambda: nn.Sequential(
            *(
                layer
                for activation in (
                    *(nn.ReLU(), nn.Tanh(), nn.Sigmoid(), nn.Softplus(), nn.SELU()),
                    *(nn.LeakyReLU(0.2), nn.ELU(0.5), nn.SiLU(), nn.Mish()),
                    *(nn.Softsign(), nn.Hardsigmoid(), nn.PReLU(init=0.3), nn.GELU()),
                )
                for layer in (nn.Linear(4, 4), activation)
            ),
            nn.Linear(4, 2),
        ),
    }[task]()
    for _ in range(3):
        module(torch.randn(20, 4) + 1)  # for the statistics
    return torch, module.eval()


@pytest.mark.parametrize(
    "exporter, is_dynamic",
    [
        ("script", False),
        ("script", True),
        pytest.param("dynamo", False, marks=pytest.mark.long),
    ],
)
@pytest.mark.parametrize(
    "task",
    [*("binary", "classes", "two classes", "labels", "regression", "outputs"),
     "activations"],
)  # fmt: skip
@pytest.mark.filterwarnings("ignore")
def test_torch(task, exporter, is_dynamic, tmp_path):
    torch, module = torch_module(task)
    if exporter == "dynamo":
        pytest.importorskip("onnxscript", reason="onnxscript is not installed")
    rows = torch.from_numpy(Z.astype("f4"))
    names = {"input_names": ["rows"], "dynamic_axes": {"rows": {0: "n"}}}
    torch.onnx.export(
        module,
        (rows,),
        tmp_path / "m.onnx",
        dynamo=exporter == "dynamo",
        verbose=False,
        **names if is_dynamic else {},
    )
    model = fastmlp.from_onnx(tmp_path / "m.onnx")
    with torch.no_grad():
        expected = module(rows).numpy()
    values = proba_or_values(model, Z.astype("f4"))
    check(
        values[:, 1] if task == "binary" else values,
        np.exp(expected) if task == "two classes" else expected,
    )
    if task == "activations":
        assert [name for name, _ in model._snapshot().activations] == [
            *("relu", "tanh", "logistic", "softplus", "selu", "leaky_relu", "elu"),
            *("silu", "mish", "softsign", "hard_sigmoid", "leaky_relu", "gelu"),
        ]
    back = fastmlp.to_torch(model)
    with torch.no_grad():
        got = back(rows).numpy()
    check(got, values[:, 1] if got.shape[1] < np.ndim(values) else values)


@pytest.mark.filterwarnings("ignore")
def test_torch_modules_that_are_no_mlp(tmp_path):
    torch, _ = torch_module("regression")
    nn = torch.nn
    for layer, match in (
        (nn.ReLU6(), r"\(Clip\) cannot be taken"),
        (nn.Hardtanh(), r"\(Clip\) cannot be taken"),
        (nn.GELU("tanh"), "none of the activations"),
        (nn.LayerNorm(4), r"LayerNormalization"),
        (nn.Unflatten(1, (2, 2)), "cannot be taken"),
    ):
        module = nn.Sequential(nn.Linear(4, 4), layer, nn.Flatten(), nn.Linear(4, 1))
        torch.onnx.export(
            module.eval(), (torch.ones(3, 4),), tmp_path / "m.onnx", dynamo=False
        )
        with pytest.raises(ValueError, match=match):
            fastmlp.from_onnx(tmp_path / "m.onnx")


def test_labels_of_our_pipelines():
    pytest.importorskip("skl2onnx")
    y = TARGETS["class texts"]
    mlp = MLPClassifier((5,), max_iter=3, random_state=0)
    pipeline = make_pipeline(StandardScaler(), mlp).fit(X, y)
    model = fastmlp.from_onnx(fastmlp.to_onnx(pipeline, X=X))
    np.testing.assert_array_equal(model.predict(X), pipeline.predict(X))
    folded = fastmlp.fold_scalers(pipeline)
    np.testing.assert_allclose(
        model.predict_proba(X), folded.predict_proba(X), rtol=1e-3, atol=1e-5
    )
