"""Fit a transformer several times, so that each row has a network that never saw it."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from joblib import Parallel, delayed
from sklearn.base import clone
from sklearn.utils import check_random_state

from ._model import Model, encode_training_data, find_folds, fit_model
from ._tables.folds import hash_rows, training_rows
from ._tables.layout import Table
from ._transformer import DenoisingAutoencoderTransformer


def make_transformer(estimator: Any, **defaults: Any) -> Any:
    """Clone the transformer of a detector or an imputer, or make one of `defaults`."""
    transformer = estimator.transformer
    if transformer is None:
        transformer = DenoisingAutoencoderTransformer(**defaults)
    transformer = clone(transformer)
    if estimator.random_state is not None:
        transformer.set_params(random_state=estimator.random_state)
    if estimator.verbose:
        transformer.set_params(verbose=estimator.verbose)
    return transformer


def copy_columns(source: Any, target: Any) -> None:
    """Set the attributes that scikit-learn keeps of the training columns."""
    for name in ("n_features_in_", "feature_names_in_"):
        if hasattr(source, name):
            setattr(target, name, getattr(source, name))


class FoldFits:
    """Fits of one table, each without the rows of one fold.

    Parameters
    ----------
    transformer : DenoisingAutoencoderTransformer
        Holds the parameters. It gets the names of the columns.
    X : array-like or DataFrame
        The training table of the user.
    cv : int
        Number of folds.
    n_jobs : int or None
        Number of threads.

    Attributes
    ----------
    table : Table
        The rows of `X`.
    folds : ndarray of int of shape (n_rows,)
        Their folds.
    """

    def __init__(self, transformer: Any, X: Any, cv: int, n_jobs: int | None):
        transformer._validate_params()
        transformer._check_parameters()
        self.transformer, self.cv, self.n_jobs = transformer, cv, n_jobs
        self._random_state = check_random_state(transformer.random_state)
        self._codec, self.table = transformer._learn_table(X, self._random_state, None)
        self._noises = transformer._resolve_noises(self._codec.layout)
        self._hashes = hash_rows(self._codec, self.table)
        self.folds = find_folds(self._codec, self.table, cv)

    def fit(self, share: float, kept: np.ndarray | None = None) -> list[Any]:
        """Fit one transformer for each fold, on the rows of other folds that are kept.

        Parameters
        ----------
        share : float
            Share of the epochs that `transformer` would make.
        kept : ndarray of bool of shape (n_rows,) or None
            Mask of the rows to learn. None means all rows.

        Returns
        -------
        fitted : list of DenoisingAutoencoderTransformer
        """
        rows = np.arange(len(self.table)) if kept is None else np.flatnonzero(kept)
        folds = self.folds[rows]
        parts = [rows[p] for p in training_rows(self._hashes[rows], folds, self.cv)]
        # Drawn before the fits, so that the number of threads does not matter.
        seeds = self._random_state.randint(np.iinfo(np.int32).max, size=len(parts))
        jobs = [
            # A fold without rows is calibrated on the rows that were learned.
            delayed(self._fit_part)(part, rows[folds == k], int(seed), share)
            for k, (part, seed) in enumerate(zip(parts, seeds, strict=True))
        ]
        return Parallel(n_jobs=self.n_jobs, prefer="threads")(jobs)

    def _fit_part(
        self, part: np.ndarray, held_out: np.ndarray, seed: int, share: float
    ) -> Any:
        fitted = clone(self.transformer)
        copy_columns(self.transformer, fitted)
        train, valid = part, None
        if fitted.early_stopping:
            train, valid = fitted._split(part, np.random.RandomState(seed))
        data = encode_training_data(self._codec, self.table, train, valid, held_out)
        parameters = fitted._training_parameters(len(train), seed)
        max_iter = math.ceil(share * parameters.max_iter)
        parameters = replace(parameters, max_iter=max_iter)
        model, history, _ = fit_model(self._codec, data, self._noises, parameters)
        if history.interrupted:
            raise KeyboardInterrupt
        fitted._keep(model, history, None)
        return fitted


def compute_by_fold(
    models: Sequence[Model],
    folds: np.ndarray,
    table: Table,
    compute: Callable[[Model, Table], Any],
    out: Any,
) -> None:
    """Put what `compute` returns into `out`, for each row by the model of its fold.

    `out` is a Table, or an array whose first axis are the rows.
    """
    put = out.put if isinstance(out, Table) else out.__setitem__
    for fold, model in enumerate(models):
        rows = np.flatnonzero(folds == fold)
        if len(rows):
            put(rows, compute(model, table.rows(rows)))
