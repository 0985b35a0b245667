"""Convert arrays of objects and lists of rows to arrays of floats.

An array of floats, integers or booleans is used as it is.
"""

from __future__ import annotations

import datetime
import math
from collections.abc import Mapping, Sequence

import numpy as np
import torch
from scipy.sparse import issparse

DATES_REMEDY = (
    "Convert dates to numbers first, for example by skrub's DatetimeEncoder in a "
    "ColumnTransformer with .set_output(transform='pandas'), and durations by "
    "total_seconds, or drop the column."
)
COMPLEX_REMEDY = (
    "Complex data not supported: pass the real parts and the imaginary parts as "
    "columns of their own, or drop the column."
)
# Missing cells of pandas, by the names of their types.
NA_TYPES = ("NAType", "NaTType")
DATES = (
    datetime.date,
    datetime.time,
    datetime.timedelta,
    np.datetime64,
    np.timedelta64,
)


def is_missing(value):
    """Tell whether the value of a cell is missing."""
    # pd.NA cannot be compared; NaN is not equal to itself.
    return value is None or type(value).__name__ == "NAType" or value != value


def is_list(X):
    """Tell whether `X` is a list or another sequence of Python."""
    return isinstance(X, Sequence) and not isinstance(X, (str, bytes, memoryview))


def holds_objects(X):
    """Tell whether `X` is an array of Python objects."""
    return isinstance(X, np.ndarray) and X.dtype.kind == "O"


def as_array(X):
    """Convert lists of rows, tensors and masked arrays to arrays of NumPy.

    Other tables stay as they are. So do the objects in a list. An array of text becomes
    one of objects.

    Raises
    ------
    ValueError
        If `X` is an array of dates or of complex numbers, or if the rows of a list have
        different lengths.
    TypeError
        If `X` is a dict or a list of dicts.
    """
    if is_list(X):
        X = _of_rows(X)
    elif isinstance(X, torch.Tensor):
        X = X.detach().cpu()
        # NumPy has no bfloat16.
        X = np.asarray(X.float() if X.dtype == torch.bfloat16 else X)
    elif isinstance(X, np.ma.MaskedArray):
        # Integers cannot be missing, but objects can.
        X = (X if X.dtype.kind in "fc" else X.astype(object)).filled(np.nan)
    elif isinstance(X, Mapping) and not issparse(X):  # A dok_matrix is a dict.
        raise TypeError(
            f"X is a {type(X).__name__}, but must be a DataFrame, an array, a list of "
            f"rows or a sparse matrix. Pass pandas.DataFrame(X)."
        )
    _check_dtype(X)
    dtype = getattr(X, "dtype", None)
    is_text = isinstance(dtype, np.dtype) and dtype.kind in "UST"
    return X.astype(object) if is_text and isinstance(X, np.ndarray) else X


def _check_dtype(X):
    """Raise ValueError if all cells are dates, which NumPy converts, or complex."""
    dtype = getattr(X, "dtype", None)
    kind = getattr(dtype, "kind", None)
    if kind in ("m", "M", "c"):
        remedy = COMPLEX_REMEDY if kind == "c" else DATES_REMEDY
        raise ValueError(f"X of dtype {dtype} holds no numbers. {remedy}")


def _of_rows(rows):
    """Make an array of a list of rows, of objects unless all rows are equal arrays."""
    _check_rows(rows)
    arrays = [row for row in rows if isinstance(row, np.ndarray)]
    dtypes = {row.dtype for row in arrays}
    if len(arrays) == len(rows) and len(dtypes) == 1 and dtypes.pop().kind in "fiub":
        return np.asarray(rows)
    # NumPy would turn dates of nanoseconds into integers.
    rows = [
        list(row) if isinstance(row, np.ndarray) and row.dtype.kind in "mM" else row
        for row in rows
    ]
    return np.asarray(rows, dtype=object)


def _check_rows(rows):
    """Raise an error if the rows of a list cannot be those of a table."""
    for row in rows:
        if isinstance(row, Mapping):
            raise TypeError(
                f"The rows of X are of type {type(row).__name__}, but must be lists, "
                f"tuples or arrays. Pass pandas.DataFrame(X)."
            )
    lengths = sorted(
        {len(row) for row in rows if is_list(row) or getattr(row, "ndim", 0) == 1}
    )
    if len(lengths) > 1:
        raise ValueError(
            f"The rows of X must have one length, but their lengths go from "
            f"{lengths[0]} to {lengths[-1]}. Fill short rows with None, or pass a "
            f"DataFrame."
        )


def floats(cells, remedy=""):
    """Convert an array of objects, one column, to floats. Missing cells become NaN.

    `remedy` is added to errors about text and objects that are no numbers.

    Raises
    ------
    ValueError
        If a cell is a date, a complex number, or text that is no number.
    TypeError
        If a cell is another object that is no number.
    """
    objects = cells.tolist()
    types = set(map(type, objects))
    for kind in types:
        _check_type(kind)
    if any(kind.__name__ in NA_TYPES for kind in types):
        objects = [None if is_missing(cell) else cell for cell in objects]
        cells = np.array(objects, dtype=object)
    try:
        return cells.astype(np.float64)
    except OverflowError:  # Integers beyond the range of float64.
        return np.array([_as_float(cell) for cell in objects])
    except (TypeError, ValueError) as error:
        kind = TypeError if isinstance(error, TypeError) else ValueError
        raise kind(f"{error}. {remedy}".rstrip()) from error


def _check_type(kind):
    """Raise ValueError if cells of this type are dates or complex numbers."""
    if issubclass(kind, (complex, np.complexfloating)):
        raise ValueError(
            f"they are complex numbers, of type {kind.__name__}. {COMPLEX_REMEDY}"
        )
    # NaT of pandas is missing, but its type is one of dates.
    is_date = issubclass(kind, DATES) or kind.__name__ == "Period"
    if is_date and kind.__name__ not in NA_TYPES:
        raise ValueError(f"they are dates, of type {kind.__name__}. {DATES_REMEDY}")


def _as_float(cell):
    if cell is None:
        return math.nan
    try:
        return float(cell)
    except OverflowError:
        return math.inf if cell > 0 else -math.inf
