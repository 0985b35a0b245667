"""TableCodec: a user's table to cells, and back."""

from __future__ import annotations

import sys
from typing import NamedTuple

import numpy as np
import torch
from sklearn.preprocessing import QuantileTransformer
from sklearn.utils import gen_batches

from ._cells import Cells, ColumnSummary

# Rows scaled at once, so that no second copy of the table is ever held.
ROWS_AT_ONCE = 16_384
# Rows that quantiles are estimated from.
QUANTILE_ROWS = 10_000


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

        In two passes: scikit-learn's `StandardScaler.partial_fit` gives NaN for a
        column whose first rows are all missing.
        """
        pieces = list(gen_batches(len(X), ROWS_AT_ONCE))
        n_observed = np.zeros(X.shape[1])
        total = np.zeros(X.shape[1])
        low, high = np.full(X.shape[1], np.nan), np.full(X.shape[1], np.nan)
        for rows in pieces:
            n_observed += (~np.isnan(X[rows])).sum(axis=0)
            total += np.nansum(X[rows], axis=0, dtype=np.float64)
            low = np.fmin(low, np.fmin.reduce(X[rows]))
            high = np.fmax(high, np.fmax.reduce(X[rows]))
        n_observed = np.maximum(n_observed, 1)
        mean = total / n_observed
        squares = np.zeros(X.shape[1])
        for rows in pieces:
            squares += np.nansum(np.square(X[rows] - mean), axis=0)
        std = np.sqrt(squares / n_observed)
        low, high = np.nan_to_num(low), np.nan_to_num(high)
        return cls(mean, np.where((std == 0) | (low == high), 1.0, std), low, high)


class TableCodec:
    """Turns tables into cells and cells into tables like the one it was fitted on.

    Statistics are taken, and numbers are scaled, in float64 and cast to float32 after:
    a column of 1.7e9 + N(0, 1), say of timestamps, would lose everything if cast first.

    Parameters
    ----------
    scaling : {"standard", "minmax", "quantile"} or None
        How numeric columns are scaled.
    random_state : RandomState
        Picks the rows that quantiles are estimated from.

    Attributes
    ----------
    statistics_ : ColumnStatistics
        Of the columns in the units of the table.
    constant_ : ndarray of bool of shape (n_features,)
        Columns without two different observed values. They are encoded as zeros and
        decoded to their one value, or to 0 if they have none.
    """

    def __init__(self, scaling, random_state):
        self.scaling = scaling
        self.random_state = random_state

    def fit(self, X, template):
        """Learn the columns of `X`, and from `template` what tables to give back.

        Parameters
        ----------
        X : ndarray of shape (n_samples, n_features), float32 or float64
        template : ndarray or DataFrame
            The table as the user gave it.
        """
        self.statistics_ = ColumnStatistics.of(X)
        mean, std, low, high = self.statistics_
        self.constant_ = low == high
        if self.scaling == "standard":
            self._center, self._scale = mean, std
        elif self.scaling == "minmax":
            self._center, self._scale = low, np.where(self.constant_, 1.0, high - low)
        else:
            self._center, self._scale = 0.0, 1.0
        self._quantiles = self._fit_quantiles(X) if self.scaling == "quantile" else None
        self.dtype_ = X.dtype if X.dtype == np.float32 else np.dtype(np.float64)
        self.template_ = _without_rows(template)
        return self

    def _fit_quantiles(self, X):
        sample = X
        if len(X) > QUANTILE_ROWS:
            rows = self.random_state.choice(len(X), QUANTILE_ROWS, replace=False)
            sample = X[rows]
        unobserved = np.isnan(sample).all(axis=0)
        sample = np.where(unobserved, self.statistics_.mean, sample)
        quantiles = QuantileTransformer(
            n_quantiles=min(1000, len(sample)), output_distribution="normal"
        )
        return quantiles.set_output(transform="default").fit(sample)

    def summary(self):
        """What training must know of the columns: a ColumnSummary."""
        mean, _, low, high = self.statistics_
        center, low, high = self.encode(np.vstack([mean, low, high])).numeric
        return ColumnSummary(center, low, high, (), bounded=self.scaling == "minmax")

    def check_unit_range(self):
        """Raise ValueError unless all scaled training values lie in [0, 1]."""
        if self.scaling == "minmax":
            return
        low, high = self.statistics_.low, self.statistics_.high
        outside = np.flatnonzero((low < 0) | (high > 1))
        if len(outside):
            j = outside[0]
            raise ValueError(
                f"loss='log_loss' needs values in [0, 1], but column {j} of X holds "
                f"values from {low[j]} to {high[j]}. Set scaling='minmax'."
            )

    def by_kind(self, of_columns):
        """Numbers that go with the columns of the table, as Cells of one row."""
        of_columns = torch.tensor(of_columns, dtype=torch.float32)
        return Cells(of_columns, of_columns[:0])

    def encode(self, X, order=None):
        """Cells of the rows of `X`, or of those that `order` lists."""
        n_rows = len(X) if order is None else len(order)
        numeric = np.empty((n_rows, X.shape[1]), dtype=np.float32)
        for rows in gen_batches(n_rows, ROWS_AT_ONCE):
            values = X[rows] if order is None else X[order[rows]]
            values = (values.astype(np.float64) - self._center) / self._scale
            if self._quantiles is not None:
                values = self._quantiles.transform(values)
            # A constant column says nothing, also where its value is another one.
            values[:, self.constant_] *= 0
            numeric[rows] = values
        codes = np.empty((n_rows, 0), dtype=np.int64)
        return Cells(torch.from_numpy(numeric), torch.from_numpy(codes))

    def decode(self, numeric):
        """Values, in the units of the table, of scaled ones.

        Parameters
        ----------
        numeric : ndarray of shape (n_samples, n_features)

        Returns
        -------
        values : ndarray of shape (n_samples, n_features), float64
        """
        values = numeric.astype(np.float64)
        if self._quantiles is not None:
            values = self._quantiles.inverse_transform(values)
        values = values * self._scale + self._center
        return np.where(self.constant_, self.statistics_.low, values)

    def squared_errors(self, X, values):
        """Squared differences in units of the columns' training variance."""
        return np.square((X - values) / self.statistics_.std)

    def table(self, values, index=None):
        """A table like the one of `fit`, of the values of its cells.

        Parameters
        ----------
        values : ndarray of shape (n_samples, n_features), float64
            Values without NaN.
        index : pandas.Index or None
            Row labels, if pandas is given back.

        Returns
        -------
        table : ndarray or DataFrame
            Integer and boolean columns hold the nearest value that they can hold.
        """
        template = self.template_
        if template is None:
            return values.astype(self.dtype_, copy=False)
        columns = {
            name: _nearest(values[:, j], template[name])
            for j, name in enumerate(template.columns)
        }
        if is_pandas(template):
            return type(template)(columns, index=index).astype(dict(template.dtypes))
        return type(template)(columns).cast(template.schema)

    def frame(self, of_cells, index=None):
        """Numbers that go with cells, under the columns' names if they have any."""
        if self.template_ is None:
            return of_cells
        columns = dict(zip(self.template_.columns, of_cells.T, strict=True))
        if is_pandas(self.template_):
            return type(self.template_)(columns, index=index)
        return type(self.template_)(columns)

    def fill(self, X, missing, values):
        """`X` with its missing cells filled, as a table like the one of `fit`.

        Parameters
        ----------
        X : ndarray or DataFrame
        missing : ndarray of bool of shape (n_samples, n_features)
        values : ndarray of shape (n_samples, n_features), float64
        """
        template = self.template_
        if template is None or not isinstance(X, type(template)):
            return self.table(np.where(missing, values, X), index_of(X))
        filled = {name: X[name] for name in X.columns}
        for j in np.flatnonzero(missing.any(axis=0)):
            name = X.columns[j]
            nearest = _nearest(values[:, j], template[name])
            filled[name] = _fill_column(X[name], missing[:, j], nearest)
        return type(X)(filled)


def is_pandas(X):
    """Whether `X` is a pandas DataFrame, without importing pandas."""
    pandas = sys.modules.get("pandas")
    return pandas is not None and isinstance(X, pandas.DataFrame)


def is_polars(X):
    """Whether `X` is a polars DataFrame, without importing polars."""
    polars = sys.modules.get("polars")
    return polars is not None and isinstance(X, polars.DataFrame)


def index_of(X):
    """The row labels of a pandas DataFrame; None for other tables."""
    return X.index if is_pandas(X) else None


def _without_rows(X):
    """What remains of a DataFrame without its rows; None for an array."""
    if is_pandas(X):
        return X.iloc[:0].copy()
    return X.clear() if is_polars(X) else None


def _nearest(values, column):
    """The numbers nearest to `values` that a column like `column` can hold."""
    dtype = getattr(column.dtype, "numpy_dtype", None) or column.to_numpy().dtype
    if dtype.kind == "b":
        return values >= 0.5
    if dtype.kind in "iu":
        # The largest int64 is no float64: as one, it would be out of range.
        largest = np.nextafter(float(np.iinfo(dtype).max), 0)
        return np.rint(np.clip(values, np.iinfo(dtype).min, largest)).astype(dtype)
    return values


def _fill_column(column, missing, values):
    """A pandas or polars Series with its missing cells replaced."""
    if hasattr(column, "mask"):
        replacement = type(column)(values, index=column.index).astype(column.dtype)
        return column.mask(missing, replacement)
    replacement = type(column)(column.name, values).cast(column.dtype)
    return column.zip_with(type(column)(~missing), replacement)
