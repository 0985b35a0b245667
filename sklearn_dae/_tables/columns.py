"""What is learned of each column: its kind, its statistics or its levels."""

from __future__ import annotations

from collections import Counter
from numbers import Integral, Number
from typing import NamedTuple

import numpy as np
from scipy import sparse
from sklearn.utils.sparsefuncs import mean_variance_axis, min_max_axis

from .._cells import row_chunks
from . import frames

# Smallest scale of a column: its half is still a normal float64.
SCALE_MIN = 2 * np.finfo(np.float64).tiny
# Codes of cells without a level.
MISSING, UNSEEN = -1, -2
OF_DATES = (
    "Turn dates into numbers first, for example by skrub's DatetimeEncoder in a "
    "ColumnTransformer, and durations by total_seconds, or drop the column."
)


def names_and_kinds(X):
    """Find the names and the kinds of the columns of a table.

    Returns
    -------
    names : list or None
        None for an array or a sparse matrix.
    kinds : list of str
        See :func:`frames.kind_of`. Empty for an array or a sparse matrix.

    Raises
    ------
    ValueError
        If a DataFrame has no columns, or two of one name.
    """
    if not frames.is_frame(X):
        return None, []
    names = list(X.columns)
    if not names:
        raise ValueError("Found a table with 0 feature(s). Pass one with columns.")
    if len(set(names)) < len(names):
        raise ValueError(f"Expected unique column names. Got {names}: rename some.")
    return names, [frames.kind_of(X[name]) for name in names]


def check_numbers(X, names, kinds, is_categorical):
    """Raise ValueError if a column is neither categorical nor of numbers."""
    for j, kind in enumerate(kinds):
        if not is_categorical[j] and kind not in ("numeric", "boolean"):
            raise ValueError(_not_a_number(names[j], X[names[j]].dtype, kind))


def _not_a_number(name, dtype, kind):
    message = f"Column {name!r} of dtype {dtype} holds no numbers. "
    if kind == "date":
        return message + OF_DATES
    if kind == "categorical":
        return message + (
            "Name it in 'categorical_features', which are all that there are, or set "
            "categorical_features='from_dtype'. Turn numbers that are written as text "
            "into numbers first, for example by pandas.to_numeric."
        )
    return message + "Turn it into numbers or strings first, or drop it."


def check_no_dates(X):
    """Raise ValueError if `X` is an array of dates, which NumPy takes for numbers."""
    dtype = getattr(X, "dtype", None)
    if getattr(dtype, "kind", None) in ("m", "M"):
        raise ValueError(f"X of dtype {dtype} holds no numbers. {OF_DATES}")


class ColumnStatistics(NamedTuple):
    """Statistics of each column's observed values, in float64.

    Attributes
    ----------
    mean, std, low, high : ndarray of shape (n_features,)
        Mean, standard deviation, minimum and maximum. For a column without an observed
        value they are 0. A standard deviation of 0 is given as 1.
    """

    mean: np.ndarray
    std: np.ndarray
    low: np.ndarray
    high: np.ndarray

    @classmethod
    def of(cls, X):
        """Compute the statistics of the columns of `X`, in three passes over chunks.

        scikit-learn's `StandardScaler.partial_fit` needs one pass, but gives NaN for a
        column whose first rows are all missing, and overflows for large values.
        """
        if sparse.issparse(X):
            return cls._of_sparse(X)
        chunks = row_chunks(*X.shape)
        n_observed = np.zeros(X.shape[1])
        low, high = np.full(X.shape[1], np.nan), np.full(X.shape[1], np.nan)
        for rows in chunks:
            n_observed += (~np.isnan(X[rows])).sum(axis=0)
            # fmin and fmax ignore NaN where there is a number, without a warning.
            low = np.fmin(low, np.fmin.reduce(X[rows]))
            high = np.fmax(high, np.fmax.reduce(X[rows]))
        # A sum over no value is 0, and so is its mean then.
        n_observed = np.maximum(n_observed, 1)
        unit = _unit(low, high)
        total, squares = np.zeros(X.shape[1]), np.zeros(X.shape[1])
        for rows in chunks:
            total += np.nansum(X[rows] / unit, axis=0)
        mean = total / n_observed
        for rows in chunks:
            squares += np.nansum(np.square(X[rows] / unit - mean), axis=0)
        std = np.sqrt(squares / n_observed)
        return cls._checked(unit * mean, unit * std, low, high)

    @classmethod
    def _of_sparse(cls, X):
        low, high = min_max_axis(X, axis=0, ignore_nan=True)
        unit = _unit(low, high)
        X = X.astype(np.float64)
        X.data /= unit[X.indices]
        with np.errstate(invalid="ignore"):  # Columns without an observed value.
            mean, variance = mean_variance_axis(X, axis=0)
        mean, std = unit * np.nan_to_num(mean), unit * np.sqrt(variance)
        return cls._checked(mean, std, low, high)

    @classmethod
    def _checked(cls, mean, std, low, high):
        """Replace what a column without two different values would divide by."""
        low, high = np.nan_to_num([low, high]).astype(np.float64)
        std = np.where((std > 0) & (low < high), np.maximum(std, SCALE_MIN), 1.0)
        return cls(mean, std, low, high)


def _unit(low, high):
    """Compute powers of two near the largest magnitudes of columns.

    Values divided by them have squares that do not overflow, and a division by a power
    of two is exact.
    """
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
    has_group : bool
        Whether the last code is a group of rare levels.
    types : set of type
        Types of the values; `Number` for all numbers.
    """

    def __init__(self, values, min_frequency, max_categories, fallback):
        counts = Counter(value for value in values if not frames.is_missing(value))
        ranked = [level for level, _ in counts.most_common()] or [fallback]
        n_frequent = len(ranked)
        if min_frequency is not None:
            # A float is a fraction of the rows, missing cells included.
            if not isinstance(min_frequency, Integral):
                min_frequency = min_frequency * len(values)
            n_frequent = sum(count >= min_frequency for count in counts.values())
        if max_categories is not None and len(ranked) > max_categories:
            # One code is for the group of all others.
            n_frequent = min(n_frequent, max_categories - 1)
        self.n_seen = len(counts)
        self.has_group = n_frequent + 1 < len(ranked)
        self.types = self.types_of(ranked)
        self._codes = {lvl: min(code, n_frequent) for code, lvl in enumerate(ranked)}
        # Assigned to an array of objects: np.array would make arrays of tuples.
        self.names = np.empty(min(n_frequent + 1, len(ranked)), dtype=object)
        self.names[:] = ranked[: len(self.names)]

    def __len__(self):
        return len(self.names)

    @staticmethod
    def types_of(values):
        """Collect the types of the cells that are not missing."""
        known = (value for value in values if not frames.is_missing(value))
        return {Number if isinstance(value, Number) else type(value) for value in known}

    def encode(self, values):
        """Turn cells into codes, `MISSING` or `UNSEEN` where there is no level."""
        # A dict lookup: cells may be any hashable objects, which NumPy cannot sort.
        codes = self._codes
        return np.array(
            [
                codes.get(value, UNSEEN) if not frames.is_missing(value) else MISSING
                for value in values
            ],
            dtype=np.int32,
        )
