"""Read and make DataFrames of pandas and polars.

Only this file knows the two libraries. It imports neither of them: the user who passes
a DataFrame has already imported its library.
"""

from __future__ import annotations

import sys
from decimal import Decimal
from numbers import Real
from types import NoneType

import numpy as np

from .._compat import OLDEST_OPTIONAL, check_versions
from .arrays import COMPLEX_REMEDY, DATES_REMEDY, floats
from .number_types import NumberType

# How to turn other tables into one of pandas or polars, by the method that does so.
REMEDIES = ("to_native", "compute", "to_pandas", "toPandas", "collect")


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


def check_container(X):
    """Raise TypeError if `X` is a table of a library that is not supported."""
    kind = type(X)
    if is_frame(X) or not (hasattr(kind, "columns") or hasattr(kind, "column_names")):
        return
    # Ask the class: a LazyFrame of polars warns when it is asked for its columns.
    remedies = [f"X.{name}()" for name in REMEDIES if hasattr(kind, name)]
    remedy = remedies[0] if remedies else "a DataFrame of pandas or polars"
    raise TypeError(
        f"X is a {kind.__name__} of {kind.__module__.partition('.')[0]}, but must be "
        f"a DataFrame of pandas or polars, an array, a list or a sparse matrix. Pass "
        f"{remedy} instead."
    )


def _is_pandas_series(column):
    pandas = sys.modules.get("pandas")
    return pandas is not None and isinstance(column, pandas.Series)


def column(X, position):
    """Select the column of a DataFrame at a position, as a Series."""
    return X.iloc[:, position] if is_pandas(X) else X.to_series(position)


def names(X):
    """List the names of the columns of a DataFrame, with Python's types."""
    return [name.item() if isinstance(name, np.generic) else name for name in X.columns]


def columns(X):
    """List the columns of a DataFrame as Series."""
    return [column(X, position) for position in range(X.shape[1])]


def same_library(X, other):
    """Tell whether two tables are DataFrames of one library."""
    return any(is_kind(X) and is_kind(other) for is_kind in (is_pandas, is_polars))


def index_of(X):
    """Return the index of a pandas DataFrame, or None for other tables."""
    return X.index if is_pandas(X) else None


def without_rows(X):
    """Make an empty DataFrame with the column names and dtypes of `X`.

    Raises ImportError if the library of the DataFrame is too old.
    """
    library = "polars" if is_polars(X) else "pandas"
    check_versions({library: OLDEST_OPTIONAL[library]})
    # X.iloc[:0] would keep Arrow's buffers and the labels of a MultiIndex alive.
    empty = [_without_rows(column) for column in columns(X)]
    return _frame_of(X, empty)


def _without_rows(column):
    """Make an empty Series of the dtype of `column`.

    It is of text if the dtype is that of no values, and has one category if the dtype
    has none.
    """
    is_series, dtype = _is_pandas_series(column), column.dtype
    if _is_null(column):
        text = sys.modules["polars"].String
        dtype = type(dtype)(sys.modules["pyarrow"].string()) if is_series else text
    elif _declares_levels(dtype) and not declared_levels(column):
        # A cell needs a level to be decoded to.
        dtype = type(dtype)([""], dtype.ordered) if is_series else type(dtype)([""])
    return type(column)([], dtype=dtype) if is_series else column.clear().cast(dtype)


def _name_of(dtype):
    """Return the name of the class of a dtype. In polars a dtype can be a class."""
    return (dtype if isinstance(dtype, type) else type(dtype)).__name__


def _declares_levels(dtype):
    """Tell whether a dtype has a list of levels: category of pandas, Enum of polars."""
    return _name_of(dtype) in ("CategoricalDtype", "Enum")


def _is_null(column):
    """Tell whether the dtype of a Series is that of columns without any value."""
    return str(column.dtype) in ("Null", "null[pyarrow]")


def kind_of(column):
    """Find the kind of a Series.

    It is "numeric", "boolean", "categorical", "date", "complex" or "other".
    """
    if _is_null(column):
        return "categorical"
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
    return names.get(_name_of(dtype), "other")


def _pandas_kind(column):
    types, dtype = sys.modules["pandas"].api.types, column.dtype
    if isinstance(dtype, sys.modules["pandas"].CategoricalDtype):
        return "categorical"
    if str(dtype).startswith("dictionary<"):  # Arrow's categories.
        return "categorical"
    if types.is_bool_dtype(dtype):
        return "boolean"
    if types.is_numeric_dtype(dtype):
        return "complex" if types.is_complex_dtype(dtype) else "numeric"
    # Columns of objects and some of Arrow can hold anything: look at the values.
    held = types.infer_dtype(column, skipna=True)
    if held in ("integer", "floating", "mixed-integer-float", "decimal"):
        return "numeric"
    if held.startswith("mixed"):
        cells = values(column)
        if _are_numbers(cells):
            return "numeric"
        if any(isinstance(cell, complex) for cell in cells):
            return "complex"
    if held in ("boolean", "complex"):
        return held
    if held in ("string", "mixed", "mixed-integer", "empty"):
        return "categorical"
    return "date" if held.startswith(("date", "time", "period")) else "other"


def _are_numbers(cells):
    """Tell whether all cells are real numbers or missing, as Decimals beside zeros."""
    return all(
        isinstance(cell, (Real, Decimal, NoneType)) and not isinstance(cell, bool)
        for cell in cells
    )


def numbers(column):
    """Convert a Series to a float64 array, NaN where a cell is missing.

    Raises TypeError for dates and complex numbers, because pandas and polars convert
    them to other numbers, and for categories that are no numbers.
    """
    kind = kind_of(column)
    if kind == "date":
        raise TypeError(f"they are dates, of dtype {column.dtype}. {DATES_REMEDY}")
    if kind == "complex":
        raise TypeError(
            f"they are complex numbers, of dtype {column.dtype}. {COMPLEX_REMEDY}"
        )
    if _are_categories(column):
        return _numbers_of_levels(column)
    if _holds_objects(column):
        return floats(column.to_numpy())
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
    positions : sequence of int
        Positions of the numeric columns, in order.
    """

    def __init__(self, X, positions):
        # A name can be True, which pandas would take for a mask.
        self.X = X.iloc[:, positions] if is_pandas(X) else _select(X, positions)
        self.names = names(self.X)
        self.shape = (len(X), len(positions))
        # pandas converts such columns all at once, which is much faster.
        self._all_numeric = all(
            kind_of(column) == "numeric" and not _holds_objects(column)
            for column in columns(self.X)
        )

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
                array[:, j] = numbers(column(block, j))
            except Exception as error:  # pandas and polars raise many types.
                raise ValueError(
                    f"Column {name!r} must hold numbers, as in fit: {error}"
                ) from error
        return array


def _select(X, positions):
    """Select columns of a polars DataFrame by their positions."""
    return X.select([X.columns[position] for position in positions])


def is_polars_object(column):
    """Tell whether a Series holds Python objects in polars."""
    return not _is_pandas_series(column) and _name_of(column.dtype) == "Object"


def _are_categories(column):
    """Tell whether the dtype of a Series is that of categories."""
    if _is_pandas_series(column):
        return hasattr(column, "cat") or str(column.dtype).startswith("dictionary<")
    return _name_of(column.dtype) in ("Categorical", "Enum")


def _holds_objects(column):
    return _is_pandas_series(column) and column.dtype == object


def _numbers_of_levels(column):
    """Convert a Series of numbers as categories to floats, else raise TypeError."""
    cells = values(column)
    types = {type(cell) for cell in cells if cell is not None}
    if not all(issubclass(kind, (Real, Decimal)) for kind in types):
        kinds = " and ".join(sorted(kind.__name__ for kind in types))
        raise TypeError(
            f"they are categories of type {kinds}. Convert them to numbers first"
        )
    return np.array(cells, dtype=np.float64)


def is_plain_numbers(X):
    """Tell whether a DataFrame holds only dense floats or only sparse numbers.

    scikit-learn converts these to an array or a sparse matrix.
    """
    if not is_pandas(X):
        return False
    dtypes = set(X.dtypes)
    if all(_is_sparse(dtype) for dtype in dtypes):
        kinds = {dtype.subtype.kind for dtype in dtypes}
        # Booleans and other numbers have no shared dtype in pandas.
        have_one_dtype = kinds <= set("iuf") or kinds == {"b"}
        # A sparse matrix cannot leave out other values than zeros.
        return have_one_dtype and all(dtype.fill_value == 0 for dtype in dtypes)
    return len(dtypes) == 1 and dtypes.pop() in (np.float64, np.float32)


def _is_sparse(dtype):
    return type(dtype).__name__ == "SparseDtype"


def values(column):
    """Convert a Series to a list of Python objects, None where a cell is missing."""
    if _is_pandas_series(column):
        return column.astype(object).where(column.notna(), None).tolist()
    return column.to_list()


def cells(column):
    """Convert a Series without missing cells to an array, of objects or numbers."""
    # The names of the dtypes of numbers that NumPy has, too, but for capitals.
    name = str(column.dtype)
    name = name if _is_pandas_series(column) else name.lower()
    if NumberType.of_dtype(name) and name in np.sctypeDict:
        return column.to_numpy()
    objects = np.empty(len(column), dtype=object)
    objects[:] = values(column)
    return objects


def declared_levels(column):
    """List the levels that the dtype of a Series declares. Most dtypes have none."""
    # The Categorical of polars lists the levels of all columns of the process.
    return list(column.dtype.categories) if _declares_levels(column.dtype) else []


def fallback_level(column):
    """Choose the level of a column without any observed cell."""
    # A cell without information is decoded to it, so it must suit the dtype.
    declared = declared_levels(column)
    if declared:
        return declared[0]
    return {"boolean": False, "categorical": ""}.get(kind_of(column), 0)


def number_type(column):
    """Find the NumberType of a Series of numbers."""
    dtype = column.dtype
    if _is_pandas_series(column):
        dtype = dtype.subtype if _is_sparse(dtype) else dtype
        # Nullable and Arrow dtypes name the NumPy dtype of their numbers.
        name = getattr(dtype, "numpy_dtype", dtype).name
        dtype = getattr(dtype, "pyarrow_dtype", dtype)
    else:
        name = str(dtype)
    if str(dtype).lower().startswith("decimal"):
        # None stands for the largest precision of polars.
        return NumberType.of_decimals(dtype.precision or 38, dtype.scale)
    known = NumberType.of_dtype(name)
    return known or NumberType.of_objects([v for v in values(column) if v is not None])


def frame_like(template, cells, index=None):
    """Make a DataFrame of the library, the column names and the dtypes of `template`.

    Parameters
    ----------
    template : DataFrame
    cells : list of ndarray
        Cells of each column that its dtype can hold.
    index : pandas.Index or None
        Index of the DataFrame, if `template` is of pandas.
    """
    pairs = zip(columns(template), cells, strict=True)
    return _frame_of(template, [_series_like(*pair, index) for pair in pairs], index)


def frame_of_cells(template, cells, index=None):
    """Make a DataFrame of the library and the column names of `template`.

    A column has the dtype of `template` if this can hold all `cells`. If not, it has a
    dtype that can.
    """
    pairs = zip(columns(template), cells, strict=True)
    return _frame_of(template, [_series_of(*pair, index) for pair in pairs], index)


def frame_of_numbers(template, block, index=None):
    """Make a DataFrame of the numbers in `block`, with the names of `template`."""
    series = type(column(template, 0))
    if is_pandas(template):
        return _frame_of(template, [series(cells, index=index) for cells in block.T])
    return _frame_of(template, [series(cells) for cells in block.T])


def frame_of(X, columns):
    """Make a DataFrame of Series, with the labels of the rows and columns of `X`."""
    return _frame_of(X, columns, index_of(X))


def _frame_of(template, columns, index=None):
    """Make a DataFrame of Series, with the column names of `template`."""
    if is_polars(template):
        named = zip(template.columns, columns, strict=True)
        return type(template)([series.alias(name) for name, series in named])
    frame = type(template)(dict(enumerate(columns)), index=index)
    # The index of the columns can have names and levels.
    frame.columns = template.columns.copy()
    return frame


def fill_column(column, missing, fills, template):
    """Fill the missing cells of a Series. The others do not change.

    Parameters
    ----------
    column : Series
    missing : ndarray of bool
    fills : ndarray
        Objects or numbers for the cells that are missing.
    template : Series
        The column in training. A column without any observed cell takes its dtype. So
        does a column whose dtype cannot hold `fills`.
    """
    index = column.index if _is_pandas_series(column) else None
    if missing.all():
        return _series_of(template, fills, index)
    if _is_pandas_series(column) and hasattr(column, "cat"):
        # A pandas categorical refuses values that are not among its categories.
        known = set(column.cat.categories)
        column = column.cat.add_categories(
            [level for level in dict.fromkeys(fills.tolist()) if level not in known]
        )
    held = _first_held(
        fills,
        lambda: _series_like(column, fills),
        # Levels that are numbers of another type, such as booleans.
        lambda: _series_like(column, number_type(column).nearest(fills)),
    )
    if held is not None:
        return _put(column, missing, held)
    cells = np.empty(len(missing), dtype=object)
    cells[:] = values(column)
    cells[missing] = fills
    return _series_of(template, cells, index)


def _put(column, missing, fills):
    """Replace the missing cells of a Series by those of a Series of the same dtype."""
    if not _is_pandas_series(column):
        fills = fills[np.maximum(np.cumsum(missing) - 1, 0)]
        observed, dtype = type(column)(~missing), column.dtype
        if _name_of(dtype) == "Categorical":
            # Two columns can have other codes for one level: work on the texts.
            text = sys.modules["polars"].String
            column, fills = column.cast(text), fills.cast(text)
        return column.zip_with(observed, fills).cast(dtype)
    dtype = column.dtype
    if _is_sparse(dtype):
        column, fills = column.sparse.to_dense(), fills.sparse.to_dense()
    array = column.array.copy()
    array[missing] = fills.array
    filled = type(column)(array, index=column.index, dtype=column.dtype)
    return filled.astype(dtype)


def _series_like(template, cells, index=None):
    """Make a Series of `cells` with the dtype of `template`, which can hold them."""
    if _is_pandas_series(template):
        # Without the dtype, pandas guesses the one of objects.
        series = type(template)(cells, index=index, dtype=cells.dtype)
        return series.astype(template.dtype)
    # polars converts a list of objects to a dtype, but not an array of objects.
    if cells.dtype == object:
        # If strict, old versions refuse Decimals of fewer decimal places.
        return type(template)("", cells.tolist(), dtype=template.dtype, strict=False)
    return type(template)("", cells).cast(template.dtype)


def _series_of(template, cells, index=None):
    """Make a Series of `cells` with the dtype of `template`, or one that holds them."""
    series = type(template)
    if _is_pandas_series(template):
        attempts = (
            lambda: _series_like(template, cells, index),
            lambda: series(cells, index=index, dtype=cells.dtype).infer_objects(),
            lambda: series(cells, index=index, dtype=object),
        )
    else:
        objects = cells.tolist()
        attempts = (
            lambda: _series_like(template, cells),
            lambda: series("", objects, strict=False),
            lambda: series("", objects, dtype=sys.modules["polars"].Object),
        )
    return _first_held(cells, *attempts)


def _first_held(cells, *attempts):
    """Make a Series by the first function whose Series holds `cells` unchanged."""
    for attempt in attempts:
        try:
            series = attempt()
        except Exception:  # pandas and polars raise many types.
            continue
        if values(series) == cells.tolist():
            return series
    return None
