"""The report of the command line on its fits: scores, times, and how far they agree."""

from __future__ import annotations

import numpy as np
from sklearn.metrics import (
    log_loss,
    mean_absolute_error,
    r2_score,
    roc_auc_score,
    root_mean_squared_error,
)

from fastmlp._cli.table import MAX_SHOWN
from fastmlp._cli.targets import REGRESSION


def scores_of(model, X, y, task, names):
    """Scores of a model for its task, over some rows.

    Parameters
    ----------
    model : estimator
        Fitted.
    X : array-like of shape (n_samples, n_features)
    y : ndarray of shape (n_samples,) or (n_samples, n_targets)
    task : str
        As in ``Problem``.
    names : list of str
        Of the targets.

    Returns
    -------
    scores : dict of float
        The first one is ``model.score``. The log loss is infinite if a class occurs
        that the model does not know, the AUC NaN if only one class occurs; that of
        many classes is the mean over each class against the rest.
    """
    if task in REGRESSION:
        return _errors(model.predict(X), y, names)
    proba = _probabilities(model, X)
    if task.startswith("multi-label"):
        losses = [log_loss(t, p, labels=[0, 1]) for t, p in zip(y.T, proba.T)]
        labels, loss = y, np.mean(losses)
    else:
        labels, loss = y[:, None] == model.classes_, np.inf
        if labels.any(axis=1).all():
            loss = log_loss(y, proba, labels=model.classes_)
        if len(model.classes_) == 2:  # each class gives the same area
            labels, proba = labels[:, 1:], proba[:, 1:]
    return {
        name_of_score(task): model.score(X, y),
        "log loss": loss,
        "AUC": _area(labels, proba),
    }


def _probabilities(model, X):
    """The probabilities of classes, or of each label, as an array."""
    proba = model.predict_proba(X)
    if not isinstance(proba, list):
        return proba
    # A model for each label, of which one may know neither both classes nor class 1
    known = [list(classes) for classes in model.classes_]
    return np.column_stack(
        [
            of[:, classes.index(1)] if 1 in classes else np.zeros(len(of))
            for of, classes in zip(proba, known)
        ]
    )


def name_of_score(task):
    """The name of what ``score`` returns."""
    if task in REGRESSION:
        return "R2"
    return "subset accuracy" if task.startswith("multi-label") else "accuracy"


def _errors(predictions, y, names):
    """R2, and the errors of each target in its units."""
    scores = {"R2": r2_score(y, predictions)}
    y, predictions = y.reshape(len(y), -1), predictions.reshape(len(y), -1)
    for i, name in enumerate(names[:MAX_SHOWN]):
        of = f" {name}" if len(names) > 1 else ""
        for what, error in (
            ("RMSE", root_mean_squared_error),
            ("MAE", mean_absolute_error),
        ):
            scores[what + of] = error(y[:, i], predictions[:, i])
    return scores


def _area(labels, proba):
    """The mean area under the ROC curve over the labels that vary."""
    varies = labels.any(axis=0) & ~labels.all(axis=0)
    areas = [roc_auc_score(t, p) for t, p in zip(labels.T[varies], proba.T[varies])]
    return np.mean(areas) if areas else np.nan


def print_results(rows, baseline):
    """Print the table of scores and times.

    Parameters
    ----------
    rows : dict of dict
        By name of a row: the cells, by name of a model.
    baseline : str
        The score of a model that looks at no feature, in words.
    """
    width = max(18, *(len(name) + 1 for name in rows))
    models = next(iter(rows.values()))
    widths = {name: max(14, len(name) + 2) for name in models}
    print(f"\n{'':{width}}" + "".join(f"{name:>{widths[name]}}" for name in models))
    for name, cells in rows.items():
        cells = "".join(f"{cells[of]:>{widths[of]}}" for of in models)
        print(f"{name:{width}}{cells}")
    print(baseline)


def score_rows(scores, parts):
    """The rows of the table that hold scores.

    Parameters
    ----------
    scores : dict of dict of dict
        By name of a model, by part and by name of a score.
    parts : tuple of str
        The parts to show.

    Returns
    -------
    rows : dict of dict of str
    """
    first = next(iter(scores.values()))[parts[0]]
    return {
        f"{part} {name}": {
            model: _in_digits(of[part][name]) for model, of in scores.items()
        }
        for name in first
        for part in parts
    }


def _in_digits(value):
    """A score with the digits that matter."""
    if np.isnan(value):
        return "-"
    return f"{value:.4f}" if 0.001 <= abs(value) < 10 or value == 0 else f"{value:.6g}"


def comparison(loss_curves, seconds, remark):
    """Give the ratio of the times and the difference of the losses of two fits.

    Parameters
    ----------
    loss_curves : list of list of float
        Of fastmlp and of scikit-learn.
    seconds : dict of float
        By library.
    remark : str
        Why the losses may differ, or nothing.

    Returns
    -------
    lines : list of str
    """
    n = min(map(len, loss_curves))
    ours, theirs = (curve[:n] for curve in loss_curves)
    apart = np.abs(np.subtract(ours, theirs)).max()
    ratio = seconds["scikit-learn"] / seconds["fastmlp"]
    return [
        f"time of scikit-learn / time of fastmlp: {ratio:.2f} (one fit each)",
        f"largest difference of the loss curves: {apart:.1e} ({n} epochs{remark})",
    ]
