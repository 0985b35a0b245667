"""Describe a DataFrame without its rows by plain values, and make it again.

A saved transformer holds such a description. So it can be opened where pandas or polars
is not installed, or where another version of it is.
"""

from __future__ import annotations

import re
import sys
from functools import lru_cache
from importlib import import_module

import numpy as np

from .._compat import OLDEST_OPTIONAL, check_versions, pandas_text_dtype
from . import frames
from .labels import check_zone, decode, encode
from .plain import among, ensure, typed

# Dtypes without arguments. No others are made from the text of a description.
POLARS_NAMES = frozenset({
    "Boolean", "Int8", "Int16", "Int32", "Int64", "Int128", "UInt8", "UInt16", "UInt32",
    "UInt64", "UInt128", "Float16", "Float32", "Float64", "String", "Binary",
    "Categorical", "Date", "Time", "Null",
})  # fmt: skip
PANDAS_NAMES = re.compile(
    r"bool|boolean|object|category|u?int\d{1,2}|U?Int\d{1,2}|"
    r"[fF]loat\d{1,3}|complex\d{2,3}|[<>][iufc]\d{1,2}|"
    r"(datetime|timedelta)64\[(s|ms|us|ns)\]|period\[[\w-]{1,20}\]",
    flags=re.ASCII,
)
AWARE = re.compile(r"datetime64\[(s|ms|us|ns), (.{1,99})\]")
INTERVAL = re.compile(r"interval\[(.{1,99}), (left|right|both|neither)\]")
# Types of Arrow without arguments, and the functions of pyarrow that make them.
ARROW_NAMES = {
    "halffloat": "float16", "float": "float32", "double": "float64", "bool": "bool_",
    "date32[day]": "date32", "date64[ms]": "date64", "null": "null",
    "string": "string", "large_string": "large_string", "string_view": "string_view",
    "binary": "binary", "large_binary": "large_binary", "binary_view": "binary_view",
    "int8": "int8", "int16": "int16", "int32": "int32", "int64": "int64",
    "uint8": "uint8", "uint16": "uint16", "uint32": "uint32", "uint64": "uint64",
}  # fmt: skip
ARROW_TIME = re.compile(
    r"(timestamp|duration|time32|time64)\[(s|ms|us|ns)(?:, tz=(.{1,99}))?\]"
)
ARROW_DECIMAL = re.compile(r"(decimal(?:32|64|128|256))\((\d{1,2}), (-?\d{1,2})\)")
ARROW_CATEGORIES = re.compile(
    r"dictionary<values=([^<>]{1,99}), indices=(u?int\d{1,2}), ordered=([01])>"
)
STORAGES = ("python", "pyarrow", "pyarrow_numpy", None)


def describe(frame):
    """Describe the names and the dtypes of the columns of a DataFrame.

    Returns
    -------
    description : dict
        Of strings, numbers, lists and dicts.

    Raises
    ------
    ValueError
        If a saved transformer cannot hold a name or a dtype.
    """
    if frames.is_polars(frame):
        return {
            "library": "polars",
            "labels": [list(frame.columns)],
            "dtypes": _describe_all(frame, _describe_polars),
        }
    index = frame.columns
    levels = [index.get_level_values(number) for number in range(index.nlevels)]
    try:
        return {
            "library": "pandas",
            "labels": [list(map(encode, level.tolist())) for level in levels],
            "label_dtypes": [_describe_pandas(level.dtype) for level in levels],
            "names": list(map(encode, index.names)),
            "dtypes": _describe_all(frame, _describe_pandas),
        }
    except TypeError as error:
        raise ValueError(
            f"The names of the columns cannot be used: {error}. Rename the columns by "
            f"strings: X.columns = X.columns.astype(str)"
        ) from error


def _describe_all(frame, describe_dtype):
    """Describe the dtypes of all columns. Name the column whose dtype is refused."""
    described = []
    for name, dtype in zip(frame.columns, frame.dtypes, strict=True):
        try:
            described.append(describe_dtype(dtype))
        except (TypeError, ValueError) as error:
            raise ValueError(
                f"Column {name!r} of dtype {dtype} cannot be used, because a saved "
                f"transformer could not hold its dtype: {error}. Convert it to "
                f"numbers, strings or categories first, or drop it."
            ) from error
    return described


def check(description, n_columns):
    """Raise an error of any type unless this is a description of as many columns.

    Its dtypes must be among those that `make` may make.
    """
    library = among(description["library"], ("pandas", "polars"))
    check_dtype = _check_pandas if library == "pandas" else _check_polars
    for dtype in description["dtypes"]:
        check_dtype(dtype)
    for dtype in description.get("label_dtypes", ()):
        _check_pandas(dtype)
    per_column = [*description["labels"], description["dtypes"]]
    sizes = set(map(len, per_column))
    ensure(len(per_column) > 1 and sizes == {n_columns}, f"{sizes} columns")
    if description["library"] == "pandas":
        sizes = {len(description[name]) for name in ("labels", "names", "label_dtypes")}
        ensure(len(sizes) == 1, f"{sizes} levels of labels")


def labels(description):
    """List the names of the columns that are described."""
    levels = [list(map(decode, level)) for level in description["labels"]]
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
        pandas.Index(list(map(decode, level)), dtype=_pandas_dtype(pandas, dtype))
        for level, dtype in zip(
            description["labels"], description["label_dtypes"], strict=True
        )
    ]
    names = list(map(decode, description["names"]))
    if len(levels) == 1:
        return levels[0].rename(names[0])
    return pandas.MultiIndex.from_arrays(levels, names=names)


def _describe_polars(dtype):
    """Describe a dtype of polars by its name, and by its arguments if it has some."""
    name = dtype.base_type().__name__
    if name in POLARS_NAMES:
        return name
    ensure(name in POLARS_ARGUMENTS, "it is not supported")
    arguments = {a: getattr(dtype, a) for a in POLARS_ARGUMENTS[name]}
    if name == "Enum":
        arguments["categories"] = arguments["categories"].to_list()
    description = {"name": name, "arguments": arguments}
    _check_polars(description)
    return description


def _check_polars(description):
    """Raise an error of any type unless a dtype of polars is described."""
    if isinstance(description, str):
        ensure(description in POLARS_NAMES, f"dtype {description!r}")
        return
    ensure(set(description) == {"name", "arguments"}, f"dtype {description!r}")
    arguments = description["arguments"]
    checks = POLARS_ARGUMENTS[description["name"]]
    ensure(set(arguments) == set(checks), f"arguments {sorted(arguments)}")
    for name, check_argument in checks.items():
        check_argument(arguments[name])


def _polars_dtype(polars, description):
    """Make the dtype that is described, after checking it."""
    _check_polars(description)
    if isinstance(description, str):
        return getattr(polars, description)
    return getattr(polars, description["name"])(**description["arguments"])


def _check_unit(unit):
    among(unit, ("ms", "us", "ns"))


def _check_digits(number):
    is_number = type(number) is int and 0 <= number <= 76
    ensure(number is None or is_number, f"{number!r} digits")


def _check_categories(categories):
    for category in typed(categories, list):
        typed(category, str)


# The dtypes of polars that have arguments, and a check of each argument.
POLARS_ARGUMENTS = {
    "Decimal": {"precision": _check_digits, "scale": _check_digits},
    "Datetime": {"time_unit": _check_unit, "time_zone": check_zone},
    "Duration": {"time_unit": _check_unit},
    "Enum": {"categories": _check_categories},
}


def _describe_pandas(dtype):
    """Describe a dtype of pandas by a string or a dict."""
    description = _describe_pandas_unchecked(dtype)
    _check_pandas(description)
    return description


def _describe_pandas_unchecked(dtype):
    pandas = sys.modules["pandas"]
    if isinstance(dtype, pandas.CategoricalDtype):
        categories = dtype.categories
        return {
            "kind": "categorical",
            "categories": list(map(encode, categories.tolist())),
            "dtype": _describe_pandas(categories.dtype),
            "ordered": bool(dtype.ordered),
        }
    if isinstance(dtype, pandas.StringDtype):
        # Text whose missing cells are NaN has no other dtype in old versions.
        storage = dtype.storage if dtype.na_value is pandas.NA else None
        return {"kind": "text", "storage": storage}
    if isinstance(dtype, pandas.SparseDtype):
        fill_value = encode(np.asarray(dtype.fill_value).item())
        subtype = _describe_pandas(dtype.subtype)
        return {"kind": "sparse", "dtype": subtype, "fill_value": fill_value}
    if isinstance(dtype, pandas.ArrowDtype):
        return {"kind": "arrow", "type": str(dtype.pyarrow_dtype)}
    return str(dtype)


def _check_pandas(description):
    """Raise an error of any type unless a dtype of pandas is described."""
    if isinstance(description, str):
        _check_pandas_name(description)
        return
    fields = PANDAS_KINDS[description["kind"]]
    ensure(set(description) == {"kind", *fields}, f"dtype {description!r}")
    for name, check_field in fields.items():
        check_field(description[name])


@lru_cache(maxsize=1024)
def _check_pandas_name(name):
    """Raise ValueError unless a text is the name of a dtype of pandas or NumPy."""
    aware, interval = AWARE.fullmatch(name), INTERVAL.fullmatch(name)
    if aware:
        check_zone(aware[2])
    elif interval:
        _check_pandas_name(interval[1])
    else:
        ensure(PANDAS_NAMES.fullmatch(name) is not None, f"dtype {name!r}")


def _check_storage(storage):
    among(storage, STORAGES)


def _check_labels(encoded):
    for label in typed(encoded, list):
        decode(label)


def _check_bool(value):
    typed(value, bool)


def _check_arrow(text):
    """Raise ValueError unless a text is the name of a type of Arrow."""
    times = ARROW_TIME.fullmatch(typed(text, str))
    categories = ARROW_CATEGORIES.fullmatch(text)
    if times:
        check_zone(times[3])
    elif categories:
        _check_arrow(categories[1])
    else:
        is_known = text in ARROW_NAMES or ARROW_DECIMAL.fullmatch(text)
        ensure(is_known, f"type {text!r} of Arrow")


# The dtypes of pandas that are described by several fields, and a check of each field.
PANDAS_KINDS = {
    "text": {"storage": _check_storage},
    "arrow": {"type": _check_arrow},
    "sparse": {"dtype": _check_pandas_name, "fill_value": decode},
    "categorical": {
        "categories": _check_labels,
        "dtype": _check_pandas,
        "ordered": _check_bool,
    },
}


def _pandas_dtype(pandas, description):
    """Make the dtype that is described, after checking it."""
    _check_pandas(description)
    if isinstance(description, str):
        return pandas.api.types.pandas_dtype(description)
    kind = description["kind"]
    if kind == "text":
        return pandas_text_dtype(pandas, description["storage"])
    if kind == "arrow":
        return pandas.ArrowDtype(
            _arrow_type(import_module("pyarrow"), description["type"])
        )
    dtype = _pandas_dtype(pandas, description["dtype"])
    if kind == "sparse":
        return pandas.SparseDtype(dtype, decode(description["fill_value"]))
    categories = list(map(decode, description["categories"]))
    return pandas.CategoricalDtype(
        pandas.Index(categories, dtype=dtype), description["ordered"]
    )


def _arrow_type(pyarrow, text):
    """Make the type of Arrow that `_check_arrow` has checked."""
    times, decimal, categories = (
        pattern.fullmatch(text)
        for pattern in (ARROW_TIME, ARROW_DECIMAL, ARROW_CATEGORIES)
    )
    if times:
        name, unit, zone = times.groups()
        arguments = (unit,) if zone is None else (unit, zone)
        return getattr(pyarrow, name)(*arguments)
    if decimal:
        return getattr(pyarrow, decimal[1])(int(decimal[2]), int(decimal[3]))
    if categories:
        values, indices = (_arrow_type(pyarrow, categories[k]) for k in (1, 2))
        return pyarrow.dictionary(indices, values, categories[3] == "1")
    return getattr(pyarrow, ARROW_NAMES[text])()
