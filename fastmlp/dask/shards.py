"""The data of a shard: facts, the form of the core, splits and statistics.

Dask may run a lost task again anywhere, so no function changes its arguments.
"""

from __future__ import annotations

import copy
from contextlib import contextmanager
from typing import Any, NamedTuple

import numpy as np
from scipy.sparse import issparse, vstack
from sklearn.base import is_classifier
from sklearn.utils import check_random_state

from fastmlp._data.scaling import statistics
from fastmlp._data.split import Samples, fraction_split
from fastmlp._data.validation import as_array, fit_binarizer
from fastmlp._mlp.input_checks import check_fit_data
from fastmlp._training.checkpoint.file import fingerprint
from fastmlp._training.regularization import smoothed


class Facts(NamedTuple):
    """The facts of a shard that the client knows before it is prepared.

    Attributes
    ----------
    n_rows, n_features : int
    names : tuple of str or None
        Of the features.
    dtype : dtype
    classes, counts : ndarray or None
        The labels, and how often each one is there.
    y_type : str or None
    is_sparse : bool
    moments : ndarray of shape (3, n_targets) or None
        Mean, variance and largest magnitude of targets of a table that are numbers.
    """

    n_rows: int
    n_features: int
    names: tuple | None = None
    dtype: Any = None
    classes: Any = None
    counts: Any = None
    y_type: str | None = None
    is_sparse: bool = False
    moments: Any = None


class ShardSplit(NamedTuple):
    """The parts of a shard, None where it has none, and its generator.

    Attributes
    ----------
    train, held_out : ndarray of intp or None
    state : tuple
        Of the generator, after the split.
    """

    train: np.ndarray | None
    held_out: np.ndarray | None
    state: tuple | None

    @property
    def orders(self):
        """The rows of each network that trains on them, before any epoch."""
        return None if self.train is None else [self.train]


@contextmanager
def at(shard, round_number=None):
    """Name shard and round in an error."""
    try:
        yield
    except Exception as error:
        where = f"shard {shard}"
        if round_number is not None:
            where += f" in round {round_number}"
        error.add_note(f"This happened on {where} of the fit.")
        raise


def n_rows_of(X):
    """The rows of a piece."""
    return X.shape[0] if hasattr(X, "shape") else len(X)


def facts_of(scout, X, y, dtype, shard):
    """The facts of a shard; scout: an estimator without weights."""
    n_rows = n_rows_of(X)
    if n_rows == 0:
        return Facts(0, X.shape[1] if getattr(X, "ndim", 0) == 2 else 0)
    with at(shard):
        scout = copy.copy(scout)
        is_new = not hasattr(scout, "n_features_in_")
        labels = is_classifier(scout)
        X, y = check_fit_data(scout, X, y, is_new, dtype, not labels)
        names = getattr(scout, "feature_names_in_", None)
        facts = Facts(
            n_rows,
            X.shape[1],
            None if names is None else tuple(names),
            X.dtype,
            is_sparse=issparse(X),
        )
        return with_labels(facts, y) if labels else facts


def with_labels(facts, y):
    """Facts with those of the labels."""
    binarizer, counts = fit_binarizer(y), None
    if not binarizer.y_type_.startswith("multilabel"):
        counts = np.unique(y, return_counts=True)[1]
    return facts._replace(
        classes=binarizer.classes_, counts=counts, y_type=binarizer.y_type_
    )


def prepared(scout, X, y, sample_weight, dtype, shard):
    """The samples of a shard in the form of the core, or None without rows."""
    if n_rows_of(X) == 0:
        return None
    with at(shard):
        scout = copy.copy(scout)
        X, y = scout._validate_input(X, y, True, False, dtype, exact=False)
        weight = sample_weight
        return Samples(X, y, scout._row_weights(y, weight, X.dtype))


def width_of(samples):
    """The columns of the encoded targets of a shard."""
    return None if samples is None else samples.y.shape[1]


def digest_of(samples):
    """A hash of a shard."""
    return None if samples is None else fingerprint(*samples)


def generator_of(start, shard):
    """The generator of a shard: the first one goes on with that of the estimator."""
    state, seed = start
    if shard == 0:
        generator = np.random.RandomState()
        generator.set_state(state)
        return generator
    sequence = np.random.SeedSequence([seed, shard])
    return check_random_state(np.random.RandomState(np.random.MT19937(sequence)))


def start_of(generator):
    """The beginning of the generators of all shards, which leaves this one in place."""
    state, apart = generator.get_state(), np.random.RandomState()
    apart.set_state(state)
    return state, int(apart.randint(0, 2**32, dtype=np.uint64))


def split_of(samples, targets, fraction, name, start, shard):
    """The training rows and the held-out ones, and the state of the generator."""
    generator = generator_of(start, shard)
    if samples is None:
        return ShardSplit(None, None, generator.get_state())
    if fraction is None:
        rows = np.arange(len(samples.y), dtype=np.intp)
        return ShardSplit(rows, None, generator.get_state())
    with at(shard):
        labels = targets.stratify(samples.y)
        split = fraction_split(len(samples.y), name, fraction, labels, generator)
        split.check(samples.weight)
        return ShardSplit(*split, generator.get_state())


def sizes_of(split):
    """How many rows train and judge, and the state of the generator."""
    sizes = [0 if rows is None else len(rows) for rows in (split.train, split.held_out)]
    return (*sizes, split.state)


def held_out_of(samples, split, with_features):
    """The held-out rows of a shard, without features unless these are asked for."""
    if samples is None:
        return None
    rows = split.held_out
    X = as_array(samples.X[rows]) if with_features else None
    weight = None if samples.weight is None else samples.weight[rows]
    return Samples(X, samples.y[rows], weight)


def joined(pieces):
    """Samples one after the other."""
    pieces = [piece for piece in pieces if piece is not None]
    X = [piece.X for piece in pieces]
    if X[0] is None:
        X = None
    else:
        X = vstack(X, format="csr") if issparse(X[0]) else np.concatenate(X)
    weight = None
    if any(piece.weight is not None for piece in pieces):
        weight = np.concatenate([piece.weight for piece in pieces])
    return Samples(X, np.concatenate([piece.y for piece in pieces]), weight)


def statistics_of(samples, split, name, fit_intercept, is_alone, shard):
    """Mean and scale of the columns of X or y over the training rows.

    Where the shard is not alone: two rows with their mean and variance, and the weight;
    None where no row counts.
    """
    if samples is None:
        return None
    with at(shard):
        part, caught = samples.part(split.train), []
        if not is_alone and part.weight is not None and not part.weight.any():
            return None  # no row counts here

        def gather(mine):
            caught.append(mine)
            return caught

        values = as_array(part.X) if name == "X" else part.y
        gather = None if is_alone else gather
        found = statistics(values, part.weight, name, fit_intercept, gather)
        return found if is_alone else caught[0]


def in_units_of_training(samples, scaling, loss, smoothing):
    """A shard as training sees it."""
    if samples is None:
        return None
    if scaling is not None:
        samples = scaling.samples(samples)
    return samples._replace(y=smoothed(samples.y, loss, smoothing))


def magnitudes_of(samples):
    """The largest magnitudes of X and y."""
    if samples is None:
        return 0.0, 0.0
    X = samples.X.data if issparse(samples.X) else as_array(samples.X)
    return tuple(float(np.nanmax(np.abs(of), initial=0)) for of in (X, samples.y))


def all_held_out(samples):
    """A split without training rows."""
    if samples is None:
        return ShardSplit(None, None, None)
    return ShardSplit(None, np.arange(len(samples.y), dtype=np.intp), None)
