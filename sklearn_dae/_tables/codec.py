"""Codec: a Table to scaled cells, expected cells to a Table, errors of cells."""

from __future__ import annotations

import numpy as np
import torch
from scipy import sparse

from .._cells import Cells, ColumnSummary, SparseCells, row_chunks
from .columns import SCALE_MIN, ColumnStatistics
from .layout import Table

# Scaled values are clipped here: float32 can hold their squares.
LARGEST = 1e15
FLOAT_MAX = np.finfo(np.float64).max
# Rows that quantiles are estimated from.
QUANTILE_ROWS = 10_000


class Codec:
    """Turns a Table into cells, and what is expected of cells into a Table.

    Statistics and scaled numbers are computed in float64 and cast to float32 last: in
    float32 a column of 1.7e9 + N(0, 1), of timestamps for example, would be constant.

    Parameters
    ----------
    layout : Layout
        The columns.
    scaling : {"standard", "minmax", "quantile"} or None
        How numeric columns are scaled.

    Attributes
    ----------
    statistics_ : ColumnStatistics
        Of the numeric columns, in the units of the table.
    constant_ : ndarray of bool of shape (n_numeric,)
        Columns without two different observed values. They are encoded as zeros and
        decoded to their one value, or to 0 if they have none.
    frequencies_ : list of n_categorical ndarrays of shape (n_levels,)
        Relative frequencies of the levels.
    """

    def __init__(self, layout, scaling):
        self.layout = layout
        self.scaling = scaling

    def fit(self, table, random_state):
        """Learn the frequencies of levels and the scales of numbers.

        `random_state` draws the rows that quantiles are estimated from.
        """
        self.frequencies_ = [
            _relative_frequencies(codes[codes >= 0], len(levels))
            for codes, levels in zip(table.codes.T, self.layout.levels_, strict=True)
        ]
        self.statistics_ = ColumnStatistics.of(table.numeric)
        self.constant_ = self.statistics_.low == self.statistics_.high
        self._fit_scaling()
        self._quantiles = None
        if self.scaling == "quantile" and len(self.constant_):
            self._quantiles = self._fit_quantiles(table.numeric, random_state)
        return self

    def _fit_scaling(self):
        """Set center and scale. Half of each, because max - min can overflow."""
        _, std, low, high = self.statistics_
        self._half_center, self._half_scale = 0.0, 0.5
        if self.scaling == "standard":
            self._half_center, self._half_scale = self.statistics_.mean / 2, std / 2
        elif self.scaling == "minmax":
            half_range = np.where(self.constant_, 0.5, high / 2 - low / 2)
            self._half_center = low / 2
            self._half_scale = np.maximum(half_range, SCALE_MIN / 2)
        elif self.scaling == "quantile":
            # QuantileTransformer takes all within 1e-7 of the ends for the ends.
            # Without this scale, that would be all values of a column of small units.
            self._half_scale = np.minimum(std, 2.0) / 2

    def _fit_quantiles(self, numeric, random_state):
        # Imported here, since few tables need it and its import takes time.
        from sklearn.preprocessing import QuantileTransformer

        self._check_dense(numeric)
        rows, n_rows = slice(None), numeric.shape[0]
        if n_rows > QUANTILE_ROWS:
            rows = random_state.choice(n_rows, QUANTILE_ROWS, replace=False)
        sample = numeric[rows]
        unobserved = np.isnan(sample).all(axis=0)
        sample = np.where(unobserved, 0.0, sample / 2 / self._half_scale)
        quantiles = QuantileTransformer(
            n_quantiles=min(1000, len(sample)), output_distribution="normal"
        )
        return quantiles.set_output(transform="default").fit(sample)

    def _check_dense(self, numeric):
        if sparse.issparse(numeric) and self.scaling == "quantile":
            raise ValueError(
                "scaling='quantile' needs a dense table, but X is sparse. Set "
                "scaling='standard', 'minmax' or None, or pass X.toarray()."
            )

    def summary(self):
        """Summarize the columns for training as a ColumnSummary."""
        mean, _, low, high = self.statistics_
        scaled = self._scale(np.vstack([mean, low, high])).astype(np.float32)
        return ColumnSummary(
            *torch.from_numpy(scaled),
            tuple(torch.tensor(f, dtype=torch.float32) for f in self.frequencies_),
            bounded=self.scaling == "minmax",
        )

    def check_unit_range(self, statistics):
        """Raise ValueError unless numbers of such statistics scale to [0, 1]."""
        _, _, *ends = statistics
        low, high = self._scale(np.vstack(ends))
        # A tolerance for rounding.
        outside = np.flatnonzero((low < -1e-6) | (high > 1 + 1e-6))
        if len(outside):
            j = outside[0]
            raise ValueError(
                f"loss='log_loss' needs values in [0, 1], but column "
                f"{self.layout.label(self.layout.numeric_[j])!r} holds values from "
                f"{ends[0][j]} to {ends[1][j]}. Set scaling='minmax'. If a previous "
                f"call has scaled it by other rows, clip the column to their range, or "
                f"call fit with warm_start=False."
            )

    @property
    def learned(self):
        """Mask of the user's columns that were not constant in training."""
        layout = self.layout
        learned = np.ones(layout.n_features, dtype=bool)
        learned[layout.numeric_] = ~self.constant_
        learned[layout.categorical_] = [len(f) > 1 for f in self.frequencies_]
        return learned

    def encode(self, table, order=None):
        """Turn the rows of a Table, or those that `order` lists, into cells."""
        if sparse.issparse(table.numeric):
            return self._encode_sparse(table.numeric, order)
        n_rows = len(table) if order is None else len(order)
        numeric = np.empty((n_rows, table.numeric.shape[1]), dtype=np.float32)
        for rows in row_chunks(*numeric.shape):
            index = rows if order is None else order[rows]
            numeric[rows] = self._scale(table.numeric[index])
        codes = table.codes if order is None else table.codes[order]
        return Cells(torch.from_numpy(numeric), torch.from_numpy(codes))

    def _encode_sparse(self, numeric, order):
        """Scale the stored values as `_scale` does, and compute where zeros go."""
        self._check_dense(numeric)
        numbers = sparse.csr_array(numeric if order is None else numeric[order])
        # An infinite scale makes zeros of all values of a constant column.
        half_scale = np.where(self.constant_, np.inf, self._half_scale)
        with np.errstate(over="ignore"):  # Clipped below.
            data = numbers.data.astype(np.float64) / 2 / half_scale[numbers.indices]
        data = np.clip(data, -LARGEST, LARGEST).astype(np.float32)
        numbers = sparse.csr_array(
            (data, numbers.indices, numbers.indptr), shape=numbers.shape
        )
        zeros = -self._half_center / half_scale
        return SparseCells(numbers, zeros.astype(np.float32))

    def _scale(self, values):
        with np.errstate(over="ignore"):  # Clipped below.
            values = values.astype(np.float64) / 2 - self._half_center
            values /= self._half_scale
        if self._quantiles is not None:
            values = np.clip(values, -FLOAT_MAX, FLOAT_MAX)
            values = self._quantiles.transform(values)
        # A constant column has no information, even if its value differs later. A
        # missing cell stays NaN.
        values[:, self.constant_] *= 0
        return np.clip(values, -LARGEST, LARGEST)

    def _unscale(self, numeric):
        values = numeric.astype(np.float64)
        if self._quantiles is not None:
            values = self._quantiles.inverse_transform(values)
        with np.errstate(over="ignore"):  # Clipped below.
            values = 2 * (values * self._half_scale + self._half_center)
        values = np.clip(values, -FLOAT_MAX, FLOAT_MAX)
        return np.where(self.constant_, self.statistics_.low, values)

    def decode(self, numeric, probabilities):
        """Turn scaled numbers and probabilities of levels into the expected Table.

        Parameters
        ----------
        numeric : ndarray of shape (n_rows, n_numeric)
        probabilities : ndarray of shape (n_rows, n_levels)
            Those of all categorical columns side by side.
        """
        codes = self.layout.empty_codes(len(numeric))
        for k, of_column in enumerate(self._by_column(probabilities)):
            codes[:, k] = of_column.argmax(axis=1)
        return Table(self._unscale(numeric), codes)

    def _by_column(self, probabilities):
        """Split probabilities into one block for each categorical column."""
        ends = np.cumsum([len(levels) for levels in self.layout.levels_])
        return np.split(probabilities, ends[:-1], axis=1) if len(ends) else []

    def errors(self, table, numeric, probabilities):
        """Compute squared errors of expected cells, relative to the columns' variance.

        A category counts as its one-hot code, so that its error is the Brier score.

        Returns
        -------
        errors : ndarray of shape (n_rows, n_features), float32
            In the order of the user's columns. 1.0 is the mean error of predicting the
            column's mean, or its frequencies. NaN where a cell is missing or its level
            unseen.
        """
        return self._errors(
            table, self._unscale(numeric), self._by_column(probabilities)
        )

    def baseline_errors(self, table):
        """Compute the errors of predicting the columns' means and frequencies."""
        frequencies = [of_levels[None] for of_levels in self.frequencies_]
        return self._errors(table, self.statistics_.mean, frequencies)

    def _errors(self, table, values, probabilities):
        layout = self.layout
        errors = np.empty((len(table), layout.n_features), dtype=np.float32)
        with np.errstate(over="ignore"):  # Clipped below.
            scaled = (table.numeric / 2 - values / 2) / (self.statistics_.std / 2)
        errors[:, layout.numeric_] = np.square(np.clip(scaled, -LARGEST, LARGEST))
        for k, position in enumerate(layout.categorical_):
            frequencies = self.frequencies_[k]
            # The Gini impurity: the mean Brier score of predicting the frequencies.
            variance = 1 - np.square(frequencies).sum()
            brier = _brier_score(table.codes[:, k], probabilities[k])
            errors[:, position] = brier / (variance if len(frequencies) > 1 else 1.0)
        return errors


def _relative_frequencies(codes, n_levels):
    counts = np.bincount(codes, minlength=n_levels)
    return counts / max(counts.sum(), 1)


def _brier_score(codes, probabilities):
    """Compute the squared distance of probabilities from one-hot codes.

    For one row of probabilities, that row is used for all codes.
    """
    known = codes >= 0
    rows = np.arange(len(codes)) if len(probabilities) > 1 else 0
    of_level = probabilities[rows, np.maximum(codes, 0)]
    # sum_k (p_k - [k = c])^2 = sum_k p_k^2 - 2 p_c + 1
    score = np.square(probabilities).sum(axis=1) - 2 * of_level + 1
    return np.where(known, score, np.nan)
