"""Modules of PyTorch: what from_torch takes from them, and what it refuses."""

import numpy as np
import pytest
from helpers.models import N_FEATURES, data
from sklearn.metrics import get_scorer

import fastmlp

torch = pytest.importorskip("torch", reason="torch is not installed")
nn = torch.nn
pytestmark = [
    pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning"),
    pytest.mark.filterwarnings("ignore:Stochastic Optimizer"),
]


@pytest.mark.parametrize("hidden", [(), (5,)])
@pytest.mark.parametrize("n_classes", [2, 3])
def test_from_torch_sorts_the_classes(hidden, n_classes):
    torch.manual_seed(0)
    X, _ = data("multiclass", 80, "float32")
    classes = ["dog", "cat", "ant"][:n_classes]
    layers, width = [], N_FEATURES
    for units in hidden:
        layers += [nn.Linear(width, units), nn.ReLU()]
        width = units
    modules = [nn.Sequential(*layers, nn.Linear(width, n_classes), nn.Softmax(dim=-1))]
    if n_classes == 2:
        modules.append(nn.Sequential(*layers, nn.Linear(width, 1), nn.Sigmoid()))
    for module in modules:
        with torch.no_grad():
            p = module(torch.from_numpy(X)).numpy()
        p = np.hstack([1 - p, p]) if p.shape[1] == 1 else p
        expected = np.array(classes)[p.argmax(axis=1)]
        assert len(np.unique(expected)) > 1
        model = fastmlp.from_torch(module, classes=classes)
        assert model.classes_.tolist() == sorted(classes)
        order = np.argsort(classes)
        np.testing.assert_allclose(model.predict_proba(X), p[:, order], 1e-4, 1e-6)
        # what scikit-learn judges by: the columns belong to the sorted labels
        y = expected.copy()
        y[:3] = classes[:2] + classes[-1:]
        score = get_scorer("neg_log_loss")(model, X, y)
        own = np.log(p[np.arange(len(y)), [classes.index(label) for label in y]])
        np.testing.assert_allclose(score, own.mean(), rtol=1e-4)
        for other in (fastmlp.to_sklearn(model), model.compile()):
            np.testing.assert_array_equal(other.predict(X), expected)
        np.testing.assert_array_equal(model.predict(X), expected)


def torch_values(module, X):
    """Outputs of a module for rows, in one dimension."""
    with torch.no_grad():
        return module.eval()(torch.from_numpy(X)).numpy()[:, 0]


def test_from_torch_of_options():
    torch.manual_seed(0)
    X = 10 * np.random.RandomState(0).normal(size=(30, 3))
    for layer in (
        nn.LeakyReLU(0.3),
        nn.LeakyReLU(),
        nn.ELU(0.5),
        nn.ELU(),
        nn.GELU(),
        nn.Softplus(),
        nn.Softplus(threshold=30.0),
        nn.SELU(inplace=True),
        nn.Identity(),
    ):
        module = nn.Sequential(nn.Linear(3, 4), layer, nn.Linear(4, 1, bias=False))
        model = fastmlp.from_torch(module)
        expected = torch_values(module, X.astype("f4"))
        np.testing.assert_allclose(model.predict(X), expected, rtol=1e-4, atol=1e-5)
        assert model.fit_intercept and model.dropout == 0
        module = module.double()
        double = fastmlp.from_torch(module)
        assert double.coefs_[0].dtype == np.float64
        # torch's Softplus is the line itself from 20 on, which is 2e-9 from ours
        expected = torch_values(module, X)
        np.testing.assert_allclose(double.predict(X), expected, rtol=1e-10, atol=4e-9)


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_from_torch_of_half_precision(dtype):
    module = nn.Sequential(nn.Linear(3, 1)).to(getattr(torch, dtype))
    model = fastmlp.from_torch(module)
    assert model.coefs_[0].dtype == np.float32
    weight = module[0].weight.detach().float().numpy()
    np.testing.assert_array_equal(model.coefs_[0], weight.T)


def test_from_torch_takes_what_later_training_needs():
    module = nn.Sequential(
        nn.Dropout(0.1),
        nn.Linear(3, 4, bias=False),
        nn.ReLU(),
        nn.Dropout(0.5),
        nn.Dropout(0.5),
        nn.Linear(4, 4, bias=False),
        nn.ReLU(),
        nn.Linear(4, 1, bias=False),
        nn.Dropout(0.2),
    )
    model = fastmlp.from_torch(module, max_iter=2)
    assert model.dropout == [0.1, 0.75, 0.0] and model.fit_intercept is False
    X = np.random.RandomState(0).normal(size=(30, 3)).astype("f4")
    expected = torch_values(module, X)
    np.testing.assert_allclose(model.predict(X), expected, rtol=1e-5, atol=1e-6)
    model.partial_fit(X, X[:, 0])
    assert not any(b.any() for b in model.intercepts_)
    assert fastmlp.from_torch(module, dropout=0.0).dropout == 0


def test_from_torch_takes_a_layer_that_occurs_again():
    activation, hidden = nn.ReLU(), nn.Linear(5, 5)
    middle = nn.Sequential(hidden, activation)
    module = nn.Sequential(
        nn.Linear(3, 5), activation, middle, middle, hidden, nn.Tanh(), nn.Linear(5, 1)
    ).double()
    model = fastmlp.from_torch(module)
    assert model.activation == ["relu", "relu", "relu", "tanh"]
    x = np.random.RandomState(0).normal(size=(20, 3))
    expected = module(torch.tensor(x)).detach().numpy()[:, 0]
    np.testing.assert_allclose(model.predict(x), expected, rtol=1e-12)
    model.coefs_[1][:] = 0  # the copies are apart
    assert model.coefs_[2].any()


def test_from_torch_refuses_hooks():
    for place in range(3):
        layers = [nn.Linear(3, 2), nn.ReLU(), nn.Linear(2, 1)]
        module = nn.Sequential(*layers)
        target = [layers[0], layers[1], module][place]
        handle = target.register_forward_hook(lambda layer, x, y: 2 * y)
        with pytest.raises(TypeError, match="has forward hooks.*remove"):
            fastmlp.from_torch(module)
        handle.remove()
        assert fastmlp.from_torch(module).n_layers_ == 3


def test_from_torch_refuses_what_only_looks_like_a_layer():
    from torch.nn.utils import prune

    class Linear(nn.Linear):
        def forward(self, x):
            return 2 * super().forward(x)

    class Exp(nn.Module):
        def forward(self, x):
            return torch.exp2(x)

    with pytest.raises(TypeError, match=r"a layer is a Linear \(.*Linear\)"):
        fastmlp.from_torch(nn.Sequential(Linear(3, 1)))

    class Sequential(nn.Sequential):
        def forward(self, x):
            return 2 * super().forward(x)

    with pytest.raises(TypeError, match="a layer is a Sequential"):
        fastmlp.from_torch(Sequential(nn.Linear(3, 1)))
    with pytest.raises(TypeError, match="a layer is a Exp"):
        fastmlp.from_torch(nn.Sequential(nn.Linear(3, 1), Exp()))
    with pytest.raises(TypeError, match="must be real floats, got torch.complex64"):
        fastmlp.from_torch(nn.Linear(3, 1, dtype=torch.complex64))
    pruned = nn.Linear(3, 1)
    prune.l1_unstructured(pruned, "weight", 1)
    with pytest.raises(TypeError, match=r"\['weight_orig'\].*prune.remove"):
        fastmlp.from_torch(pruned)
    prune.remove(pruned, "weight")
    assert (fastmlp.from_torch(pruned).coefs_[0] == 0).sum() == 1
    for name, value in {"activation": "relu", "hidden_layer_sizes": (3,)}.items():
        with pytest.raises(TypeError, match=f"{name} is what the module says"):
            fastmlp.from_torch(nn.Linear(3, 1), **{name: value})


def test_to_torch_of_one_class():
    model = fastmlp.MLPClassifier((), max_iter=1).fit([[0.0], [1.0]], ["a", "a"])
    with pytest.raises(ValueError, match="knows a single class"):
        fastmlp.to_torch(model)
