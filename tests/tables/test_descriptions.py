"""Descriptions of DataFrames: they give back the same table."""

import json
import sys

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

from sklearn_dae._tables.descriptions import check, describe, labels, make
from sklearn_dae._tables.plain import pack, unpack

PANDAS_DTYPES = [
    "bool", "int8", "uint64", "float32", "float64", "object", "Int64", "UInt8",
    "Float32", "boolean", "string", "category", "datetime64[ns]", "timedelta64[ns]",
    "datetime64[ns, UTC]", "int64[pyarrow]", "string[pyarrow]", "Sparse[float64]",
    pd.Series(["text"]).dtype,
    pd.SparseDtype("int64", 3),
    pd.CategoricalDtype(["b", "a"], ordered=True),
    pd.CategoricalDtype([3, 1]),
    pd.CategoricalDtype([True, False]),
    pd.CategoricalDtype(pd.to_datetime(["2020-01-01", "2021-05-05"])),
    pd.ArrowDtype(pa.decimal128(10, 2)),
    pd.ArrowDtype(pa.dictionary(pa.int8(), pa.string())),
    pd.ArrowDtype(pa.timestamp("us", "Europe/Rome")),
]  # fmt: skip
POLARS_DTYPES = [
    pl.Boolean, pl.Int8, pl.UInt64, pl.Float32, pl.Float64, pl.String, pl.Categorical,
    pl.Date, pl.Time, pl.Null, pl.Decimal(10, 2), pl.Enum(["b", "a"]),
    pl.Datetime("ms", "UTC"), pl.Duration("us"),
]  # fmt: skip


@pytest.mark.parametrize("dtype", PANDAS_DTYPES, ids=str)
def test_dtypes_of_pandas(dtype):
    frame = pd.DataFrame({"x": pd.Series([], dtype=dtype), "y": pd.Series([1.0])[:0]})
    made = make(unpack(pack(describe(frame))))
    pd.testing.assert_frame_equal(made, frame)
    assert made.dtypes.tolist() == frame.dtypes.tolist()


@pytest.mark.parametrize("dtype", POLARS_DTYPES, ids=str)
def test_dtypes_of_polars(dtype):
    frame = pl.DataFrame(schema={"x": dtype, "a b": pl.Float64})
    description = json.loads(json.dumps(describe(frame)))
    assert make(description).schema == frame.schema
    assert labels(description) == ["x", "a b"]


@pytest.mark.parametrize(
    "index",
    [
        pd.Index(["a", "b"], name="letters"),
        pd.RangeIndex(2),
        pd.Index([0.5, 2]),
        pd.Index(["a", 1], dtype=object),
        pd.MultiIndex.from_tuples([("a", 1), ("b", 2)], names=["x", None]),
        pd.CategoricalIndex(["a", "b"], categories=["b", "a"]),
        pd.to_datetime(["2020-01-01", "2021-05-05"]),
    ],
)
def test_labels_of_pandas(index):
    frame = pd.DataFrame(np.empty((0, 2)), columns=index)
    description = unpack(pack(describe(frame)))
    made = make(description).columns
    pd.testing.assert_index_equal(made, index, exact="equiv")
    assert labels(description) == list(index)


@pytest.mark.parametrize(
    "change",
    [
        {"library": "os"},
        {"labels": [["x"]]},
        {"labels": []},
        {"dtypes": ["float64"] * 3},
        {"names": [None, None]},
        {"label_dtypes": []},
    ],
    ids=str,
)
def test_descriptions_are_checked(change):
    description = describe(pd.DataFrame({"x": [], "y": []}))
    check(description, 2)
    with pytest.raises(ValueError, match=r"columns|levels of labels|instead of one of"):
        check({**description, **change}, 2)


@pytest.mark.parametrize("library", ["pandas", "polars"])
def test_a_missing_library_is_named(monkeypatch, library):
    description = describe(pd.DataFrame({"x": []})) | {"library": library}
    monkeypatch.setitem(sys.modules, library, None)
    with pytest.raises(ImportError, match=f"a DataFrame of {library}, which is not"):
        make(description)


@pytest.mark.parametrize(
    "dtype",
    [
        "read_csv", "", "x" * 1000, "int", "S8", "i4,i4", "V100", "string[os]",
        "datetime64[ns, dateutil//etc/passwd]", "datetime64[ns, ../passwd]",
        "datetime64[Y]", "period[../x]", "interval[read_csv, right]", "Sparse[int64]",
        3, None, ["int64"], {}, {"kind": "os"}, {"kind": "text", "storage": "os"},
        {"kind": "text"}, {"kind": "text", "storage": None, "more": 1},
        {"kind": "sparse", "dtype": "read_csv", "fill_value": 0},
        {"kind": "sparse", "dtype": "float64", "fill_value": {"eval": ["1"]}},
        {"kind": "categorical", "categories": "a", "dtype": "object", "ordered": False},
        {"kind": "categorical", "categories": [], "dtype": "object", "ordered": 1},
        {"kind": "categorical", "categories": [{"os": []}], "dtype": "object",
         "ordered": False},
        {"kind": "arrow", "schema": "AAAA"}, {"kind": "arrow", "type": "read_csv"},
        {"kind": "arrow", "type": "list<item: int64>"},
        {"kind": "arrow", "type": "timestamp[us, tz=../passwd]"},
        {"kind": "arrow", "type": "dictionary<values=os, indices=int8, ordered=0>"},
    ],
    ids=str,
)  # fmt: skip
@pytest.mark.parametrize("field", ["dtypes", "label_dtypes"])
def test_no_other_dtypes_of_pandas_are_made(dtype, field):
    description = describe(pd.DataFrame({"x": [1.5]})) | {field: [dtype]}
    for read in (lambda: check(description, 1), lambda: make(description)):
        with pytest.raises((ValueError, TypeError, LookupError)):
            read()


@pytest.mark.parametrize(
    "dtype",
    [
        "read_csv", "DataFrame", "Config", "Object", "List", "float64", 3, None, {},
        {"name": "read_csv", "arguments": {"source": "x"}},
        {"name": "Decimal", "arguments": {"precision": 10**9, "scale": 2}},
        {"name": "Decimal", "arguments": {"precision": 10}},
        {"name": "Datetime", "arguments": {"time_unit": "us", "time_zone": "../x"}},
        {"name": "Duration", "arguments": {"time_unit": "os"}},
        {"name": "Enum", "arguments": {"categories": [1]}},
        {"name": "Enum", "arguments": {"categories": "ab"}},
    ],
    ids=str,
)  # fmt: skip
def test_no_other_dtypes_of_polars_are_made(dtype):
    description = describe(pl.DataFrame({"x": [1.5]})) | {"dtypes": [dtype]}
    for read in (lambda: check(description, 1), lambda: make(description)):
        with pytest.raises((ValueError, TypeError, LookupError)):
            read()


@pytest.mark.parametrize(
    "type_",
    [
        pa.float16(), pa.float32(), pa.bool_(), pa.date32(), pa.date64(),
        pa.time32("s"), pa.time64("ns"), pa.duration("ms"), pa.large_string(),
        pa.binary(), pa.uint8(),
        pa.decimal256(50, 3), pa.timestamp("ns"), pa.null(),
        pa.dictionary(pa.int32(), pa.int64(), ordered=True),
    ],
    ids=str,
)  # fmt: skip
def test_types_of_arrow(type_):
    frame = pd.DataFrame({"x": pd.Series([], dtype=pd.ArrowDtype(type_))})
    made = make(json.loads(json.dumps(describe(frame))))
    assert made.dtypes.tolist() == frame.dtypes.tolist()
