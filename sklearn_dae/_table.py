"""TableCodec: a user's table to cells, and back."""

from __future__ import annotations

import math
import warnings
from collections import Counter
from contextlib import contextmanager
from numbers import Integral, Number
from typing import NamedTuple

import numpy as np
import torch
from scipy import sparse
from sklearn.utils.sparsefuncs import mean_variance_axis, min_max_axis

from . import _frames
from ._cells import Cells, ColumnSummary, SparseCells, pieces_of

# Scaled values are cut off here: their squares must be float32 numbers.
LARGEST = 1e15
# The largest float64, and the smallest scale: half of it still divides precisely.
FLOAT_MAX, SCALE_MIN = np.finfo(np.float64).max, 2 * np.finfo(np.float64).tiny
# Different values of a category from which on they may be names of rows.
MANY_LEVELS = 100
# Cells of a DataFrame whose numbers are made at once.
FEW_CELLS = 2**23
# Rows that quantiles are estimated from.
QUANTILE_ROWS = 10_000
# Codes of cells without a level.
MISSING, UNSEEN = -1, -2


class Table(NamedTuple):
    """A table as numbers in its own units and as category codes.

    Attributes
    ----------
    numeric : ndarray, CSR matrix or Numbers of shape (n_rows, n_numeric)
        Of float32 or float64, NaN where a cell is missing. An array if it is some rows
        of a table.
    codes : ndarray of shape (n_rows, n_categorical), int8 to int32
        `MISSING` or `UNSEEN` where a cell has no level known from training.
    """

    numeric: np.ndarray
    codes: np.ndarray

    def __len__(self):
        return self.numeric.shape[0]

    def rows(self, index):
        """The table of the rows picked by `index`."""
        numeric = self.numeric[index]
        numeric = numeric.toarray() if sparse.issparse(numeric) else numeric
        return Table(numeric, self.codes[index])

    def put(self, index, rows):
        """Set the rows picked by `index`."""
        self.numeric[index], self.codes[index] = rows


class ColumnStatistics(NamedTuple):
    """Statistics of each column's observed values, in float64.

    Attributes
    ----------
    mean, std, low, high : ndarray of shape (n_features,)
        Mean, standard deviation, minimum and maximum. A column without an observed
        value counts as all zeros, and a standard deviation of 0 is given as 1.
    """

    mean: np.ndarray
    std: np.ndarray
    low: np.ndarray
    high: np.ndarray

    @classmethod
    def of(cls, X):
        """The statistics of the columns of `X`, taken some rows at a time.

        In three passes: scikit-learn's `StandardScaler.partial_fit` gives NaN for a
        column whose first rows are all missing, and squares of large values overflow.
        """
        if sparse.issparse(X):
            return cls._of_sparse(X)
        pieces = pieces_of(*X.shape)
        n_observed = np.zeros(X.shape[1])
        low, high = np.full(X.shape[1], np.nan), np.full(X.shape[1], np.nan)
        for rows in pieces:
            n_observed += (~np.isnan(X[rows])).sum(axis=0)
            low = np.fmin(low, np.fmin.reduce(X[rows]))
            high = np.fmax(high, np.fmax.reduce(X[rows]))
        n_observed = np.maximum(n_observed, 1)
        unit = _unit(low, high)
        total, squares = np.zeros(X.shape[1]), np.zeros(X.shape[1])
        for rows in pieces:
            total += np.nansum(X[rows] / unit, axis=0)
        mean = total / n_observed
        for rows in pieces:
            squares += np.nansum(np.square(X[rows] / unit - mean), axis=0)
        std = np.sqrt(squares / n_observed)
        return cls._checked(unit * mean, unit * std, low, high)

    @classmethod
    def _of_sparse(cls, X):
        low, high = min_max_axis(X, axis=0, ignore_nan=True)
        unit = _unit(low, high)
        X = X.astype(np.float64)
        X.data /= unit[X.indices]
        with np.errstate(invalid="ignore"):
            mean, variance = mean_variance_axis(X, axis=0)
        mean, std = unit * np.nan_to_num(mean), unit * np.sqrt(variance)
        return cls._checked(mean, std, low, high)

    @classmethod
    def _checked(cls, mean, std, low, high):
        low, high = np.nan_to_num([low, high]).astype(np.float64)
        std = np.where((std > 0) & (low < high), np.maximum(std, SCALE_MIN), 1.0)
        return cls(mean, std, low, high)


def _unit(low, high):
    """Powers of two near the largest magnitudes of columns: they divide exactly."""
    largest = np.nan_to_num(np.fmax(np.abs(low), np.abs(high))).astype(np.float64)
    return np.ldexp(1.0, np.frexp(largest)[1] - 1)


class Levels:
    """The levels of a categorical column, the most frequent first.

    Parameters
    ----------
    values : list
        The column's cells, None where one is missing.
    min_frequency, max_categories
        As in :class:`~sklearn.preprocessing.OneHotEncoder`. Levels that are too rare
        share the last code, which stands for the most frequent among them.
    fallback : object
        The one level of a column without any observed cell.

    Attributes
    ----------
    names : ndarray of object
        The level of each code.
    n_seen : int
        Number of different values, before rare ones are grouped.
    types : set of type
        Their types; all numbers are of one.
    """

    def __init__(self, values, min_frequency, max_categories, fallback):
        counts = Counter(value for value in values if not _frames.is_missing(value))
        ranked = [level for level, _ in counts.most_common()] or [fallback]
        n_kept = len(ranked)
        if min_frequency is not None:
            if not isinstance(min_frequency, Integral):
                min_frequency = min_frequency * len(values)
            n_kept = sum(count >= min_frequency for count in counts.values())
        if max_categories is not None and len(ranked) > max_categories:
            n_kept = min(n_kept, max_categories - 1)
        self.n_seen = len(counts)
        self.types = self.types_of(ranked)
        self._codes = {level: min(code, n_kept) for code, level in enumerate(ranked)}
        self.names = np.empty(min(n_kept + 1, len(ranked)), dtype=object)
        self.names[:] = ranked[: len(self.names)]

    def __len__(self):
        return len(self.names)

    @staticmethod
    def types_of(values):
        """The types of cells that are not missing, as `types`."""
        known = (value for value in values if not _frames.is_missing(value))
        return {Number if isinstance(value, Number) else type(value) for value in known}

    def encode(self, values):
        """Codes of cells, `MISSING` or `UNSEEN` where there is no such level."""
        codes = self._codes
        return np.array(
            [
                codes.get(value, UNSEEN) if not _frames.is_missing(value) else MISSING
                for value in values
            ],
            dtype=np.int32,
        )


class TableCodec:
    """Turns tables into cells, and what is expected of cells into tables.

    Statistics are taken, and numbers are scaled, in float64 and cast to float32 after:
    a column of 1.7e9 + N(0, 1), say of timestamps, would lose everything if cast first.

    Parameters
    ----------
    scaling : {"standard", "minmax", "quantile"} or None
        How numeric columns are scaled.
    min_frequency, max_categories
        How rare levels are grouped, see `Levels`.

    Attributes
    ----------
    numeric_, categorical_ : ndarray of int
        Positions of the columns in the table, in the order that cells have them.
    statistics_ : ColumnStatistics
        Of the numeric columns, in the units of the table.
    constant_ : ndarray of bool of shape (n_numeric,)
        Columns without two different observed values. They are encoded as zeros and
        decoded to their one value, or to 0 if they have none.
    levels_ : list of n_categorical Levels
    frequencies_ : list of n_categorical ndarrays of shape (n_levels,)
    template_ : DataFrame or None
        The table of `fit` without its rows, if it was a DataFrame.
    """

    def __init__(self, scaling, min_frequency, max_categories):
        self.scaling = scaling
        self.min_frequency = min_frequency
        self.max_categories = max_categories

    def fit(self, X, is_categorical, template, random_state):
        """Learn the columns of `X` and return it as a Table.

        Parameters
        ----------
        X : ndarray or DataFrame of shape (n_samples, n_features)
        is_categorical : ndarray of bool of shape (n_features,)
        template : array-like or DataFrame
            The table as the user gave it, before validation may have made `X` of it.
        random_state : RandomState
            Picks the rows that quantiles are estimated from.
        """
        is_frame = _frames.is_frame(template)
        self.template_ = _frames.without_rows(template) if is_frame else None
        self.dtype_ = _array_dtype(X)
        self.numeric_ = np.flatnonzero(~is_categorical)
        self._fit_levels(X, np.flatnonzero(is_categorical))
        table = self.read(X)
        self.frequencies_ = [
            _shares(codes[codes >= 0], len(levels))
            for codes, levels in zip(table.codes.T, self.levels_, strict=True)
        ]
        self._fit_scaling(table.numeric, random_state)
        return table

    def _fit_levels(self, X, positions):
        levels = [self._levels_of(X, position) for position in positions]
        # Columns of as many levels side by side: the loss takes them as one block.
        order = np.argsort([len(of_column) for of_column in levels], kind="stable")
        self.categorical_ = positions[order]
        self.levels_ = [levels[k] for k in order]

    def _levels_of(self, X, position):
        values = self._values(X, position)
        fallback = self._fallback_level(position)
        with self._naming(position):
            levels = Levels(values, self.min_frequency, self.max_categories, fallback)
        if levels.n_seen > max(MANY_LEVELS, len(values) / 2):
            warnings.warn(
                f"Column {self._label(position)!r} is taken as a category and has "
                f"{levels.n_seen} different values in {len(values)} rows, from which "
                f"hardly anything can be learned. Leave it out if it names the rows; "
                f"turn dates and numbers that are written as text into numbers.",
                UserWarning,
                stacklevel=2,
            )
        return levels

    @contextmanager
    def _naming(self, position):
        """Name the column whose values, lists for example, cannot be compared."""
        try:
            yield
        except (TypeError, ValueError) as error:
            raise ValueError(
                f"Column {self._label(position)!r} holds values that cannot be "
                f"categories: {error}. Turn them into numbers or strings first, or "
                f"drop the column."
            ) from error

    def _fallback_level(self, position):
        """The level of a column without any observed cell."""
        if self.template_ is None:
            return "" if self.dtype_.kind == "O" else 0.0
        column = self.template_[self.template_.columns[position]]
        declared = _frames.declared_levels(column)
        if declared:
            return declared[0]
        kind = _frames.kind_of(column)
        return {"boolean": False, "categorical": ""}.get(kind, 0)

    def _fit_scaling(self, numeric, random_state):
        self.statistics_ = ColumnStatistics.of(numeric)
        mean, std, low, high = self.statistics_
        self.constant_ = low == high
        # Halves, since the range of a column may be larger than the largest number.
        if self.scaling == "standard":
            self._half_center, self._half_scale = mean / 2, std / 2
        elif self.scaling == "minmax":
            half_range = np.where(self.constant_, 0.5, high / 2 - low / 2)
            self._half_center = low / 2
            self._half_scale = np.maximum(half_range, SCALE_MIN / 2)
        elif self.scaling == "quantile":
            # Scikit-learn takes for the end of a column all that is within 1e-7 of it.
            self._half_center, self._half_scale = 0.0, np.minimum(std, 2.0) / 2
        else:
            self._half_center, self._half_scale = 0.0, 0.5
        self._quantiles = None
        if self.scaling == "quantile" and len(self.numeric_):
            self._quantiles = self._fit_quantiles(numeric, random_state)

    def _fit_quantiles(self, numeric, random_state):
        # Imported here, since few tables need it.
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
        """What training must know of the columns: a ColumnSummary."""
        mean, _, low, high = self.statistics_
        scaled = self._scaled(np.vstack([mean, low, high])).astype(np.float32)
        return ColumnSummary(
            *torch.from_numpy(scaled),
            tuple(torch.tensor(f, dtype=torch.float32) for f in self.frequencies_),
            bounded=self.scaling == "minmax",
        )

    def check_unit_range(self, statistics):
        """Raise ValueError unless numbers of such ColumnStatistics scale to [0, 1]."""
        _, _, *ends = statistics
        low, high = self._scaled(np.vstack(ends))
        outside = np.flatnonzero((low < -1e-6) | (high > 1 + 1e-6))
        if len(outside):
            j = outside[0]
            raise ValueError(
                f"loss='log_loss' needs values in [0, 1], but column "
                f"{self._label(self.numeric_[j])!r} holds values from {ends[0][j]} to "
                f"{ends[1][j]}. Set scaling='minmax'. If a previous call has scaled "
                f"it by other rows, clip the column to their range, or call fit with "
                f"warm_start=False."
            )

    @property
    def learned(self):
        """Mask of the columns that were not constant in training."""
        learned = np.ones(self.n_features, dtype=bool)
        learned[self.numeric_] = ~self.constant_
        learned[self.categorical_] = [len(shares) > 1 for shares in self.frequencies_]
        return learned

    def check_levels(self, X, table):
        """Raise ValueError if a column of categories has become one of something else.

        That is so if no cell of it holds a level, and all are of other types than the
        levels. `table` is the Table that was read from `X`.
        """
        if self.template_ is None or not _frames.is_frame(X):
            return
        for k, position in enumerate(self.categorical_):
            observed = table.codes[:, k] != MISSING
            if not observed.any() or (table.codes[observed, k] != UNSEEN).any():
                continue
            column = X[X.columns[position]]
            given = self.levels_[k].types_of(_frames.values(column))
            if not given & self.levels_[k].types:
                before = self.template_[self.template_.columns[position]]
                raise ValueError(
                    f"Column {self._label(position)!r} of dtype {column.dtype} holds "
                    f"no level known from the first rows, where it was of dtype "
                    f"{before.dtype}. Turn it back into that."
                )

    def by_kind(self, of_columns):
        """Numbers that go with the columns of the table, as Cells of one row."""
        of_columns = torch.tensor(of_columns, dtype=torch.float32)
        return Cells(of_columns[self.numeric_], of_columns[self.categorical_])

    def read(self, X):
        """A user's table, an array or a DataFrame, as a Table."""
        codes = self._empty_codes(X.shape[0])
        for k, position in enumerate(self.categorical_):
            with self._naming(position):
                codes[:, k] = self.levels_[k].encode(self._values(X, position))
        return Table(self._numbers(X), codes)

    def _numbers(self, X):
        if sparse.issparse(X):
            numeric = _canonical(X.tocsr())
            infinite = numeric.indices[np.isinf(numeric.data)]
            if len(infinite):
                raise self._infinity_in(infinite.min())
            return numeric
        numeric = X
        if _frames.is_frame(X):
            numeric = self._numbers_of_frame(X)
        elif len(self.categorical_):
            try:
                numeric = X[:, self.numeric_].astype(np.float64)
            except (TypeError, ValueError) as error:
                remedy = "Name columns of text in 'categorical_features'."
                if self.template_ is not None:
                    remedy = "Pass a DataFrame, as in fit."
                raise ValueError(
                    f"Columns {self.numeric_.tolist()} must hold numbers: {error}. "
                    f"{remedy}"
                ) from error
        for rows in pieces_of(*numeric.shape):
            infinite = np.isinf(numeric[rows]).any(axis=0)
            if infinite.any():
                raise self._infinity_in(infinite.argmax())
        return numeric

    def _numbers_of_frame(self, X):
        """The numbers of a DataFrame; rows are made of a large one as they are used."""
        columns = list(X.columns)
        numeric = _frames.Numbers(X, [columns[j] for j in self.numeric_])
        return numeric[:] if math.prod(numeric.shape) <= FEW_CELLS else numeric

    def _infinity_in(self, j):
        """The error that the `j`-th column of numbers holds an infinite value."""
        return ValueError(
            f"Column {self._label(self.numeric_[j])!r} of X contains infinity. Replace "
            f"it, by NaN where it stands for a missing value."
        )

    def _values(self, X, position):
        if _frames.is_frame(X):
            return _frames.values(X[X.columns[position]])
        return X[:, position].tolist()

    def _label(self, position):
        names = None if self.template_ is None else self.template_.columns
        return int(position) if names is None else names[position]

    def encode(self, table, order=None):
        """Cells of the rows of a Table, or of those that `order` lists."""
        if sparse.issparse(table.numeric):
            return self._encode_sparse(table.numeric, order)
        n_rows = len(table) if order is None else len(order)
        numeric = np.empty((n_rows, len(self.numeric_)), dtype=np.float32)
        for rows in pieces_of(*numeric.shape):
            picked = rows if order is None else order[rows]
            numeric[rows] = self._scaled(table.numeric[picked])
        codes = table.codes if order is None else table.codes[order]
        return Cells(torch.from_numpy(numeric), torch.from_numpy(codes))

    def _encode_sparse(self, numeric, order):
        """What `_scaled` does, to the values that are not zero and to zero itself."""
        self._check_dense(numeric)
        numbers = sparse.csr_array(numeric if order is None else numeric[order])
        half_scale = np.where(self.constant_, np.inf, self._half_scale)
        with np.errstate(over="ignore"):
            data = numbers.data.astype(np.float64) / 2 / half_scale[numbers.indices]
        data = np.clip(data, -LARGEST, LARGEST).astype(np.float32)
        numbers = sparse.csr_array(
            (data, numbers.indices, numbers.indptr), shape=numbers.shape
        )
        zeros = -self._half_center / half_scale
        return SparseCells(numbers, zeros.astype(np.float32))

    def _scaled(self, values):
        with np.errstate(over="ignore"):  # And cut off below.
            values = values.astype(np.float64) / 2 - self._half_center
            values /= self._half_scale
        if self._quantiles is not None:
            values = np.clip(values, -FLOAT_MAX, FLOAT_MAX)
            values = self._quantiles.transform(values)
        # A constant column says nothing, also where its value is another one.
        values[:, self.constant_] *= 0
        return np.clip(values, -LARGEST, LARGEST)

    def empty(self, n_rows):
        """A Table of `n_rows` rows to be set."""
        numeric = np.empty((n_rows, len(self.numeric_)))
        return Table(numeric, self._empty_codes(n_rows))

    def _empty_codes(self, n_rows):
        largest = max(map(len, self.levels_), default=1) - 1
        dtype = next(
            t for t in (np.int8, np.int16, np.int32) if largest <= np.iinfo(t).max
        )
        return np.empty((n_rows, len(self.levels_)), dtype=dtype)

    def decode(self, numeric, probabilities):
        """The Table that is expected, by scaled numbers and the levels' probabilities.

        Parameters
        ----------
        numeric : ndarray of shape (n_rows, n_numeric)
        probabilities : ndarray of shape (n_rows, n_levels), all columns side by side
        """
        codes = self._empty_codes(len(numeric))
        for k, of_column in enumerate(self._by_column(probabilities)):
            codes[:, k] = of_column.argmax(axis=1)
        return Table(self._unscaled(numeric), codes)

    def _by_column(self, probabilities):
        ends = np.cumsum([len(levels) for levels in self.levels_])
        return np.split(probabilities, ends[:-1], axis=1) if len(ends) else []

    def _unscaled(self, numeric):
        values = numeric.astype(np.float64)
        if self._quantiles is not None:
            values = self._quantiles.inverse_transform(values)
        with np.errstate(over="ignore"):
            values = 2 * (values * self._half_scale + self._half_center)
        values = np.clip(values, -FLOAT_MAX, FLOAT_MAX)
        return np.where(self.constant_, self.statistics_.low, values)

    def hide(self, table, hidden):
        """The Table with some cells missing, where `hidden` has True for them."""
        numeric = np.where(hidden[:, self.numeric_], np.nan, table.numeric)
        codes = np.where(hidden[:, self.categorical_], MISSING, table.codes)
        return Table(numeric, codes)

    def missing(self, table):
        """Mask of the missing cells of a Table, in the order of the user's columns."""
        missing = np.empty((len(table), self.n_features), dtype=bool)
        missing[:, self.numeric_] = np.isnan(table.numeric)
        missing[:, self.categorical_] = table.codes == MISSING
        return missing

    @property
    def n_features(self):
        return len(self.numeric_) + len(self.categorical_)

    def errors(self, table, numeric, probabilities):
        """Squared errors of what is expected, relative to the columns' own variance.

        A category counts as its one-hot code, so that its error is the Brier score.

        Returns
        -------
        errors : ndarray of shape (n_rows, n_features), float32
            1.0 is what the column's mean, or frequencies, cost on average. NaN where a
            cell is missing or its level unseen.
        """
        return self._errors(
            table, self._unscaled(numeric), self._by_column(probabilities)
        )

    def baseline_errors(self, table):
        """The errors of the columns' means and frequencies."""
        frequencies = [shares[None] for shares in self.frequencies_]
        return self._errors(table, self.statistics_.mean, frequencies)

    def _errors(self, table, values, probabilities):
        errors = np.empty((len(table), self.n_features), dtype=np.float32)
        with np.errstate(over="ignore"):
            scaled = (table.numeric / 2 - values / 2) / (self.statistics_.std / 2)
        errors[:, self.numeric_] = np.square(np.clip(scaled, -LARGEST, LARGEST))
        for k, position in enumerate(self.categorical_):
            codes, shares = table.codes[:, k], self.frequencies_[k]
            brier = _brier_score(codes, probabilities[k])
            variance = 1 - np.square(shares).sum()
            errors[:, position] = brier / (variance if len(shares) > 1 else 1.0)
        return errors

    def write(self, table, index=None):
        """A Table without missing cells as a table like the one of `fit`.

        Integer and boolean columns of a DataFrame hold the nearest value they can hold.
        `index` is for the rows of pandas.
        """
        return self._assemble(self._columns(table), index, self.dtype_)

    def fill(self, X, table, expected):
        """A user's table with its missing cells taken from the Table `expected`.

        `table` is the Table that was read from `X`.
        """
        table = table.rows(slice(None))
        missing = self.missing(table)
        columns = self._columns(expected)
        if self.template_ is not None and type(X) is type(self.template_):
            filled = {name: X[name] for name in X.columns}
            for j in np.flatnonzero(missing.any(axis=0)):
                name = X.columns[j]
                template = self.template_[self.template_.columns[j]]
                filled[name] = _frames.fill_column(
                    X[name], missing[:, j], columns[j], template
                )
            return type(X)(filled)
        for j, position in enumerate(self.numeric_):
            observed = table.numeric[:, j]
            columns[position] = np.where(
                np.isnan(observed), columns[position], observed
            )
        index = _frames.index_of(X)
        X = X if hasattr(X, "shape") else np.asarray(X, dtype=object)
        for position in self.categorical_:
            observed = np.empty(len(table), dtype=object)
            observed[:] = self._values(X, position)
            columns[position] = np.where(
                missing[:, position], columns[position], observed
            )
        # Cells of levels that were not seen need not be numbers, as those of fit were.
        numbers = not len(self.categorical_) or getattr(X, "dtype", None) == self.dtype_
        return self._assemble(columns, index, self.dtype_ if numbers else object)

    def _columns(self, table):
        """The cells of each of the user's columns, as a list of arrays."""
        columns = [None] * self.n_features
        for j, position in enumerate(self.numeric_):
            columns[position] = table.numeric[:, j]
        for k, position in enumerate(self.categorical_):
            columns[position] = self.levels_[k].names[table.codes[:, k]]
        return columns

    def _assemble(self, columns, index, dtype):
        if self.template_ is not None:
            return _frames.frame_like(self.template_, columns, index)
        X = np.empty((len(columns[0]), self.n_features), dtype=dtype)
        for position, cells in enumerate(columns):
            X[:, position] = cells
        return X

    def frame(self, of_cells, index=None):
        """Numbers that go with cells, under the columns' names if they have any."""
        if self.template_ is None:
            return of_cells
        return _frames.frame_of_numbers(self.template_, of_cells, index)


def _canonical(X):
    """A CSR matrix with its values in order and one for each place; `X` is not touched.

    Values of one place are summed whenever a matrix becomes dense, but not before.
    """
    if not X.has_canonical_format:
        X = X.copy()
        X.sum_duplicates()
    return X


def _shares(codes, n_levels):
    counts = np.bincount(codes, minlength=n_levels)
    return counts / max(counts.sum(), 1)


def _brier_score(codes, shares):
    """Squared distance of the shares of levels from the one-hot codes."""
    known = codes >= 0
    rows = np.arange(len(codes)) if len(shares) > 1 else 0
    of_level = shares[rows, np.maximum(codes, 0)]
    score = np.square(shares).sum(axis=1) - 2 * of_level + 1
    return np.where(known, score, np.nan)


def _array_dtype(X):
    """The dtype of arrays that stand for tables like `X`."""
    if _frames.is_frame(X) or X.dtype.kind in "iub":
        return np.dtype(np.float64)
    return X.dtype if X.dtype.kind == "f" else np.dtype(object)
