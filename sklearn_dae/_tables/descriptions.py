"""Describe a DataFrame without its rows by plain values, and make it again.

A saved transformer holds such a description. So it can be opened where pandas or polars
is not installed, or where another version of it is.
"""

from __future__ import annotations

import base64
import sys
from importlib import import_module

import numpy as np

from .._compat import OLDEST_OPTIONAL, check_versions, pandas_text_dtype
from . import frames
from .plain import among, ensure

# Arguments of those dtypes of polars that have some.
POLARS_ARGUMENTS = {
    "Decimal": ("precision", "scale"),
    "Datetime": ("time_unit", "time_zone"),
    "Duration": ("time_unit",),
    "Enum": ("categories",),
}


def describe(frame):
    """Describe the names and the dtypes of the columns of a DataFrame.

    Returns
    -------
    description : dict
        Of strings, numbers, lists and dicts. But labels and categories stay as they are
        if they are of other types, such as dates.
    """
    if frames.is_polars(frame):
        return {
            "library": "polars",
            "labels": [list(frame.columns)],
            "dtypes": [_describe_polars(dtype) for dtype in frame.dtypes],
        }
    index = frame.columns
    levels = [index.get_level_values(number) for number in range(index.nlevels)]
    return {
        "library": "pandas",
        "labels": [level.tolist() for level in levels],
        "label_dtypes": [_describe_pandas(level.dtype) for level in levels],
        "names": list(index.names),
        "dtypes": [_describe_pandas(dtype) for dtype in frame.dtypes],
    }


def check(description, n_columns):
    """Raise an error of any type unless this is a description of as many columns."""
    among(description["library"], ("pandas", "polars"))
    per_column = [*description["labels"], description["dtypes"]]
    sizes = set(map(len, per_column))
    ensure(len(per_column) > 1 and sizes == {n_columns}, f"{sizes} columns")
    if description["library"] == "pandas":
        sizes = {len(description[name]) for name in ("labels", "names", "label_dtypes")}
        ensure(len(sizes) == 1, f"{sizes} levels of labels")


def labels(description):
    """List the names of the columns that are described."""
    levels = description["labels"]
    return levels[0] if len(levels) == 1 else list(zip(*levels, strict=True))


def make(description):
    """Make the DataFrame without rows that is described.

    Raises
    ------
    ImportError
        If its library is not installed, or too old.
    """
    library = description["library"]
    try:
        module = import_module(library)
    except ImportError as error:
        raise ImportError(
            f"The transformer was fitted on a DataFrame of {library}, which is not "
            f"installed. Methods that return a table need it, but transform, score and "
            f"score_samples do not. Install it: pip install {library}"
        ) from error
    check_versions({library: OLDEST_OPTIONAL[library]})
    if library == "polars":
        dtypes = [_polars_dtype(module, dtype) for dtype in description["dtypes"]]
        (names,) = description["labels"]
        return module.DataFrame(schema=dict(zip(names, dtypes, strict=True)))
    dtypes = [_pandas_dtype(module, dtype) for dtype in description["dtypes"]]
    columns = {j: module.Series([], dtype=dtype) for j, dtype in enumerate(dtypes)}
    frame = module.DataFrame(columns)
    frame.columns = _pandas_index(module, description)
    return frame


def _pandas_index(pandas, description):
    """Make the index of the columns."""
    levels = [
        pandas.Index(level, dtype=_pandas_dtype(pandas, dtype))
        for level, dtype in zip(
            description["labels"], description["label_dtypes"], strict=True
        )
    ]
    if len(levels) == 1:
        return levels[0].rename(description["names"][0])
    return pandas.MultiIndex.from_arrays(levels, names=description["names"])


def _describe_polars(dtype):
    name = dtype.base_type().__name__
    if name not in POLARS_ARGUMENTS:
        return name
    arguments = {a: getattr(dtype, a) for a in POLARS_ARGUMENTS[name]}
    if name == "Enum":
        arguments["categories"] = arguments["categories"].to_list()
    return {"name": name, "arguments": arguments}


def _polars_dtype(polars, description):
    if isinstance(description, str):
        return getattr(polars, description)
    return getattr(polars, description["name"])(**description["arguments"])


def _describe_pandas(dtype):
    """Describe a dtype of pandas by a string or a dict."""
    pandas = sys.modules["pandas"]
    if isinstance(dtype, pandas.CategoricalDtype):
        categories = dtype.categories
        return {
            "kind": "categorical",
            "categories": categories.tolist(),
            "dtype": _describe_pandas(categories.dtype),
            "ordered": bool(dtype.ordered),
        }
    if isinstance(dtype, pandas.StringDtype):
        # Text whose missing cells are NaN has no other dtype in old versions.
        storage = dtype.storage if dtype.na_value is pandas.NA else None
        return {"kind": "text", "storage": storage}
    if isinstance(dtype, pandas.SparseDtype):
        fill_value = np.asarray(dtype.fill_value).item()
        subtype = _describe_pandas(dtype.subtype)
        return {"kind": "sparse", "dtype": subtype, "fill_value": fill_value}
    if isinstance(dtype, pandas.ArrowDtype):
        schema = sys.modules["pyarrow"].schema({"": dtype.pyarrow_dtype})
        serialized = schema.serialize().to_pybytes()
        return {"kind": "arrow", "schema": base64.b64encode(serialized).decode()}
    return str(dtype)


def _pandas_dtype(pandas, description):
    """Make the dtype that is described."""
    if isinstance(description, str):
        return pandas.api.types.pandas_dtype(description)
    kind = description["kind"]
    if kind == "text":
        return pandas_text_dtype(pandas, description["storage"])
    if kind == "arrow":
        pyarrow = import_module("pyarrow")
        serialized = base64.b64decode(description["schema"])
        schema = pyarrow.ipc.read_schema(pyarrow.py_buffer(serialized))
        return pandas.ArrowDtype(schema.field(0).type)
    dtype = _pandas_dtype(pandas, description["dtype"])
    if kind == "sparse":
        return pandas.SparseDtype(dtype, description["fill_value"])
    categories = pandas.Index(description["categories"], dtype=dtype)
    return pandas.CategoricalDtype(categories, description["ordered"])
