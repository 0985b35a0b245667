"""Learn the kind of each column, and its statistics or its levels."""

from __future__ import annotations

from collections import Counter
from numbers import Integral, Number
from typing import NamedTuple

import numpy as np
from scipy import sparse
from sklearn.utils.sparsefuncs import mean_variance_axis, min_max_axis

from .._cells import row_chunks
from . import frames
from .arrays import COMPLEX_REMEDY, DATES_REMEDY, is_missing

# Smallest scale of a column. Half of it is still a normal float64.
SCALE_MIN = 2 * np.finfo(np.float64).tiny
# Codes of missing cells, and of levels that fit has not seen.
MISSING, UNSEEN = -1, -2


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
        If a DataFrame has no columns, or two columns of the same name.
    """
    if not frames.is_frame(X):
        return None, []
    names = frames.names(X)
    if not names:
        raise ValueError("Found a table with 0 feature(s). Pass a table with columns.")
    if len(set(names)) < len(names):
        raise ValueError(
            f"Column names must be unique. Got {names}. Rename the columns that share "
            f"a name."
        )
    return names, [frames.kind_of(column) for column in frames.columns(X)]


def check_numbers(X, names, kinds, is_categorical):
    """Raise ValueError if a column holds no numbers and is not categorical.

    A column of dtype Object of polars is always refused, because it cannot be pickled.
    """
    for j, kind in enumerate(kinds):
        if frames.is_polars_object(frames.column(X, j)):
            raise ValueError(
                f"Column {names[j]!r} of dtype Object cannot be used, because polars "
                f"cannot save it. Convert it to numbers, strings or pl.Categorical "
                f"first, or drop it."
            )
        if not is_categorical[j] and kind not in ("numeric", "boolean"):
            dtype = frames.column(X, j).dtype
            raise ValueError(_not_a_number(names[j], dtype, kind))


def _not_a_number(name, dtype, kind):
    message = f"Column {name!r} of dtype {dtype} holds no numbers. "
    if kind == "date":
        return message + DATES_REMEDY
    if kind == "complex":
        return message + COMPLEX_REMEDY
    if kind == "categorical":
        return message + (
            "Add it to 'categorical_features', which must list every categorical "
            "column, or set categorical_features='from_dtype'. Convert numbers that "
            "are stored as text first, for example by pandas.to_numeric."
        )
    return message + "Convert it to numbers or strings first, or drop it."


class ColumnStatistics(NamedTuple):
    """Statistics of each column's observed values, in float64.

    Attributes
    ----------
    mean, std, low, high : ndarray of shape (n_features,)
        Mean, standard deviation, minimum and maximum. They are 0 for a column without
        an observed value. A standard deviation of 0 is replaced by 1.
    """

    mean: np.ndarray
    std: np.ndarray
    low: np.ndarray
    high: np.ndarray

    @classmethod
    def of(cls, X):
        """Compute the statistics of the columns of `X`, in three passes over chunks.

        scikit-learn's `StandardScaler.partial_fit` needs one pass. But it gives NaN for
        a column whose first rows are all missing, and it overflows for large values.
        """
        if sparse.issparse(X):
            return cls._of_sparse(X)
        chunks = row_chunks(*X.shape)
        n_observed = np.zeros(X.shape[1])
        low, high = np.full(X.shape[1], np.nan), np.full(X.shape[1], np.nan)
        for rows in chunks:
            n_observed += (~np.isnan(X[rows])).sum(axis=0)
            # fmin and fmax ignore NaN. Unlike nanmin, they do not warn if all is NaN.
            low = np.fmin(low, np.fmin.reduce(X[rows]))
            high = np.fmax(high, np.fmax.reduce(X[rows]))
        # Dividing by at least 1 makes the mean of a column without a value 0.
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
        # A column without an observed value gives 0 / 0.
        with np.errstate(invalid="ignore"):
            mean, variance = mean_variance_axis(X, axis=0)
        mean, std = unit * np.nan_to_num(mean), unit * np.sqrt(variance)
        return cls._checked(mean, std, low, high)

    @classmethod
    def _checked(cls, mean, std, low, high):
        """Replace NaN by 0, and standard deviations of constant columns by 1."""
        low, high = np.nan_to_num([low, high]).astype(np.float64)
        std = np.where((std > 0) & (low < high), np.maximum(std, SCALE_MIN), 1.0)
        return cls(mean, std, low, high)


def _unit(low, high):
    """Compute a power of two near the largest magnitude of each column.

    The squares of values divided by it do not overflow. The division is exact, because
    it only changes exponents.
    """
    largest = np.nan_to_num(np.fmax(np.abs(low), np.abs(high))).astype(np.float64)
    return np.ldexp(1.0, np.frexp(largest)[1] - 1)


def find_whole(X):
    """Find the columns whose observed values are all whole numbers, at least one."""
    if sparse.issparse(X):
        whole = np.ones(X.shape[1], dtype=bool)
        whole[X.indices[~np.isnan(X.data) & (X.data != np.rint(X.data))]] = False
        n_missing = np.bincount(X.indices[np.isnan(X.data)], minlength=X.shape[1])
        return whole & (n_missing < X.shape[0])
    whole, observed = np.ones(X.shape[1], dtype=bool), np.zeros(X.shape[1], dtype=bool)
    for rows in row_chunks(*X.shape):
        numbers = X[rows]
        missing = np.isnan(numbers)
        whole &= ((numbers == np.rint(numbers)) | missing).all(axis=0)
        observed |= ~missing.all(axis=0)
        if not whole.any():
            break
    return whole & observed


class Levels:
    """Levels of a categorical column.

    Parameters
    ----------
    ranked : list
        All levels, the most frequent first.
    n_codes : int
        Number of codes. Levels that are too rare share the last code, which is decoded
        as the most frequent of them.
    counts : ndarray of int of shape (n_levels,), or None
        Number of cells of each level. All are 0 for a column without an observed cell,
        whose only level is a fallback. None if they are not known.

    Attributes
    ----------
    names : ndarray of object
        The level of each code.
    n_seen : int
        Number of different values.
    n_rare : int
        Number of rare levels that share the last code. 0 if there is no such group.
    types : set of type
        Types of the values. `Number` and `str` stand for all types that belong to them.
    """

    def __init__(self, ranked, n_codes, n_seen, counts):
        self.n_seen, self.counts = n_seen, counts
        self.n_rare = len(ranked) - n_codes + 1 if n_codes < len(ranked) else 0
        self.types = self.types_of(ranked)
        self._ranks = {level: rank for rank, level in enumerate(ranked)}
        # Assigned to an array of objects: np.array would unpack levels that are tuples.
        self.names = np.empty(n_codes, dtype=object)
        self.names[:] = ranked[:n_codes]

    @classmethod
    def learn(cls, values, min_frequency, max_categories, fallback):
        """Learn the levels of a column.

        Parameters
        ----------
        values : list
            The cells of the column, None where a cell is missing.
        min_frequency, max_categories
            As in :class:`~sklearn.preprocessing.OneHotEncoder`.
        fallback : object
            The only level of a column without an observed cell.
        """
        counts = Counter(value for value in values if not is_missing(value))
        ranked = [level for level, _ in counts.most_common()] or [fallback]
        n_frequent = len(ranked)
        if min_frequency is not None:
            # A float is a fraction of the rows, missing cells included.
            if not isinstance(min_frequency, Integral):
                min_frequency = min_frequency * len(values)
            n_frequent = sum(count >= min_frequency for count in counts.values())
        if max_categories is not None and len(ranked) > max_categories:
            # Reserve one code for the group of all other levels.
            n_frequent = min(n_frequent, max_categories - 1)
        n_codes = min(n_frequent + 1, len(ranked))
        of_ranked = np.array([counts[level] for level in ranked], dtype=np.int64)
        return cls(ranked, n_codes, len(counts), of_ranked)

    def __len__(self):
        return len(self.names)

    @property
    def codes(self):
        """Map the levels to their ranks. Empty if `fit` saw no value of the column."""
        return dict(self._ranks) if self.n_seen else {}

    @property
    def ranked(self):
        """List all levels, the most frequent first."""
        return list(self._ranks)

    @staticmethod
    def types_of(values):
        """Collect the types of the cells that are not missing."""
        known = {type(value) for value in values if not is_missing(value)}
        # Types of NumPy and Python that hold the same values count as one.
        return {
            next((base for base in (Number, str) if issubclass(kind, base)), kind)
            for kind in known
        }

    def encode(self, values):
        """Convert cells to ranks, `MISSING` or `UNSEEN` where there is no level."""
        # Cells may be any hashable objects. NumPy cannot sort these, a dict finds them.
        # The fallback level of a column without any value was not seen, either.
        ranks = self._ranks if self.n_seen else {}
        return np.array(
            [
                ranks.get(value, UNSEEN) if not is_missing(value) else MISSING
                for value in values
            ],
            dtype=np.int32,
        )
