"""Read and make DataFrames of pandas and polars.

Only this file knows the two libraries. It imports neither of them: the user who passes
a DataFrame has already imported its library.
"""

from __future__ import annotations

import sys

import numpy as np

from .._compat import OLDEST_OPTIONAL, check_versions


def is_pandas(X):
    """Tell whether `X` is a pandas DataFrame."""
    pandas = sys.modules.get("pandas")
    return pandas is not None and isinstance(X, pandas.DataFrame)


def is_polars(X):
    """Tell whether `X` is a polars DataFrame."""
    polars = sys.modules.get("polars")
    return polars is not None and isinstance(X, polars.DataFrame)


def is_frame(X):
    """Tell whether `X` is a DataFrame of pandas or polars."""
    return is_pandas(X) or is_polars(X)


def check_collected(X):
    """Raise TypeError if `X` is a polars LazyFrame, whose rows are not computed."""
    polars = sys.modules.get("polars")
    if polars is not None and isinstance(X, polars.LazyFrame):
        raise TypeError(
            "X is a polars LazyFrame, whose rows are not computed yet. Pass "
            "X.collect()."
        )


def is_missing(value):
    """Tell whether the value of a cell is missing."""
    # pd.NA cannot be compared; NaN is not equal to itself.
    return value is None or type(value).__name__ == "NAType" or value != value


def _is_pandas_series(column):
    pandas = sys.modules.get("pandas")
    return pandas is not None and isinstance(column, pandas.Series)


def index_of(X):
    """Return the index of a pandas DataFrame, or None for other tables."""
    return X.index if is_pandas(X) else None


def without_rows(X):
    """Make an empty DataFrame with the column names and dtypes of `X`.

    Raises ImportError if the library of the DataFrame is too old.
    """
    library = "polars" if is_polars(X) else "pandas"
    check_versions({library: OLDEST_OPTIONAL[library]})
    if is_polars(X):
        return X.clear()
    # X.iloc[:0] would keep Arrow's buffers and the labels of a MultiIndex alive.
    columns = {name: X[name] for name in X.columns}
    return type(X)({n: type(c)([], dtype=c.dtype) for n, c in columns.items()})


def kind_of(column):
    """Find the kind: "numeric", "boolean", "categorical", "date" or "other"."""
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
    # Columns of objects and some of Arrow can hold anything: look at the values.
    held = types.infer_dtype(column, skipna=True)
    if held in ("integer", "floating", "mixed-integer-float", "decimal"):
        return "numeric"
    if held == "boolean":
        return "boolean"
    if held in ("string", "mixed", "mixed-integer", "empty"):
        return "categorical"
    return "date" if held.startswith(("date", "time", "period")) else "other"


def numbers(column):
    """Convert a Series to a float64 array, NaN where a cell is missing.

    Raises TypeError for dates, because pandas and polars convert them to integers.
    """
    if kind_of(column) == "date":
        raise TypeError(f"they are dates, of dtype {column.dtype}")
    if _is_pandas_series(column):
        return column.to_numpy(dtype=np.float64, na_value=np.nan)
    return column.cast(sys.modules["polars"].Float64).to_numpy()


class Numbers:
    """Numeric columns of a DataFrame. Selected rows become a float64 array.

    Rows are converted when they are selected, so that memory never holds a second copy
    of a large table.

    Parameters
    ----------
    X : DataFrame
    names : list
        Names of the numeric columns, in order.
    """

    def __init__(self, X, names):
        self.X = X[names]
        self.names = names
        self.shape = (len(X), len(names))
        # pandas converts such columns all at once, which is much faster.
        kinds = (kind_of(self.X[name]) for name in names)
        self._all_numeric = all(kind == "numeric" for kind in kinds)

    def __getitem__(self, rows):
        """Select rows by a slice or by positions; NaN where a cell is missing."""
        if is_pandas(self.X):
            block = self.X.iloc[rows]
            if self._all_numeric:
                return block.to_numpy(dtype=np.float64, na_value=np.nan)
        else:
            block = self.X[rows]
        n_rows = len(np.arange(self.shape[0])[rows])
        array = np.empty((n_rows, self.shape[1]))
        for j, name in enumerate(self.names):
            try:
                array[:, j] = numbers(block[name])
            except Exception as error:  # pandas and polars raise many types.
                raise ValueError(
                    f"Column {name!r} must hold numbers, as in fit: {error}"
                ) from error
        return array


def is_plain_numbers(X):
    """Tell whether a DataFrame holds only dense floats or only sparse numbers.

    scikit-learn converts these to an array or a sparse matrix.
    """
    if not is_pandas(X):
        return False
    dtypes = set(X.dtypes)
    if all(type(dtype).__name__ == "SparseDtype" for dtype in dtypes):
        return True
    return len(dtypes) == 1 and dtypes.pop() in (np.float64, np.float32)


def values(column):
    """Convert a Series to a list of Python objects, None where a cell is missing."""
    if _is_pandas_series(column):
        return column.astype(object).where(column.notna(), None).tolist()
    return column.to_list()


def declared_levels(column):
    """List the levels that the dtype of a Series declares. Most dtypes have none."""
    levels = getattr(column.dtype, "categories", None)
    return [] if levels is None else list(levels)


def frame_like(template, columns, index=None):
    """Make a DataFrame of the library, the column names and the dtypes of `template`.

    Parameters
    ----------
    template : DataFrame
    columns : list of ndarray
        Cells of each column: objects or numbers. Integer columns round numbers.
    index : pandas.Index or None
        Index of the DataFrame, if `template` is of pandas.
    """
    return type(template)(
        {
            name: _series_like(template[name], cells, index)
            for name, cells in zip(template.columns, columns, strict=True)
        }
    )


def frame_of_numbers(template, block, index=None):
    """Make a DataFrame of the numbers in `block`, with the names of `template`."""
    columns = dict(zip(template.columns, block.T, strict=True))
    if is_pandas(template):
        return type(template)(columns, index=index)
    return type(template)(columns)


def fill_column(column, missing, cells, template):
    """Fill the missing cells of a Series. The others do not change.

    Parameters
    ----------
    column : Series
    missing : ndarray of bool
    cells : ndarray
        Objects or numbers to fill in where `missing`.
    template : Series
        The column in training, whose dtype numbers are rounded to.
    """
    # The column cannot hold every other cell: repeat one that is used in their place.
    cells = _nearest(np.where(missing, cells, cells[missing][:1]), template)
    if _is_pandas_series(column):
        # A pandas categorical refuses values that are not among its categories.
        if hasattr(column, "cat"):
            new = [level for level in set(cells) if level not in column.cat.categories]
            column = column.cat.add_categories(new)
        return column.mask(missing, _series_like(column, cells, column.index))
    polars = sys.modules["polars"]
    # zip_with needs columns of one dtype, which can hold the levels of training.
    if column.dtype == polars.Null:
        column = column.cast(template.dtype)
    elif column.dtype != template.dtype and hasattr(column.dtype, "categories"):
        column = column.cast(polars.String)
    return column.zip_with(type(column)(~missing), _series_like(column, cells))


def _series_like(column, cells, index=None):
    """Make a Series of `cells` with the dtype of `column`."""
    cells = _nearest(cells, column)
    if _is_pandas_series(column):
        return type(column)(cells, index=index).astype(column.dtype)
    # polars converts a list of objects to a dtype, but not an array of objects.
    if cells.dtype == object:
        return type(column)(column.name, cells.tolist(), dtype=column.dtype)
    return type(column)(column.name, cells).cast(column.dtype)


def _nearest(cells, column):
    """Round numbers to the nearest values that the dtype of `column` can hold."""
    if cells.dtype.kind != "f":
        return cells
    if _is_pandas_series(column):
        # Nullable and Arrow dtypes name the NumPy dtype of their numbers.
        dtype = getattr(column.dtype, "numpy_dtype", column.dtype)
    else:
        dtype = column.clear().to_numpy().dtype
    if dtype.kind == "b":
        return cells >= 0.5
    if dtype.kind not in "iu":
        return cells
    # The largest int64 has no float64: the nearest one is out of range.
    largest = np.nextafter(float(np.iinfo(dtype).max), 0)
    return np.rint(np.clip(cells, np.iinfo(dtype).min, largest)).astype(dtype)
