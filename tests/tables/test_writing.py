"""impute, reconstruct, inverse_transform and cell_errors write the columns of fit."""

from decimal import Decimal
from io import StringIO

import dask.dataframe as dd
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

from sklearn_dae._tables.frames import values

OTHER_CONTAINER = pytest.mark.filterwarnings("ignore:X .* feature names:UserWarning")
N = 20
TEXTS = ["a", "b"] * (N // 2)
NUMBERS = [k % 5 for k in range(N)]
PANDAS = {
    "int64": NUMBERS,
    "Int8": NUMBERS,
    "UInt8": NUMBERS,
    "float32": NUMBERS,
    "float64": NUMBERS,
    "Float64": NUMBERS,
    "bool": [k % 2 == 0 for k in range(N)],
    "boolean": [k % 2 == 0 for k in range(N)],
    "int32[pyarrow]": NUMBERS,
    "double[pyarrow]": NUMBERS,
    "bool[pyarrow]": [k % 2 == 0 for k in range(N)],
    pd.ArrowDtype(pa.decimal128(4, 2)): [Decimal(k) / 4 for k in NUMBERS],
    pd.ArrowDtype(pa.dictionary(pa.int32(), pa.string())): TEXTS,
    "object": TEXTS,
    "string": TEXTS,
    "string[pyarrow]": TEXTS,
    "category": TEXTS,
    pd.CategoricalDtype(["b", "a"], ordered=True): TEXTS,
    pd.SparseDtype("float64", 0.0): NUMBERS,
}
POLARS = {
    pl.Int8: NUMBERS,
    pl.UInt64: NUMBERS,
    pl.Float32: NUMBERS,
    pl.Float64: NUMBERS,
    pl.Boolean: PANDAS["bool"],
    pl.Decimal(4, 2): PANDAS[pd.ArrowDtype(pa.decimal128(4, 2))],
    pl.String: TEXTS,
    pl.Categorical: TEXTS,
    pl.Enum(["a", "b"]): TEXTS,
}


def table_of(dtype):
    """Make a table of a numeric column and one of `dtype`."""
    x = [k / 2 for k in range(N)]
    if dtype in POLARS:
        column = pl.Series("k", POLARS[dtype], dtype=dtype, strict=False)
        return pl.DataFrame([pl.Series("x", x), column])
    return pd.DataFrame({"x": x, "k": pd.Series(PANDAS[dtype], dtype=dtype)})


def all_missing(table, dtype):
    """Replace the column "k" of the first rows by missing cells of `dtype`."""
    if isinstance(table, pl.DataFrame):
        return table[:3].with_columns(pl.Series("k", [None] * 3, dtype=dtype))
    return table[:3].assign(k=pd.Series([None] * 3, dtype=dtype))


MISSING = {
    "pandas": [
        "float64",
        "object",
        "Int64",
        "boolean",
        "string",
        "category",
        "double[pyarrow]",
        pd.ArrowDtype(pa.null()),
        pd.ArrowDtype(pa.string()),
    ],
    "polars": [pl.Null, pl.Float32, pl.Int64, pl.Boolean, pl.String, pl.Categorical],
}


@pytest.mark.parametrize("dtype", [*PANDAS, *POLARS], ids=str)
def test_a_column_that_is_all_missing_gets_the_dtype_of_fit(small, dtype):
    table = table_of(dtype)
    dae = small(max_iter=1).fit(table)
    library = "polars" if dtype in POLARS else "pandas"
    for missing in MISSING[library]:
        filled = dae.impute(all_missing(table, missing))
        assert filled["k"].dtype == table["k"].dtype, missing
        assert None not in values(filled["k"]), missing
        if values(table["k"])[0] == "a":
            assert set(values(filled["k"])) <= {"a", "b"}


def test_a_row_of_a_csv_file_with_an_empty_text(small):
    dae = small().fit(pd.DataFrame({"x": range(20), "k": list("ab") * 10}))
    filled = dae.impute(pd.read_csv(StringIO("x,k\n3,\n")))
    assert filled["k"].tolist()[0] in ("a", "b")
    assert filled["x"].tolist() == [3]


@pytest.mark.parametrize("dtype", [*PANDAS, *POLARS], ids=str)
def test_missing_cells_are_filled_and_the_others_do_not_change(small, dtype):
    table = table_of(dtype)
    if str(dtype) in ("int64", "bool") or "Sparse" in str(dtype):
        given = table  # These cannot hold missing cells.
    elif dtype in POLARS:
        given = table.with_columns(k=pl.when(pl.col("x") != 2).then(pl.col("k")))
    else:
        given = table.copy()
        given.loc[4, "k"] = None
    dae = small(max_iter=1).fit(given)
    for result in (dae.impute(given), dae.reconstruct(given)):
        assert list(result.dtypes) == list(given.dtypes)
        assert None not in values(result["k"])
    filled = values(dae.impute(given)["k"])
    before = values(given["k"])
    assert [f for f, b in zip(filled, before, strict=True) if b is not None] == [
        b for b in before if b is not None
    ]
    back = dae.inverse_transform(dae.transform(given))
    assert list(back.dtypes) == list(given.dtypes)


OBJECTS = {
    "decimals": ([Decimal("1.25"), Decimal("3.50"), None, Decimal("2.00")], Decimal),
    "decimals and zeros": ([Decimal("1.25"), 0, None, Decimal("2.00")], Decimal),
    "integers": ([1, 2, None, 5], int),
    "floats": ([1.5, 2.0, None, 5.0], float),
    "booleans": ([True, False, None, True], bool),
}


@pytest.mark.parametrize("case", OBJECTS)
@pytest.mark.parametrize("container", ["frame", "array"])
def test_objects_are_filled_by_objects_of_their_kind(small, case, container):
    cells, kind = OBJECTS[case]
    table = pd.DataFrame(
        {"x": np.arange(20.0), "o": pd.Series(cells * 5, dtype=object)}
    )
    given = table if container == "frame" else table.to_numpy()
    filled = pd.DataFrame(small().fit(given).impute(given)).to_numpy(dtype=object)
    before = table.to_numpy(dtype=object)
    for is_, was in zip(filled[:, 1], before[:, 1], strict=True):
        if was is not None:
            assert type(is_) is type(was)
            assert is_ == was
        elif container == "frame":
            assert type(is_) is kind


@pytest.mark.parametrize("library", ["pandas", "polars"])
@pytest.mark.parametrize("precision", [3, 38])
def test_decimals_are_clipped_to_their_precision(small, library, precision):
    decimals = [Decimal("9.99"), Decimal("-9.99"), Decimal("0.01"), Decimal("9.00")] * 5
    if library == "pandas":
        dtype = pd.ArrowDtype(pa.decimal128(precision, 2))
        table = pd.DataFrame({"d": pd.Series(decimals, dtype=dtype)})
    else:
        dtype = pl.Decimal(precision, 2)
        table = pl.DataFrame({"d": pl.Series(decimals, dtype=dtype)})
    dae = small().fit(table)
    features = dae.transform(table) * 100
    for result in (dae.reconstruct(table), dae.inverse_transform(features)):
        assert list(result.dtypes) == [dtype]
        assert len(values(result["d"])) == 20


@pytest.mark.parametrize("dtype", ["float16", "float32", "Float32"])
def test_small_floats_stay_finite(small, dtype):
    largest = np.finfo(dtype.lower()).max
    table = pd.DataFrame({"x": [largest, -largest, 0, largest / 2] * 5}).astype(dtype)
    dae = small(scaling="minmax").fit(table)
    features = dae.transform(table) * 1e3
    for result in (dae.reconstruct(table), dae.inverse_transform(features)):
        assert result["x"].dtype == table["x"].dtype
        assert np.isfinite(result["x"].to_numpy(dtype=float)).all()


def dictionary_table():
    """A category as pandas reads it from Parquet with the dtypes of Arrow."""
    dtype = pd.ArrowDtype(pa.dictionary(pa.int32(), pa.string()))
    k = pd.Series(["a", None, *TEXTS[2:]], dtype=dtype)
    return pd.DataFrame({"x": np.arange(20.0), "k": k})


@pytest.mark.parametrize("categorical_features", ["from_dtype", ["k"]])
def test_dictionaries_of_arrow_are_categories(small, categorical_features):
    table = dictionary_table()
    dae = small(categorical_features=categorical_features).fit(table)
    for result in (
        dae.impute(table),
        dae.reconstruct(table),
        dae.inverse_transform(dae.transform(table)),
    ):
        assert result.dtypes.equals(table.dtypes)
        assert set(values(result["k"])) <= {"a", "b"}
    assert dae.cell_errors(table).columns.tolist() == ["x", "k"]


@pytest.mark.parametrize("dtype", [float, int, bool])
def test_sparse_columns_keep_names_index_and_dtypes(small, dtype):
    dummies = pd.get_dummies(pd.Series(TEXTS), sparse=True, dtype=dtype)
    dummies.index = [f"row{k}" for k in range(N)]
    dae = small().fit(dummies)
    filled = dae.impute(dummies)
    pd.testing.assert_frame_equal(filled, dummies)
    for result in (
        dae.reconstruct(dummies),
        dae.inverse_transform(dae.transform(dummies)),
    ):
        assert result.dtypes.equals(dummies.dtypes)
        assert list(result.columns) == ["a", "b"]


def test_missing_cells_of_sparse_columns(small):
    dtype = pd.SparseDtype("float64", np.nan)
    table = pd.DataFrame({"x": [1.0, 2.0, np.nan, 4.0] * 5, "y": [0.0, np.nan] * 10})
    of_nan = table.astype(dtype)
    filled = small().fit(of_nan).impute(of_nan)
    assert filled.dtypes.equals(of_nan.dtypes)
    expected = small().fit(table).impute(table)
    np.testing.assert_allclose(filled.to_numpy(float), expected.to_numpy(float))


EMPTY = {
    "object": lambda: pd.Series([None] * N, dtype=object),
    "null of Arrow": lambda: pd.Series([None] * N, dtype=pd.ArrowDtype(pa.null())),
    "null of polars": lambda: pl.Series("e", [None] * N, dtype=pl.Null),
}


@pytest.mark.parametrize("case", EMPTY)
@pytest.mark.parametrize("later", [["a", "b"], [1.5, 2.0], [True, False]])
def test_values_of_a_column_without_any_in_fit_are_unseen(small, case, later):
    empty, x = EMPTY[case](), np.arange(float(N))
    frame = pl.DataFrame if case.endswith("polars") else pd.DataFrame
    series = pl.Series if case.endswith("polars") else pd.Series
    table = frame({"x": x, "e": empty})
    later = frame({"x": x[:3], "e": series([*later, None])})
    dae = small(max_iter=1).fit(table)
    assert np.isfinite(dae.transform(later)).all()
    assert np.isfinite(dae.score_samples(later)).all()
    filled = dae.impute(later)
    assert values(filled["e"])[:2] == values(later["e"])[:2]
    assert None not in values(filled["e"])
    assert None not in values(dae.impute(table)["e"])
    dae.partial_fit(later)
    assert np.isfinite(dae.transform(later)).all()


METHODS = [
    "transform",
    "impute",
    "reconstruct",
    "cell_errors",
    "score_samples",
    "score",
]


def other_tables():
    """Make a table of each library, by the method that converts it."""

    frame = pd.DataFrame({"x": np.arange(20.0), "k": TEXTS})
    yield "to_pandas", pa.Table.from_pandas(frame)
    yield "collect", pl.DataFrame(frame.to_dict("list")).lazy()
    yield "compute", dd.from_pandas(frame, npartitions=2)
    # narwhals has such a class.
    of_narwhals = {"columns": ["x", "k"], "to_native": lambda self: frame}
    yield "to_native", type("DataFrame", (), of_narwhals)()


@pytest.mark.parametrize("method", ["fit", "partial_fit", "fit_transform", *METHODS])
def test_tables_of_other_libraries_are_refused_by_all_methods(small, method):
    frame = pd.DataFrame({"x": np.arange(20.0), "k": TEXTS})
    dae = small(max_iter=1)
    if method in METHODS:
        dae.fit(frame)
    for remedy, table in other_tables():
        message = rf"X is a \w+ of \w+, but must be .*\. Pass X\.{remedy}\(\) instead"
        with pytest.raises(TypeError, match=message):
            getattr(dae, method)(table)


COLUMNS = {
    "named": lambda: pd.Index(["x", "k"], name="fields"),
    "categorical": lambda: pd.CategoricalIndex(["x", "k"], name="fields"),
}


@pytest.mark.parametrize("case", COLUMNS)
def test_the_index_of_the_columns_stays(small, case):
    table = pd.DataFrame({"x": np.arange(20.0), "k": TEXTS})
    table.loc[3, "x"], table.loc[4, "k"] = np.nan, None
    table.columns = COLUMNS[case]()
    dae = small().fit(table)
    for result in (
        dae.impute(table),
        dae.reconstruct(table),
        dae.inverse_transform(dae.transform(table)),
        dae.cell_errors(table),
    ):
        pd.testing.assert_index_equal(result.columns, table.columns, exact=True)


def test_levels_of_a_multiindex_of_columns_stay(small):
    columns = pd.MultiIndex.from_product([["u"], ["x", "y"]], names=["a", "b"])
    table = pd.DataFrame(np.arange(40.0).reshape(20, 2), columns=columns)
    table.iloc[3, 1] = np.nan
    dae = small().fit(table)
    for result in (
        dae.impute(table),
        dae.reconstruct(table),
        dae.inverse_transform(dae.transform(table)),
        dae.cell_errors(table),
    ):
        pd.testing.assert_index_equal(result.columns, columns, exact=True)


@OTHER_CONTAINER
def test_an_array_after_a_frame_keeps_its_observed_cells(small):
    rng = np.random.default_rng(0)
    counts = pd.DataFrame(
        {"a": rng.integers(0, 30, 20), "b": rng.integers(0, 2, 20) > 0}
    )
    given = np.array([[0.5, 1.0], [np.nan, 0.0], [2.0, np.nan], [-7.25, 1.0]])
    for table in (counts, pl.DataFrame(counts.to_dict("list"))):
        filled = small().fit(table).impute(given)
        assert values(filled["a"])[::2] == [0.5, 2.0]
        assert values(filled["a"])[3] == -7.25
        assert [values(filled["b"])[k] for k in (0, 1, 3)] == [1, 0, 1]
        assert float(values(filled["a"])[1]).is_integer()
        assert values(filled["b"])[2] in (0, 1)


@OTHER_CONTAINER
@pytest.mark.parametrize("of_fit", ["pandas", "polars", "array"])
@pytest.mark.parametrize("of_given", ["pandas", "polars", "array", "list"])
def test_observed_cells_do_not_change_whatever_the_container(small, of_fit, of_given):
    rng = np.random.default_rng(0)
    X = rng.normal(size=(20, 2)).astype(np.float64)
    given = X.copy()
    given[3, 0] = given[4, 1] = np.nan
    convert = {
        "pandas": lambda array: pd.DataFrame(array, columns=["a", "b"]),
        "polars": lambda array: pl.DataFrame(array, schema=["a", "b"]),
        "array": lambda array: array,
        "list": lambda array: array.tolist(),
    }
    dae = small().fit(convert[of_fit](X))
    filled = dae.impute(convert[of_given](given))
    assert type(filled) is type(convert[of_fit](X))
    filled = np.asarray(filled)
    assert filled.dtype == np.float64
    observed = ~np.isnan(given)
    np.testing.assert_array_equal(filled[observed], given[observed])
    assert np.isfinite(filled).all()


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_arrays_of_floats_keep_their_dtype(small, dtype):
    X = np.random.default_rng(0).normal(size=(20, 2)).astype(dtype)
    X[3, 0] = np.nan
    filled = small().fit(X).impute(X)
    assert filled.dtype == dtype
    np.testing.assert_array_equal(filled[~np.isnan(X)], X[~np.isnan(X)])


@pytest.mark.parametrize("of_fit", ["pandas", "polars"])
@pytest.mark.parametrize("of_given", ["pandas", "polars", "array"])
@OTHER_CONTAINER
def test_categories_of_another_container_are_filled_by_levels(small, of_fit, of_given):
    cells = {"x": list(range(20)), "k": TEXTS, "b": PANDAS["bool"]}
    given = {"x": [1.5, None, 3.0], "k": ["a", "new", None], "b": [True, None, False]}
    convert = {
        "pandas": lambda columns: pd.DataFrame(columns),
        "polars": lambda columns: pl.DataFrame(columns, strict=False),
        "array": lambda columns: np.array(list(columns.values()), dtype=object).T,
    }
    dae = small().fit(convert[of_fit](cells))
    filled = dae.impute(convert[of_given](given))
    assert type(filled) is type(convert[of_fit](cells))
    x, k, b = (values(filled[name]) for name in "xkb")
    assert [x[0], x[2]] == [1.5, 3.0]
    assert float(x[1]).is_integer()
    assert k[:2] == ["a", "new"]
    assert k[2] in ("a", "b")
    assert [b[0], b[2]] == [True, False]
    assert b[1] in (True, False)
