"""DataFrames of pandas and polars: their columns' kinds, values, and new ones alike.

The one door to pandas and polars, neither of which is ever imported: a DataFrame can
only come in if its library has been.
"""

from __future__ import annotations

import sys

import numpy as np

from ._compat import OLDEST_OPTIONAL, check_versions


def is_pandas(X):
    """Whether `X` is a pandas DataFrame."""
    pandas = sys.modules.get("pandas")
    return pandas is not None and isinstance(X, pandas.DataFrame)


def is_polars(X):
    """Whether `X` is a polars DataFrame."""
    polars = sys.modules.get("polars")
    return polars is not None and isinstance(X, polars.DataFrame)


def is_frame(X):
    """Whether `X` is a DataFrame of pandas or polars."""
    return is_pandas(X) or is_polars(X)


def check_collected(X):
    """Raise TypeError if `X` is a polars LazyFrame, which has no rows yet."""
    polars = sys.modules.get("polars")
    if polars is not None and isinstance(X, polars.LazyFrame):
        raise TypeError(
            "X is a polars LazyFrame, whose rows are not computed yet. Pass "
            "X.collect() instead."
        )


def is_missing(value):
    """Whether a cell, or a label, stands for none."""
    # pd.NA cannot be compared; NaN is not equal to itself.
    return value is None or type(value).__name__ == "NAType" or value != value


def _is_pandas_series(column):
    pandas = sys.modules.get("pandas")
    return pandas is not None and isinstance(column, pandas.Series)


def index_of(X):
    """The row labels of a pandas DataFrame; None for other tables."""
    return X.index if is_pandas(X) else None


def without_rows(X):
    """What remains of a DataFrame without its rows: names and dtypes.

    Raises ImportError if the library of the DataFrame is too old.
    """
    library = "polars" if is_polars(X) else "pandas"
    check_versions({library: OLDEST_OPTIONAL[library]})
    if is_polars(X):
        return X.clear()
    # A slice of no rows would keep Arrow's buffers and the row labels of an index.
    columns = {name: X[name] for name in X.columns}
    return type(X)({n: type(c)([], dtype=c.dtype) for n, c in columns.items()})


def kind_of(column):
    """Kind of a Series: "numeric", "boolean", "categorical", "date" or "other"."""
    if _is_pandas_series(column):
        return _pandas_kind(column)
    dtype = column.dtype
    if dtype.is_numeric():
        return "numeric"
    if dtype.is_temporal():
        return "date"
    names = {"Boolean": "boolean"} | dict.fromkeys(
        ("String", "Categorical", "Enum"), "categorical"
    )
    return names.get(dtype.base_type().__name__, "other")


def _pandas_kind(column):
    types, dtype = sys.modules["pandas"].api.types, column.dtype
    if isinstance(dtype, sys.modules["pandas"].CategoricalDtype):
        return "categorical"
    if types.is_bool_dtype(dtype):
        return "boolean"
    if types.is_numeric_dtype(dtype):
        return "other" if types.is_complex_dtype(dtype) else "numeric"
    # Objects, and the types of Arrow, are known by what they hold.
    held = types.infer_dtype(column, skipna=True)
    if held in ("integer", "floating", "mixed-integer-float", "decimal"):
        return "numeric"
    if held == "boolean":
        return "boolean"
    if held in ("string", "mixed", "mixed-integer", "empty"):
        return "categorical"
    return "date" if held.startswith(("date", "time", "period")) else "other"


def numbers(column):
    """A Series as a float64 array, NaN where a cell is missing; no dates."""
    if kind_of(column) == "date":
        raise TypeError(f"they are dates, of dtype {column.dtype}")
    if _is_pandas_series(column):
        return column.to_numpy(dtype=np.float64, na_value=np.nan)
    return column.cast(sys.modules["polars"].Float64).to_numpy()


class Numbers:
    """Columns of a DataFrame as an array of float64, made of the rows asked for.

    So that no second copy of a large table is held.

    Parameters
    ----------
    X : DataFrame
    names : list
        Its columns of numbers, in order.
    """

    def __init__(self, X, names):
        self.X = X[names]
        self.names = names
        self.shape = (len(X), len(names))
        kinds = (kind_of(self.X[name]) for name in names)
        self._all_numeric = all(kind == "numeric" for kind in kinds)

    def __getitem__(self, rows):
        """The rows picked by a slice or by positions, NaN where a cell is missing."""
        if is_pandas(self.X):
            some = self.X.iloc[rows]
            if self._all_numeric:
                return some.to_numpy(dtype=np.float64, na_value=np.nan)
        else:
            some = self.X[rows]
        n_rows = len(np.arange(self.shape[0])[rows])
        picked = np.empty((n_rows, self.shape[1]))
        for j, name in enumerate(self.names):
            try:
                picked[:, j] = numbers(some[name])
            except Exception as error:  # Of many kinds in pandas and polars.
                raise ValueError(
                    f"Column {name!r} must hold numbers, as in fit: {error}"
                ) from error
        return picked


def is_plain_numbers(X):
    """Whether a DataFrame is dense or sparse numbers that need no other type."""
    if not is_pandas(X):
        return False
    dtypes = set(X.dtypes)
    if all(type(dtype).__name__ == "SparseDtype" for dtype in dtypes):
        return True
    return len(dtypes) == 1 and dtypes.pop() in (np.float64, np.float32)


def values(column):
    """A Series as a list of Python objects, None where a cell is missing."""
    if _is_pandas_series(column):
        return column.astype(object).where(column.notna(), None).tolist()
    return column.to_list()


def declared_levels(column):
    """The levels that the dtype of a Series declares; none for most."""
    levels = getattr(column.dtype, "categories", None)
    return [] if levels is None else list(levels)


def frame_like(template, columns, index=None):
    """A DataFrame of the library, column names and dtypes of `template`.

    Parameters
    ----------
    template : DataFrame
    columns : list of ndarray
        Cells of each column: objects, or numbers, which integer columns round.
    index : pandas.Index or None
        Row labels, if `template` is of pandas.
    """
    return type(template)(
        {
            name: _series_like(template[name], cells, index)
            for name, cells in zip(template.columns, columns, strict=True)
        }
    )


def frame_of_numbers(template, block, index=None):
    """A DataFrame of numbers under the column names of `template`."""
    columns = dict(zip(template.columns, block.T, strict=True))
    if is_pandas(template):
        return type(template)(columns, index=index)
    return type(template)(columns)


def fill_column(column, missing, cells, template):
    """A Series with its missing cells filled; the others are not touched.

    Parameters
    ----------
    column : Series
    missing : ndarray of bool
    cells : ndarray
        Objects or numbers, used where `missing`.
    template : Series
        Column that `cells` are of. Its dtype rounds them.
    """
    # Only what is used need be a value that the column can hold.
    cells = _nearest(np.where(missing, cells, cells[missing][:1]), template)
    if _is_pandas_series(column):
        if hasattr(column, "cat"):
            new = [level for level in set(cells) if level not in column.cat.categories]
            column = column.cat.add_categories(new)
        return column.mask(missing, _series_like(column, cells, column.index))
    polars = sys.modules["polars"]
    if column.dtype == polars.Null:
        column = column.cast(template.dtype)
    elif column.dtype != template.dtype and hasattr(column.dtype, "categories"):
        column = column.cast(polars.String)
    return column.zip_with(type(column)(~missing), _series_like(column, cells))


def _series_like(column, cells, index=None):
    """A Series of the dtype of `column` of given cells."""
    cells = _nearest(cells, column)
    if _is_pandas_series(column):
        return type(column)(cells, index=index).astype(column.dtype)
    if cells.dtype == object:
        return type(column)(column.name, cells.tolist(), dtype=column.dtype)
    return type(column)(column.name, cells).cast(column.dtype)


def _nearest(cells, column):
    """The numbers nearest to those given that a column like `column` can hold."""
    if cells.dtype.kind != "f":
        return cells
    if _is_pandas_series(column):
        dtype = getattr(column.dtype, "numpy_dtype", column.dtype)
    else:
        dtype = column.clear().to_numpy().dtype
    if dtype.kind == "b":
        return cells >= 0.5
    if dtype.kind not in "iu":
        return cells
    # The largest int64 is no float64: as one, it would be out of range.
    largest = np.nextafter(float(np.iinfo(dtype).max), 0)
    return np.rint(np.clip(cells, np.iinfo(dtype).min, largest)).astype(dtype)
