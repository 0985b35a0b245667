"""Scale a Table to cells, scale predicted cells back, and measure their errors."""

from __future__ import annotations

import numpy as np
import torch
from scipy import sparse

from .._cells import Cells, ColumnSummary, SparseCells, row_chunks
from .columns import SCALE_MIN, ColumnStatistics
from .layout import Table, smallest_dtype

# Scaled values are clipped to this magnitude, so that float32 can hold their squares.
LARGEST = 1e15
FLOAT_MAX = np.finfo(np.float64).max
# The probability of a level is mixed with this share of its frequency, because the
# network may be too sure.
LEVEL_DOUBT = 0.05
# Largest number of rows that quantiles are estimated from.
QUANTILE_ROWS = 10_000


class Codec:
    """Convert a Table to cells, and predicted cells back to a Table.

    Statistics and scaled numbers are computed in float64 and converted to float32 at
    the end. In float32 a column of timestamps such as 1.7e9 + N(0, 1) would be
    constant.

    Parameters
    ----------
    layout : Layout
        The columns.
    scaling : {"standard", "minmax", "quantile"} or None
        How numeric columns are scaled.

    Attributes
    ----------
    statistics_ : ColumnStatistics
        Statistics of the numeric columns, in the units of the table.
    constant_ : ndarray of bool of shape (n_numeric,)
        Mask of the columns with at most one different observed value. Their cells are
        encoded as zeros. They are decoded to that value, or to 0 if there is none.
    frequencies_ : list of n_categorical ndarrays of shape (n_levels,)
        Relative frequencies of the levels.
    bounds_ : ndarray of shape (2, n_numeric)
        The smallest and the largest number that a column is decoded to.
    quantiles_ : QuantileTransformer or None
        The quantile scaling, if there is one.
    """

    def __init__(self, layout, scaling):
        self.layout = layout
        self.scaling = scaling

    def fit(self, table, random_state):
        """Learn the frequencies of levels and the scales of numbers.

        `random_state` draws the rows from which quantiles are estimated.
        """
        grouped = self._group_rare_levels(table.codes)
        self.frequencies_ = [
            _relative_frequencies(codes[codes >= 0], len(levels))
            for codes, levels in zip(grouped.T, self.layout.levels_, strict=True)
        ]
        self.statistics_ = ColumnStatistics.of(table.numeric)
        self.bounds_ = np.vstack([self.statistics_.low, self.statistics_.high])
        self._fit_scaling()
        self.quantiles_ = None
        if self.scaling == "quantile" and len(self.constant_):
            self.quantiles_ = self._fit_quantiles(table.numeric, random_state)
        return self

    def restore(self, frequencies, statistics, bounds, quantiles):
        """Set what `fit` learns.

        `quantiles` are the arrays `quantiles_` and `references_` of the
        QuantileTransformer, or None if there is none.
        """
        self.frequencies_, self.statistics_ = frequencies, statistics
        self.bounds_ = bounds
        self._fit_scaling()
        self.quantiles_ = None
        if quantiles is not None:
            values, references = quantiles
            self.quantiles_ = _quantile_transformer(len(references))
            self.quantiles_.quantiles_ = values
            self.quantiles_.references_ = references
            self.quantiles_.n_quantiles_ = len(references)
            self.quantiles_.n_features_in_ = values.shape[1]
        return self

    def set_bounds(self, low, high):
        """Set the range of decoded numbers.

        `low` and `high` hold one number for each of the user's columns. NaN stands for
        the end of the training range, or for the other bound if this is beyond it.
        """
        low, high = low[self.layout.numeric_], high[self.layout.numeric_]
        least, most = self.statistics_.low, self.statistics_.high
        low = np.where(np.isnan(low), np.fmin(least, high), low)
        high = np.where(np.isnan(high), np.fmax(most, low), high)
        # Whole numbers stay within the bounds when they are rounded.
        inner = np.vstack([np.ceil(low), np.floor(high)])
        whole = self.layout.whole_ & (inner[0] <= inner[1])
        self.bounds_ = np.where(whole, inner, [low, high])

    def _fit_scaling(self):
        """Set the center and the scale of each numeric column."""
        self.constant_ = self.statistics_.low == self.statistics_.high
        # Both are stored halved, because max - min can overflow float64.
        _, std, low, high = self.statistics_
        self._half_center, self._half_scale = 0.0, 0.5
        if self.scaling == "standard":
            self._half_center, self._half_scale = self.statistics_.mean / 2, std / 2
        elif self.scaling == "minmax":
            half_range = np.where(self.constant_, 0.5, high / 2 - low / 2)
            self._half_center = low / 2
            self._half_scale = np.maximum(half_range, SCALE_MIN / 2)
        elif self.scaling == "quantile":
            # QuantileTransformer treats all values within 1e-7 of the minimum as the
            # minimum. In a column of small units these would be all values.
            self._half_scale = np.minimum(std, 2.0) / 2

    def _fit_quantiles(self, numeric, random_state):
        self._check_dense(numeric)
        rows, n_rows = slice(None), numeric.shape[0]
        if n_rows > QUANTILE_ROWS:
            rows = random_state.choice(n_rows, QUANTILE_ROWS, replace=False)
        sample = numeric[rows]
        unobserved = np.isnan(sample).all(axis=0)
        sample = np.where(unobserved, 0.0, sample / 2 / self._half_scale)
        return _quantile_transformer(min(1000, len(sample))).fit(sample)

    def _check_dense(self, numeric):
        if sparse.issparse(numeric) and self.scaling == "quantile":
            raise ValueError(
                "scaling='quantile' needs a dense table, but X is sparse. Set "
                "scaling='standard', 'minmax' or None, or pass X.toarray()."
            )

    def summary(self):
        """Summarize the scaled columns for the training as a ColumnSummary."""
        mean, _, low, high = self.statistics_
        is_unit_range = self.scaling == "minmax"
        zero = np.clip(0.0, low, high) if is_unit_range else np.zeros_like(mean)
        scaled = self._scale(np.vstack([mean, low, high, zero])).astype(np.float32)
        return ColumnSummary(
            *torch.from_numpy(scaled),
            tuple(torch.tensor(f, dtype=torch.float32) for f in self.frequencies_),
            # Numbers that are not scaled have a natural range, as pixels have.
            bounded=is_unit_range or self.scaling is None,
        )

    def check_unit_range(self, table=None):
        """Raise ValueError if numbers scale outside [0, 1].

        They are those of `table`, or those of `fit` if there is none.
        """
        is_later = table is not None
        _, _, *ends = (
            ColumnStatistics.of(table.numeric) if is_later else self.statistics_
        )
        low, high = self._scale(np.vstack(ends))
        # Tolerate rounding errors of the scaling.
        outside = np.flatnonzero((low < -1e-6) | (high > 1 + 1e-6))
        if len(outside):
            j = outside[0]
            raise ValueError(
                f"loss='log_loss' needs values in [0, 1], but column "
                f"{self.layout.label(self.layout.numeric_[j])!r} holds values from "
                f"{ends[0][j]} to {ends[1][j]}. Set scaling='minmax'. If training "
                f"continues from a previous call, clip the column to the range of the "
                f"first call, or call fit with warm_start=False."
            )

    @property
    def learned(self):
        """Mask of the user's columns that were not constant in training."""
        layout = self.layout
        learned = np.ones(layout.n_features, dtype=bool)
        learned[layout.numeric_] = ~self.constant_
        learned[layout.categorical_] = [len(f) > 1 for f in self.frequencies_]
        return learned

    def column_groups(self, n_groups):
        """Divide the columns into groups, neighbours into different ones.

        Neighbours are often related, so that one tells more about the other than the
        rest of the row does. Returns Cells with a number for each column.
        """
        return self.by_kind(np.arange(self.layout.n_features) % n_groups)

    def by_kind(self, of_columns):
        """Order one number for each of the user's columns as Cells of one row."""
        positions = (self.layout.numeric_, self.layout.categorical_)
        return Cells(*(torch.from_numpy(of_columns[of_kind]) for of_kind in positions))

    def encode(self, table, order=None):
        """Convert the rows of a Table to cells. `order` selects and orders rows."""
        if sparse.issparse(table.numeric):
            return self._encode_sparse(table.numeric, order)
        n_rows = len(table) if order is None else len(order)
        numeric = np.empty((n_rows, table.numeric.shape[1]), dtype=np.float32)
        for rows in row_chunks(*numeric.shape):
            index = rows if order is None else order[rows]
            numeric[rows] = self._scale(table.numeric[index])
        codes = table.codes if order is None else table.codes[order]
        codes = self._group_rare_levels(codes)
        return Cells(torch.from_numpy(numeric), torch.from_numpy(codes))

    @property
    def last_codes(self):
        """The largest code of each categorical column. Rare levels share it."""
        sizes = [len(levels) for levels in self.layout.levels_]
        return np.array(sizes, dtype=np.int64) - 1

    def _group_rare_levels(self, codes):
        """Replace the codes of rare levels by the code that they share."""
        last = self.last_codes
        # Take the smallest dtype that can hold all codes, to save memory.
        return np.minimum(codes, last).astype(smallest_dtype(last.max(initial=0)))

    def _encode_sparse(self, numeric, order):
        """Scale the stored values as `_scale` does, and the zeros once per column."""
        self._check_dense(numeric)
        numbers = sparse.csr_array(numeric if order is None else numeric[order])
        # An infinite scale turns all values of a constant column into zeros.
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
        if self.quantiles_ is not None:
            values = np.clip(values, -FLOAT_MAX, FLOAT_MAX)
            values = self.quantiles_.transform(values)
        # The network learned nothing from a constant column, so a value that differs
        # later must not change its input. Multiplying keeps NaN in missing cells.
        values[:, self.constant_] *= 0
        return np.clip(values, -LARGEST, LARGEST)

    def _unscale(self, numeric):
        values = numeric.astype(np.float64)
        if self.quantiles_ is not None:
            values = self.quantiles_.inverse_transform(values)
        with np.errstate(over="ignore"):  # Clipped below.
            values = 2 * (values * self._half_scale + self._half_center)
        # A column that was constant, or without any value, has only one value.
        values = np.where(self.constant_, self.statistics_.low, values)
        values = np.clip(values, *self.bounds_)
        return np.clip(values, -FLOAT_MAX, FLOAT_MAX)

    def decode(self, numeric, probabilities):
        """Convert predicted numbers and probabilities to a Table.

        A number is clipped to the bounds of its column. A categorical cell gets its
        most probable level.

        Parameters
        ----------
        numeric : ndarray of shape (n_rows, n_numeric)
            Scaled numbers.
        probabilities : ndarray of shape (n_rows, n_levels)
            Probabilities of the levels of all categorical columns, side by side.
        """
        codes = self.layout.empty_codes(len(numeric))
        for k, column_probabilities in enumerate(self._by_column(probabilities)):
            codes[:, k] = column_probabilities.argmax(axis=1)
        return Table(self._unscale(numeric), codes)

    def _by_column(self, probabilities):
        """Split probabilities into one block per categorical column."""
        ends = np.cumsum([len(levels) for levels in self.layout.levels_])
        return np.split(probabilities, ends[:-1], axis=1) if len(ends) else []

    def errors(self, table, numeric, probabilities):
        """Compute the squared errors of predicted cells, relative to the variance.

        The error of a categorical cell is that of its one-hot code: the Brier score.

        Returns
        -------
        errors : ndarray of shape (n_rows, n_features), float32
            Errors in the order of the user's columns. Predicting the mean of a column,
            or the frequencies of its levels, has a mean error of 1.0. NaN where a cell
            is missing or its level is unseen.
        """
        return self._errors(
            table, self._unscale(numeric), self._by_column(probabilities)
        )

    def baseline_errors(self, table):
        """Compute the errors of predicting the means and the frequencies of levels."""
        frequencies = [of_column[None] for of_column in self.frequencies_]
        return self._errors(table, self.statistics_.mean, frequencies)

    def standardize(self, numbers):
        """Convert numbers of the table to standard deviations from the mean."""
        mean, std = self.statistics_.mean, self.statistics_.std
        with np.errstate(over="ignore"):  # Clipped below.
            standardized = (numbers / 2 - mean / 2) / (std / 2)
        return np.clip(standardized, -LARGEST, LARGEST)

    def predicted(self, numeric):
        """Convert predicted scaled numbers to standard deviations from the mean."""
        return self.standardize(self._unscale(numeric))

    def _errors(self, table, values, probabilities):
        layout = self.layout
        errors = np.empty((len(table), layout.n_features), dtype=np.float32)
        with np.errstate(over="ignore"):  # Clipped below.
            scaled = (table.numeric / 2 - values / 2) / (self.statistics_.std / 2)
        errors[:, layout.numeric_] = np.square(np.clip(scaled, -LARGEST, LARGEST))
        codes = self._group_rare_levels(table.codes)
        for k, position in enumerate(layout.categorical_):
            frequencies = self.frequencies_[k]
            # The Gini impurity: the mean Brier score of predicting the frequencies.
            variance = 1 - np.square(frequencies).sum()
            brier = _brier_score(codes[:, k], probabilities[k])
            errors[:, position] = brier / (variance if len(frequencies) > 1 else 1.0)
        return errors


def _quantile_transformer(n_quantiles):
    """Make an unfitted QuantileTransformer."""
    # Imported here because the import is slow and few tables need it.
    from sklearn.preprocessing import QuantileTransformer

    transformer = QuantileTransformer(
        n_quantiles=n_quantiles, output_distribution="normal"
    )
    return transformer.set_output(transform="default")


def _relative_frequencies(codes, n_levels):
    counts = np.bincount(codes, minlength=n_levels)
    return counts / max(counts.sum(), 1)


def level_tables(columns):
    """List what `CellSurprise` knows of levels, by the names of its tensors.

    `columns` are the Levels of all categorical columns.
    """
    places = np.cumsum([0, *map(len, columns)])
    tables = [_level_table(*pair) for pair in zip(columns, places[:-1], strict=True)]
    sizes = np.array([len(of_column[0]) for of_column in tables], dtype=np.int64)
    names = ("level_surprise", "level_share", "level_floor", "level_places")
    arrays = [np.concatenate([[], *parts]) for parts in zip(*tables, strict=True)]
    by_name = dict(zip(names, arrays or [np.empty(0)] * 4, strict=True))
    by_name["level_places"] = by_name["level_places"].astype(np.int64)
    ends = np.cumsum(sizes) - 1
    return by_name | {"level_starts": ends + 1 - sizes, "level_ends": ends}


def _level_table(levels, first_place):
    """Compute the surprise, share, floor and place of each level of a column.

    The last entry is that of the levels that `fit` has not seen. Their frequency is
    that of one more cell. A level that was seen once, or never, has the probability of
    its frequency in each row: the network has learned nothing about it.
    """
    counts = np.append(levels.counts, 0)
    total = counts.sum()
    frequency = np.maximum(counts, 1) / np.where(counts > 0, max(total, 1), total + 1)
    if not levels.n_seen:
        frequency = np.ones(len(counts))
    codes = np.minimum(np.arange(len(counts)), len(levels) - 1)
    of_code = np.bincount(codes, weights=counts)[codes]
    trust = (1 - LEVEL_DOUBT) * np.maximum(counts - 1, 0) / np.maximum(counts, 1)
    share = trust * counts / np.maximum(of_code, 1)
    return -np.log(frequency), share, (1 - trust) * frequency, first_place + codes


def _brier_score(codes, probabilities):
    """Compute the squared distance between probabilities and one-hot codes.

    A single row of probabilities is compared with all codes.
    """
    known = codes >= 0
    rows = np.arange(len(codes)) if len(probabilities) > 1 else 0
    of_code = probabilities[rows, np.maximum(codes, 0)]
    # sum_k (p_k - [k = c])^2 = sum_k p_k^2 - 2 p_c + 1
    score = np.square(probabilities).sum(axis=1) - 2 * of_code + 1
    return np.where(known, score, np.nan)
