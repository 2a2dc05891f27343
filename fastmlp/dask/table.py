"""The data of a fit on the cluster: facts, classes, splits and units of training."""

from __future__ import annotations

from hashlib import blake2b

import numpy as np
from sklearn.base import is_classifier
from sklearn.utils.multiclass import unique_labels

from fastmlp._data.scaling import Scaling, statistics
from fastmlp._data.validation import binarizer_of
from fastmlp.dask import shards
from fastmlp.dask.partitions import given, shards_of

# Attributes by which an estimator checks data.
_KNOWN = (
    "n_features_in_", "feature_names_in_", "classes_", "_label_binarizer",
    "_named_activations",
)  # fmt: skip


def prepare(cluster, estimator, data, dtype, exact):
    """Put the shards in the form of the core.

    Sets ``n_features_in_``, ``feature_names_in_`` and the classes of a new model.

    Parameters
    ----------
    cluster : Cluster
    estimator : DaskMLPClassifier or DaskMLPRegressor
    data : tuple
        X, y and sample_weight.
    dtype : dtype or list of dtype
        As ``_training_dtype`` gives it.
    exact : bool
        Whether a warm start needs all classes of the fit before.

    Returns
    -------
    samples : list of Future
    facts : list of Facts
    dtype : dtype
    """
    X, y, sample_weight = data
    if y is None:
        raise ValueError("y must be given.")
    pieces = shards_of(cluster.client, X, y=y, sample_weight=sample_weight)
    scout = scout_of(estimator)
    xs, ys, _ = zip(*pieces)
    dtypes = [dtype] * len(xs)
    shared = cluster.submit(given, scout)
    found = cluster.map(shards.facts_of, [shared] * len(xs), xs, ys, dtypes)
    facts = cluster.result(found, [], "The check of the data")
    check_features(facts)
    first = next(of for of in facts if of.n_rows)
    if not hasattr(scout, "n_features_in_"):
        estimator.n_features_in_ = first.n_features
        if first.names is not None:
            estimator.feature_names_in_ = np.array(first.names, dtype=object)
    if is_classifier(estimator):
        take_classes(estimator, facts, exact)
    dtype = np.result_type(*(of.dtype for of in facts if of.n_rows))
    scout = scout_of(estimator)
    if getattr(scout, "class_weight", None) == "balanced":
        scout.class_weight = balanced(estimator.classes_, facts)
    return _encoded(cluster, scout, pieces, dtype), facts, dtype


def encoded(cluster, estimator, data, dtype):
    """Other data in the form of the core, such as those that judge a fit.

    Raises
    ------
    ValueError
        If they do not suit the estimator.
    """
    X, y, sample_weight = data
    pieces = shards_of(cluster.client, X, y=y, sample_weight=sample_weight)
    scout = scout_of(estimator)
    if hasattr(scout, "class_weight"):
        scout.class_weight = None  # these rows count as they are
    samples = _encoded(cluster, scout, pieces, dtype)
    cluster.result([cluster.submit(is_there, of) for of in samples], samples, "A check")
    return samples


def is_there(samples):
    """Whether a shard has rows."""
    return samples is not None


def _encoded(cluster, scout, pieces, dtype):
    """The samples of each shard."""
    xs, ys, weights = zip(*pieces)
    scouts, dtypes = [cluster.submit(given, scout)] * len(xs), [dtype] * len(xs)
    return cluster.map(shards.prepared, scouts, xs, ys, weights, dtypes)


def scout_of(estimator):
    """A local estimator without weights, that checks data on the workers."""
    scout = estimator._local()
    vars(scout).update({k: v for k, v in vars(estimator).items() if k in _KNOWN})
    return scout


def check_features(facts):
    """Raise ValueError unless all shards have the same columns, and one has rows."""
    filled = [(shard, of) for shard, of in enumerate(facts) if of.n_rows]
    if not filled:
        raise ValueError(
            f"X has no rows: all {len(facts)} partition(s) are empty. Check the filter "
            "or the files that it comes from."
        )
    first, known = filled[0]
    for shard, of in filled:
        if of.n_features != known.n_features:
            raise ValueError(
                f"X has {known.n_features} features in shard {first}, but "
                f"{of.n_features} in shard {shard}. Give all partitions the same "
                "columns."
            )
        if of.names != known.names:
            raise ValueError(
                f"The features of X are {list(known.names or ())!r:.200} in shard "
                f"{first}, but {list(of.names or ())!r:.200} in shard {shard}. Give "
                "all partitions the same columns in the same order."
            )


def take_classes(estimator, facts, exact):
    """Take over the classes of all shards, or check them."""
    filled = [(shard, of) for shard, of in enumerate(facts) if of.n_rows]
    first, known = filled[0]
    is_multilabel = known.y_type.startswith("multilabel")
    for shard, of in filled:
        same = of.y_type.startswith("multilabel") == is_multilabel
        kinds = {of.classes.dtype.kind, known.classes.dtype.kind}
        if not same or ("O" in kinds or "U" in kinds) != (kinds <= {"O", "U"}):
            raise ValueError(
                f"y holds {known.y_type} targets {known.classes!r:.80} in shard "
                f"{first}, but {of.y_type} targets {of.classes!r:.80} in shard "
                f"{shard}. Give all partitions labels of one type."
            )
    if hasattr(estimator, "classes_"):
        found = unique_labels(*(of.classes for _, of in filled))
        if exact and not np.array_equal(found, np.sort(estimator.classes_)):
            raise ValueError(
                "warm_start can only be used where `y` has the same classes as in the "
                f"previous call to fit. Previously got {estimator.classes_}, `y` has "
                f"{found}"
            )
        if not hasattr(estimator, "_label_binarizer"):
            kind = "multiclass" if len(estimator.classes_) > 2 else "binary"
            kind = known.y_type if is_multilabel else kind
            estimator._label_binarizer = binarizer_of(kind, estimator.classes_)
        return
    classes = known.classes
    if not is_multilabel:
        classes = unique_labels(*(of.classes for _, of in filled))
    kind = "multiclass" if len(classes) > 2 else "binary"
    kind = known.y_type if is_multilabel else kind
    estimator.classes_ = classes
    estimator._label_binarizer = binarizer_of(kind, classes)


def balanced(classes, facts):
    """The weights of "balanced" for the labels of all shards."""
    counts = dict.fromkeys(classes.tolist(), 0)
    for of in facts:
        if of.n_rows and of.counts is None:
            raise ValueError(
                "class_weight='balanced' of a multi-label task is not known on Dask: "
                "pass a list with one dict {0: weight, 1: weight} per label."
            )
        if of.n_rows:
            for label, count in zip(of.classes.tolist(), of.counts.tolist()):
                counts[label] += count
    counts = {label: count for label, count in counts.items() if count}
    total = sum(counts.values())
    return {label: total / (len(counts) * count) for label, count in counts.items()}


def width_of_targets(cluster, samples):
    """Columns of the encoded targets, the same for all shards."""
    widths = [cluster.submit(shards.width_of, of) for of in samples]
    widths = cluster.result(widths, [], "The targets")
    return check_widths([width for width in widths if width is not None])


def check_widths(widths):
    """The columns of the targets; ValueError unless all shards have as many."""
    if len(set(widths)) > 1:
        raise ValueError(
            f"y has {widths} columns in the shards with rows. Give all partitions the "
            "same ones."
        )
    return widths[0]


def digest_of(cluster, samples):
    """A hash of all data, and of their partition."""
    found = [cluster.submit(shards.digest_of, of) for of in samples]
    digest = blake2b(digest_size=16)
    for of_shard in cluster.result(found, [], "The fingerprint of the data"):
        digest.update(repr(of_shard).encode())
    return digest.hexdigest()


def split_shards(cluster, samples, targets, fraction, name, generator):
    """Split each shard into a training and a validation part.

    The first shard goes on with the stream of the estimator, whose generator is put
    where that has left it; the others have streams of their own.

    Returns
    -------
    splits : list of Future
    n_train : list of int
    """
    last = (targets, fraction, name, shards.start_of(generator))
    splits = cluster.map(shards.split_of, samples, last=last)
    sizes = [cluster.submit(shards.sizes_of, split) for split in splits]
    sizes = cluster.result(sizes, [], "The split of the data")
    n_train, _, states = zip(*sizes)
    generator.set_state(states[0])
    return splits, list(n_train)


def in_units_of_training(cluster, samples, scaling, loss=None, smoothing=0.0):
    """The shards in the units of training."""
    if scaling is None and not smoothing:
        return samples
    # the network of a scaling stays here
    plain = None if scaling is None else Scaling(None, X=scaling.X, y=scaling.y)
    task = shards.in_units_of_training
    return [cluster.submit(task, of, plain, loss, smoothing) for of in samples]


class Statistics:
    """Mean and scale of the columns over the training rows of all shards.

    It takes the place of ``statistics``, where it needs no values.

    Parameters
    ----------
    cluster : Cluster
    is_sparse : bool
    """

    def __init__(self, cluster, is_sparse):
        self.cluster, self.is_sparse = cluster, is_sparse

    def __call__(self, values, weight, name, fit_intercept):
        """Statistics of X or y; values and weight are not here."""
        cluster = self.cluster
        is_alone = len(cluster.filled) == 1
        last = (name, fit_intercept, is_alone)
        found = cluster.map(
            shards.statistics_of, cluster.samples, cluster.splits, last=last
        )
        found = cluster.result(found, [], f"The statistics of {name}")
        found = [of for of in found if of is not None]
        if is_alone:
            return found[0]
        rows = np.concatenate([rows for rows, _ in found])
        weight = np.repeat([total / 2 for _, total in found], 2)
        centred = fit_intercept and not (name == "X" and self.is_sparse)
        return statistics(rows, weight, name, centred)
