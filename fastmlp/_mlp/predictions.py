"""Predictions from the outputs of a network: what estimators of a task share.

An estimator gives its outputs by ``_outputs(X)``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from scipy.sparse import csr_matrix
from sklearn.base import ClassifierMixin, RegressorMixin

from fastmlp._mlp.targets import predicted_codes
from fastmlp._model import losses
from fastmlp._utils.spelling import suggests_keywords

if TYPE_CHECKING:
    from fastmlp._utils.annotations import Array, ArrayLike, MatrixLike


class ClassPredictions(ClassifierMixin):
    """Labels of a classifier, from ``classes_``, ``_label_binarizer`` and outputs."""

    def predict(self, X: MatrixLike) -> Array:
        """Predict classes.

        Parameters
        ----------
        X : {array-like, sparse matrix, DataFrame} of shape (n_samples, n_features)
            Data.

        Returns
        -------
        y : ndarray of shape (n_samples,) or (n_samples, n_labels)
            Labels, or an indicator matrix of ints for a multi-label model.
        """
        outputs = self._outputs(X)
        is_multilabel = outputs.shape[1] > 1 and self._is_multilabel()
        codes = predicted_codes(outputs, len(self.classes_), is_multilabel)
        if codes.ndim == 1:
            return self.classes_[codes]
        binarizer = getattr(self, "_label_binarizer", None)
        return csr_matrix(codes) if getattr(binarizer, "sparse_input_", 0) else codes

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.classifier_tags.multi_label = True
        return tags


def _per_target(outputs):
    """The outputs (n, n_targets, m) as m arrays, of shape (n,) for one target."""
    arrays = np.moveaxis(outputs, 2, 0)
    return arrays[:, :, 0] if arrays.shape[2] == 1 else arrays


class NumberPredictions(RegressorMixin):
    """Targets, deviations and intervals of a regressor.

    ``_fitted_objective()`` says what the outputs are, ``_plainly_predicts()`` whether
    they are the predictions.
    """

    def predict(self, X: MatrixLike, return_std: bool = False) -> Any:
        """Predict targets.

        Parameters
        ----------
        X : {array-like, sparse matrix, DataFrame} of shape (n_samples, n_features)
            Data.
        return_std : bool, default=False
            Whether to return the standard deviation too; for a model fitted with
            ``loss="gaussian_nll"``.

        Returns
        -------
        y : ndarray of shape (n_samples,) or (n_samples, n_targets)
            For several quantiles of shape (n_samples, n_quantiles) or
            (n_samples, n_targets, n_quantiles).
        std : ndarray of the shape of y
            Only with ``return_std=True``.

        Raises
        ------
        ValueError
            If the standard deviation is asked of a model of another loss.
        """
        if not return_std and self._plainly_predicts():  # the short way
            outputs = self._outputs(X)
            return outputs[:, 0] if outputs.shape[1] == 1 else outputs
        objective = self._fitted_objective()
        if return_std and objective.loss != "gaussian_nll":
            raise ValueError(
                "return_std=True needs a model fitted with loss='gaussian_nll', which "
                f"predicts a standard deviation; this one has loss={objective.loss!r}."
            )
        outputs = self._outputs(X)
        if objective.loss not in ("quantile", "gaussian_nll"):
            return outputs[:, 0] if outputs.shape[1] == 1 else outputs
        outputs = losses.split_outputs(outputs, objective)
        if objective.loss == "gaussian_nll":
            mean, log_variance = _per_target(outputs)
            return (mean, np.exp(0.5 * log_variance)) if return_std else mean
        quantiles = outputs[:, 0] if outputs.shape[1] == 1 else outputs
        return quantiles[..., 0] if outputs.shape[2] == 1 else quantiles

    @suggests_keywords
    def predict_interval(self, X: MatrixLike, coverage: float = 0.9) -> Array:
        """Predict central intervals that hold the target with a given probability.

        For ``loss="gaussian_nll"`` they are those of the normal distribution; for
        several quantiles they lie between two of them, which are interpolated
        linearly in the level where the model was not fitted for those asked, and
        sorted where they cross [1]_.

        Parameters
        ----------
        X : {array-like, sparse matrix, DataFrame} of shape (n_samples, n_features)
            Data.
        coverage : float, default=0.9
            Probability within the interval, in (0, 1): it reaches from the quantile
            (1 - coverage) / 2 to (1 + coverage) / 2.

        Returns
        -------
        ends : ndarray of shape (n_samples, 2) or (n_samples, n_targets, 2)
            Lower and upper end.

        Raises
        ------
        ValueError
            If the model has neither of these losses, or if its quantiles do not
            reach as far as the coverage asks.

        References
        ----------
        .. [1] V. Chernozhukov, I. Fernandez-Val and A. Galichon, "Quantile and
           probability curves without crossing", Econometrica 78(3), 2010.
        """
        objective = self._fitted_objective()
        if objective.loss not in ("quantile", "gaussian_nll"):
            raise ValueError(
                "predict_interval needs a model fitted with loss='gaussian_nll' or "
                "loss='quantile' and several levels; this one has loss="
                f"{objective.loss if isinstance(self.loss, str) else self.loss!r}."
            )
        ends = losses.interval(self._outputs(X), objective, coverage)
        return ends[:, 0] if ends.shape[1] == 1 else ends

    def score(
        self, X: MatrixLike, y: ArrayLike, sample_weight: ArrayLike | None = None
    ) -> float:
        """Score of the predictions: R2, for quantiles D2 of their pinball losses.

        Parameters
        ----------
        X : {array-like, sparse matrix, DataFrame} of shape (n_samples, n_features)
            Data.
        y : array-like of shape (n_samples,) or (n_samples, n_targets)
            Targets.
        sample_weight : array-like of shape (n_samples,), default=None
            Weights of the rows.

        Returns
        -------
        score : float
            :func:`sklearn.metrics.r2_score` of what ``predict`` gives (of the mean,
            for gaussian_nll); for quantiles the mean over the levels of
            :func:`sklearn.metrics.d2_pinball_score`, the part of the pinball loss
            that the model spares the constant quantile. At most 1.
        """
        objective = self._fitted_objective()
        if objective.loss != "quantile":
            return super().score(X, y, sample_weight)
        return losses.score(y, self._outputs(X), objective, sample_weight)

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.target_tags.multi_output = True
        return tags
