"""The codecs of targets: what they encode they decode."""

import numpy as np
import pytest
from sklearn.metrics import accuracy_score, r2_score

from fastmlp._core.network import Objective
from fastmlp._data.validation import fit_binarizer
from fastmlp._mlp.targets import ClassTargets, NumberTargets

LABELS = {
    "binary": np.array([3, 7, 7, 3]),
    "texts": np.array(["b", "a", "c", "a"]),
    "multilabel": np.array([[0, 1], [1, 1], [0, 0], [1, 0]]),
}


def classes(y):
    binarizer = fit_binarizer(y)
    return ClassTargets(binarizer.classes_, binarizer)


@pytest.mark.parametrize("name", LABELS)
def test_labels(name):
    y = LABELS[name]
    targets = classes(y)
    encoded = targets.encode(y, np.float32)
    assert encoded.dtype == np.float32
    assert encoded.ndim == 2
    np.testing.assert_array_equal(targets.decode(encoded), y)
    n_outputs = {"binary": 1, "texts": 3, "multilabel": 2}[name]
    assert targets.n_outputs(encoded) == n_outputs
    assert (targets.stratify(encoded) is None) == (n_outputs > 1)
    outputs = encoded if n_outputs < 3 else np.eye(3)[encoded[:, 0].astype(int)]
    outputs = np.ascontiguousarray(outputs, dtype=np.float64)
    assert targets.score(encoded, outputs, None) == accuracy_score(y, y) == 1
    plain = targets.encode_plain(y, np.float32)
    assert (plain is None) == (name != "binary")
    if plain is not None:
        np.testing.assert_array_equal(plain, encoded)
        assert targets.encode_plain(y + 1, np.float32) is None


def test_labels_of_the_wrong_kind():
    with pytest.raises(ValueError, match="a vector of labels for any other"):
        classes(LABELS["binary"]).encode(LABELS["multilabel"], float)


@pytest.mark.parametrize("n_targets", [1, 2])
def test_numbers(n_targets):
    y = np.random.RandomState(0).randn(6, n_targets)
    y = y[:, 0] if n_targets == 1 else y
    targets = NumberTargets(Objective("squared_error"))
    encoded = targets.encode(y, np.float64)
    np.testing.assert_array_equal(targets.decode(encoded), y)
    np.testing.assert_array_equal(targets.encode_plain(y, np.float64), encoded)
    assert targets.encode_plain(y, np.float32) is None
    assert targets.encode_plain(y + np.nan, np.float64) is None
    assert targets.n_outputs(encoded) == n_targets
    assert targets.stratify(encoded) is None
    assert targets.score(encoded, encoded + 0.1, None) == r2_score(y, y + 0.1)


def test_several_outputs_for_each_target():
    y = np.ones((4, 2))
    levels = Objective("quantile", levels=(0.1, 0.5, 0.9))
    assert NumberTargets(levels).n_outputs(y) == 6
    assert NumberTargets(Objective("gaussian_nll")).n_outputs(y) == 4


def test_a_range_of_targets():
    targets = NumberTargets(Objective("poisson"))
    with pytest.raises(ValueError, match="needs y >= 0"):
        targets.encode(np.array([-1.0]), float)
    assert targets.encode_plain(np.array([1.0]), np.dtype(float)) is None
    anything = NumberTargets(Objective("squared_error", "exp"), may_be_anything=True)
    assert anything.encode(np.array([-1.0]), float) == -1.0
