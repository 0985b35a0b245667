"""DataFrames of pandas and polars go in, and tables of the same kind come back."""

import datetime
import decimal
import pickle

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from scipy import sparse
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline

from sklearn_dae._tables.frames import kind_of

from ..helpers import METHODS_WITH_X

N = 60


def columns():
    """Make columns of many kinds that depend on the first one, as lists with None."""
    rng = np.random.default_rng(0)
    level = rng.integers(4, size=N)
    holes = rng.random(N) < 0.2

    def with_holes(values):
        return [None if hole else v for v, hole in zip(values, holes, strict=True)]

    return {
        "level": [int(v) for v in level],
        "name": [["north", "south", "east", "west"][v] for v in level],
        "flag": [bool(v > 1) for v in level],
        "real": (level + 0.1 * rng.normal(size=N)).tolist(),
        "byte": [int(80 * v) for v in level],
        "name_holes": with_holes("abcd"[v] for v in level),
        "flag_holes": with_holes(bool(v % 2) for v in level),
        "int_holes": with_holes(int(v) for v in level),
        "real_holes": with_holes(float(v) for v in level),
    }


def pandas_table():
    c = columns()
    return pd.DataFrame(
        {
            "integer": np.array(c["level"], dtype=np.int32),
            "byte": np.array(c["byte"], dtype=np.uint8),
            "real": c["real"],
            "single": np.array(c["real"], dtype=np.float32),
            "category": pd.Categorical(c["name"], ["west", "east", "south", "north"]),
            "ordered": pd.Categorical(c["level"], [0, 1, 2, 3, 9], ordered=True),
            "text": c["name"],
            "object": pd.Series(c["name_holes"], dtype=object),
            "string": pd.array(c["name_holes"], dtype="string"),
            "flag": c["flag"],
            "boolean": pd.array(c["flag_holes"], dtype="boolean"),
            "Int64": pd.array(c["int_holes"], dtype="Int64"),
            "Float32": pd.array(c["real_holes"], dtype="Float32"),
            "float_holes": np.array(c["real_holes"], dtype=float),
            "arrow_int": pd.array(c["int_holes"], dtype="int16[pyarrow]"),
            "arrow_text": pd.array(
                c["name_holes"], dtype=pd.ArrowDtype(pa.large_string())
            ),
            "arrow_decimal": pd.array(
                [None if v is None else decimal.Decimal(v) for v in c["int_holes"]],
                dtype=pd.ArrowDtype(pa.decimal128(6, 2)),
            ),
        }
    ).set_axis(np.arange(N) + 1000)


def polars_table():
    c = columns()
    return pl.DataFrame(
        {
            "integer": pl.Series(c["level"], dtype=pl.Int32),
            "byte": pl.Series(c["byte"], dtype=pl.UInt8),
            "real": c["real"],
            "single": pl.Series(c["real"], dtype=pl.Float32),
            "category": pl.Series(c["name"], dtype=pl.Categorical),
            "enum": pl.Series(
                c["name_holes"], dtype=pl.Enum(["d", "c", "b", "a", "unused"])
            ),
            "text": c["name_holes"],
            "flag": c["flag_holes"],
            "Int64": pl.Series(c["int_holes"], dtype=pl.Int64),
            "decimal": pl.Series(c["int_holes"], dtype=pl.Int64).cast(pl.Decimal(6, 2)),
        }
    )


TABLES = pytest.mark.parametrize(
    "table", [pandas_table(), polars_table()], ids=["pandas", "polars"]
)


def cells_of(table, name):
    """List the cells of a column, with None for missing cells."""
    column = table[name]
    if isinstance(table, pd.DataFrame):
        return column.astype(object).where(column.notna(), None).tolist()
    return column.to_list()


@TABLES
def test_round_trip_keeps_names_order_dtypes_levels_and_rows(small, table):
    dae = small(n_components=64, hidden_layer_sizes=(64,), max_iter=300).fit(table)
    back = dae.inverse_transform(dae.transform(table))
    repaired = dae.reconstruct(table)
    for result in (back, repaired):
        assert type(result) is type(table)
        assert list(result.columns) == list(table.columns)
        assert list(result.dtypes) == list(table.dtypes)
    if isinstance(table, pd.DataFrame):
        assert repaired.index.equals(table.index)
    for name in table.columns:
        assert None not in cells_of(repaired, name)
        pairs = list(zip(cells_of(table, name), cells_of(repaired, name), strict=True))
        observed = [(was, now) for was, now in pairs if was is not None]
        if kind_of(table[name]) == "numeric":
            bound = 0.4 * np.std([float(was) for was, _ in observed])
            far = [abs(float(was) - float(now)) > bound for was, now in observed]
            assert np.mean(far) < 0.05, name
        else:
            assert np.mean([was == now for was, now in observed]) > 0.95, name


@TABLES
def test_impute_fills_all_and_changes_no_observed_cell(small, table):
    dae = small(noise="masking", max_iter=100, n_components=32).fit(table)
    filled = dae.impute(table)
    assert type(filled) is type(table)
    assert list(filled.dtypes) == list(table.dtypes)
    for name in table.columns:
        for was, now in zip(cells_of(table, name), cells_of(filled, name), strict=True):
            assert now is not None
            assert was is None or was == now
    right = [
        was == now
        for was, now in zip(columns()["name"], cells_of(filled, "text"), strict=True)
    ]
    assert isinstance(table, pl.DataFrame) or np.mean(right) == 1
    assert dae.impute(filled).equals(filled)


@TABLES
def test_errors_and_scores_cover_every_column(small, table):
    dae = small(max_iter=100, n_components=32).fit(table)
    errors = dae.cell_errors(table)
    assert type(errors) is type(table)
    assert list(errors.columns) == list(table.columns)
    for name in table.columns:
        for cell, error in zip(
            cells_of(table, name), errors[name].to_list(), strict=True
        ):
            assert (cell is None) == np.isnan(error)
    assert dae.score_samples(table).shape == (N,)
    assert dae.score(table) > 0.5


@TABLES
def test_levels_not_seen_in_fit_are_taken_as_missing(small, table):
    dae = small().fit(table)
    strange, hidden = (
        table.with_columns(text=pl.lit(value, dtype=pl.String))
        if isinstance(table, pl.DataFrame)
        else table.assign(text=pd.Series([value] * N, dtype="str", index=table.index))
        for value in ("nowhere", None)
    )
    np.testing.assert_array_equal(dae.transform(strange), dae.transform(hidden))
    # But a cell with an unseen level is not missing, so impute does not change it.
    assert set(cells_of(dae.impute(strange), "text")) == {"nowhere"}
    assert "nowhere" not in cells_of(dae.reconstruct(strange), "text")
    assert None not in cells_of(dae.impute(hidden), "text")


@TABLES
def test_columns_that_are_all_missing_after_fit(small, table):
    dae = small().fit(table)
    nothing = (
        table.clear(n=5)
        if isinstance(table, pl.DataFrame)
        else table.iloc[:5].assign(
            **dict.fromkeys(("text", "object", "real", "Int64", "boolean"))
        )
    )
    assert np.isfinite(dae.transform(nothing)).all()
    filled = dae.impute(nothing)
    assert all(None not in cells_of(filled, name) for name in table.columns)
    assert np.isfinite(dae.score_samples(nothing)).all()


@TABLES
def test_levels_that_the_dtype_of_the_given_table_lacks_are_added(small, table):
    dae = small(max_iter=50).fit(table)
    if isinstance(table, pd.DataFrame):
        given = table.iloc[:6].assign(
            category=pd.Categorical([None] * 5 + ["up"], ["up"])
        )
        name = "category"
    else:
        enum = pl.Series([None] * 5 + ["up"], dtype=pl.Enum(["up"]))
        given, name = table[:6].with_columns(enum=enum), "enum"
    cells = cells_of(dae.impute(given), name)
    assert cells[-1] == "up"
    assert set(cells[:5]) <= set(cells_of(table, name)) - {None}


def test_frames_of_another_library_than_in_fit(small):
    table = pandas_table()[["integer", "real", "text", "object"]]
    other = pl.from_pandas(table)
    dae = small().fit(table)
    np.testing.assert_array_equal(dae.transform(other), dae.transform(table))
    filled = dae.impute(other)
    assert isinstance(filled, pd.DataFrame)
    assert list(filled.dtypes) == list(table.dtypes)
    assert filled.notna().all(axis=None)
    assert filled["real"].tolist() == table["real"].tolist()


@pytest.mark.filterwarnings("ignore:X does not have valid feature names")
def test_arrays_after_fit_on_a_frame(small):
    table = pandas_table()[["integer", "real", "text", "object"]]
    dae = small().fit(table)
    array = table.to_numpy(dtype=object)
    np.testing.assert_array_equal(dae.transform(array), dae.transform(table))
    assert dae.impute(array).notna().all(axis=None)


def test_kinds_of_columns():
    table = pandas_table()
    kinds = {name: kind_of(table[name]) for name in table}
    for name, kind in kinds.items():
        lower = name.lower()
        if any(word in lower for word in ("cat", "text", "ord", "obj", "string")):
            assert kind == "categorical"
        elif "flag" in name or "bool" in name:
            assert kind == "boolean"
        else:
            assert kind == "numeric"
    numbers = pd.Series([1, 2.5, None], dtype=object)
    assert kind_of(numbers) == "numeric"
    assert kind_of(pd.Series([decimal.Decimal("0.5"), None])) == "numeric"
    assert kind_of(pd.Series([True, None], dtype=object)) == "boolean"
    assert kind_of(pd.Series([1, "a"], dtype=object)) == "categorical"


DAY = datetime.date(2026, 1, 1)
DATES = [
    pd.DataFrame({"x": [1.0, 2.0], "when": pd.to_datetime([DAY, DAY])}),
    pd.DataFrame({"x": [1.0, 2.0], "when": pd.Series([DAY, None], dtype=object)}),
    pd.DataFrame({"x": [1.0, 2.0], "when": pd.to_timedelta([1, 2], unit="D")}),
    pd.DataFrame({"x": [1.0, 2.0], "when": pd.period_range(DAY, periods=2)}),
    pl.DataFrame({"x": [1.0, 2.0], "when": [DAY, DAY]}),
    pl.DataFrame({"x": [1.0, 2.0], "when": [datetime.time(1), None]}),
]


@pytest.mark.parametrize("table", DATES)
def test_dates_are_refused_by_name_with_the_remedy(small, table):
    for categorical in ("from_dtype", None):
        with pytest.raises(ValueError, match=r"Column 'when' .* skrub's DatetimeEnc"):
            small(categorical_features=categorical).fit(table)


def test_dates_may_be_declared_categories(small):
    table = pd.concat([DATES[0]] * 5, ignore_index=True)
    dae = small(categorical_features=["when"]).fit(table)
    assert dae.reconstruct(table)["when"].equals(table["when"])


@pytest.mark.parametrize(
    ("table", "params", "message"),
    [
        (
            pandas_table()[["real", "text"]],
            {"categorical_features": None},
            "Column 'text' of dtype .* holds no numbers. Add it to 'categorical_f",
        ),
        (
            pandas_table()[["real", "text", "object"]],
            {"categorical_features": ["text"]},
            "Column 'object' of dtype object holds no numbers. Add it",
        ),
        (
            pandas_table(),
            {"categorical_features": ["nope"]},
            r"'categorical_features' contains the column 'nope', .*\['integer', 'byte'",
        ),
        (
            pandas_table(),
            {"categorical_features": [99]},
            "'categorical_features' contains the column 99, .* from 0 to 16",
        ),
        (
            pandas_table(),
            {"categorical_features": [True, False]},
            r"'categorical_features' as a mask .* 17 columns .* Got 2",
        ),
        (
            pd.DataFrame({"x": [1.0, 2.0], "z": [1j, 2j]}),
            {},
            "Column 'z' of dtype complex128 holds no numbers. Complex data not supp",
        ),
        (
            pl.DataFrame({"x": [1.0, 2.0], "z": [[1], [2]]}),
            {},
            r"Column 'z' of dtype List\(Int64\) holds no numbers. Convert it to",
        ),
        (
            pd.DataFrame({"x": [1.0, 2.0], "z": [[1], [2]]}),
            {},
            "Column 'z' .* 'list'.* strings",
        ),
        (pandas_table().iloc[:1], {}, r"1 sample\(s\) while a minimum of 2"),
        (
            pandas_table().assign(real=np.inf),
            {},
            "contains infinity",
        ),
        (pandas_table(), {"max_categories": 0}, "'max_categories' .* Got 0"),
        (pandas_table(), {"min_frequency": 1.5}, "'min_frequency' .* Got 1.5"),
        (
            pandas_table(),
            {"noise": {"text": "swap"}, "noise_factor": {"txet": 0.5}},
            "'noise_factor' contains the column 'txet'",
        ),
    ],
)
def test_bad_tables_and_parameters_are_named(small, table, params, message):
    with pytest.raises(ValueError, match=message):
        small(**params).fit(table)


def test_text_where_fit_saw_numbers(small):
    table = pandas_table()[["real", "text"]]
    dae = small().fit(table)
    with pytest.raises(ValueError, match="Column 'real' must hold numbers, as in fit"):
        dae.transform(table.assign(real=["a"] * N))
    with pytest.raises(ValueError, match="should match those that were passed during"):
        dae.transform(table.rename(columns={"text": "other"}))


def test_noise_by_column_name_on_a_mixed_table(small):
    table = pandas_table()
    noise = {
        "real": ["gaussian", "zero"],
        "text": ["masking", "swap", "zero"],
        "flag": "salt_and_pepper",
    }
    factor = {"real": 0.9, "text": 0.5, "flag": 0.3}
    dae = small(noise=noise, noise_factor=factor).fit(table)
    assert np.isfinite(dae.loss_curve_).all()
    with pytest.raises(ValueError, match=r"'masking' .* at most 1. Got 1.5"):
        small(noise=noise, noise_factor={"text": 1.5}).fit(table)


def test_columns_without_an_observed_cell_at_fit(small):
    table = pandas_table().assign(
        text=pd.Series([None] * N, dtype="str", index=pandas_table().index),
        category=pd.Categorical([None] * N, ["west", "east"]),
        boolean=pd.array([None] * N, dtype="boolean"),
        real=np.nan,
    )
    filled = small().fit(table).impute(table)
    assert filled.notna().all(axis=None)
    assert set(filled["text"]) == {""}
    assert set(filled["category"]) == {"west"}
    assert set(filled["boolean"]) == {False}
    assert set(filled["real"]) == {0.0}


def test_grid_search_of_a_pipeline_on_a_frame(small):
    table = pandas_table()
    y = table.pop("text")
    pipeline = make_pipeline(small(max_iter=50), LogisticRegression(max_iter=1000))
    grid = {"denoisingautoencodertransformer__noise": ["swap", "masking"]}
    search = GridSearchCV(pipeline, grid, cv=2, error_score="raise").fit(table, y)
    assert search.best_score_ > 0.9


def test_template_has_no_rows():
    table = pandas_table()
    from ..helpers import small

    template = small().fit(table)._model.layout.template_
    assert len(template) == 0
    assert list(template.dtypes) == list(table.dtypes)


def test_columns_of_dtype_null_in_polars(small):
    table = polars_table()
    nothing = table[:4].with_columns(
        **{name: pl.Series([None] * 4) for name in ("text", "flag", "Int64", "real")}
    )
    filled = small().fit(table).impute(nothing)
    assert filled.null_count().sum_horizontal()[0] == 0
    assert filled.schema == table.schema


@pytest.mark.parametrize("library", [pd, pl])
def test_missing_integers_where_fit_saw_floats_are_rounded(small, library):
    table = library.DataFrame({"x": [0.0, 2.9] * 20, "y": [0.0, 1.0] * 20})
    dae = small(noise="masking", max_iter=300, n_components=32).fit(table)
    dtype = {pd: "UInt8", pl: pl.UInt8}[library]
    x = (
        library.Series("x", [0, None], dtype=dtype)
        if library is pl
        else pd.Series([0, None], dtype=dtype)
    )
    given = library.DataFrame({"x": x, "y": [0.0, 1.0]})
    assert dae.impute(given)["x"].to_list() == [0, 3]


def test_enum_without_the_levels_of_fit(small):
    table = polars_table()[["text", "real"]]
    text = pl.Series([None, None, "a"], dtype=pl.Enum(["a"]))
    filled = small(max_iter=50).fit(table).impute(table[:3].with_columns(text=text))
    assert set(filled["text"]) <= {"a", "b", "c", "d"}


@pytest.mark.parametrize("dtype", [float, "datetime64[ns]", "boolean", "str"])
def test_declared_category_without_an_observed_cell(small, dtype):
    table = pandas_table()[["real", "text"]].assign(
        empty=pd.array([None] * N, dtype="object")
    )
    table["empty"] = table["empty"].astype(dtype) if dtype != "str" else None
    dae = small(categorical_features=["text", "empty"]).fit(table)
    assert dae.reconstruct(table)["empty"].notna().all()


def test_column_names_that_are_other_integers_than_in_fit(small):
    frame = pd.DataFrame({0: np.arange(20), 1: np.arange(20) / 7})
    dae = small().fit(frame)
    other = frame.astype(float).set_axis([10, 0], axis=1)
    other.iloc[0, 0] = np.nan
    filled = dae.impute(other)
    assert list(filled.columns) == [10, 0]
    assert filled.iloc[0, 0] == round(filled.iloc[0, 0])


# pandas < 3 warns of subclasses whose Series lack some private methods.
@pytest.mark.filterwarnings("ignore:Passing a SingleBlockManager")
def test_subclasses_of_pandas(small):
    class Column(pd.Series):
        pass

    class Frame(pd.DataFrame):
        _constructor_sliced = Column

    Column.__module__ = Frame.__module__ = "elsewhere"
    table = Frame(pandas_table()[["real", "text", "object"]])
    filled = small().fit(table).impute(table)
    assert type(filled) is Frame
    assert filled.notna().all(axis=None)


@pytest.mark.parametrize("cell", [[1], np.zeros(2)], ids=["list", "array"])
def test_cells_that_cannot_be_compared(small, cell):
    table = pandas_table()[["real", "text"]]
    odd = table.assign(text=pd.Series([cell] * N, index=table.index, dtype=object))
    message = "Column 'text' holds values that cannot be categories"
    with pytest.raises(ValueError, match=message):
        small().fit(odd)
    with pytest.raises(ValueError, match=message):
        small().fit(table).transform(odd)


def test_template_keeps_neither_buffers_nor_row_labels(small):
    table = pandas_table()
    table = table.set_axis(
        pd.MultiIndex.from_product([["secret"], range(N)]), axis="index"
    )
    dae = small().fit(table)
    template = dae._model.layout.template_
    assert list(template.dtypes) == list(table.dtypes)
    assert b"secret" not in pickle.dumps(dae)
    buffers = template["arrow_text"].array._pa_array.nbytes
    assert buffers < table["arrow_text"].array._pa_array.nbytes / 4
    assert dae.impute(table).index.equals(table.index)


def test_a_frame_of_sparse_columns_stays_sparse(small):
    X = sparse.random(60, 5, 0.3, format="csr", random_state=0)
    frame = pd.DataFrame.sparse.from_spmatrix(X).rename(columns=str)
    dae = small().fit(frame)
    filled = dae.impute(frame)
    assert filled.equals(frame)
    assert filled.dtypes.equals(frame.dtypes)
    np.testing.assert_allclose(dae.transform(frame), small().fit_transform(X))


@pytest.mark.parametrize("names", [["a", "b"], ["a", "b", "k"], ["k"]])
@pytest.mark.parametrize("library", ["pandas", "polars"])
def test_frames_in_chunks_give_the_features_of_whole_frames(
    small, monkeypatch, library, names
):
    rng = np.random.default_rng(0)
    frame = pd.DataFrame(
        {"a": rng.integers(9, size=50), "b": rng.normal(size=50), "k": ["x", "y"] * 25}
    )
    frame.loc[3, "b"] = np.nan
    frame = frame[names]
    X = frame if library == "pandas" else pl.DataFrame(frame.to_dict("list"))
    whole = small().fit_transform(X)
    monkeypatch.setattr("sklearn_dae._tables.layout.FEW_CELLS", 0)
    monkeypatch.setattr("sklearn_dae._cells.CELLS_AT_ONCE", 40)
    np.testing.assert_allclose(small().fit_transform(X), whole, rtol=1e-4, atol=1e-5)


NAMES = {
    "bool": [True, False],
    "bool of NumPy": [np.True_, np.False_],
    "int": [1, 0],
    "int of NumPy": [np.int64(1), np.int64(0)],
    "float": [0.5, 1.5],
    "str of NumPy": [np.str_("b"), np.str_("a")],
    "date": [pd.Timestamp("2026"), pd.Timestamp("2025")],
}
PAIRS = {
    "floats": ([k / 4 for k in range(20)], [float(k % 3) for k in range(20)]),
    "integers": (range(20), [k % 3 for k in range(20)]),
    "mixed": (range(20), [k / 4 for k in range(20)]),
    "text": (range(20), ["a", "b"] * 10),
    "nullable": (pd.array([1, None] * 10, dtype="Int64"), [k / 4 for k in range(20)]),
    "objects": (pd.Series([1, None] * 10, dtype=object), range(20)),
    "sparse": (pd.arrays.SparseArray([0, 1] * 10), pd.arrays.SparseArray([0, 2] * 10)),
}


@pytest.mark.parametrize("names", NAMES)
@pytest.mark.parametrize("pair", PAIRS)
def test_names_that_are_not_python_strings(small, names, pair):
    table = pd.DataFrame(dict(enumerate(PAIRS[pair])))
    table.columns = pd.Index(NAMES[names], dtype=object)
    dae = small(max_iter=1).fit(table).partial_fit(table)
    plain = table.set_axis(["b", "a"], axis=1)
    features = small(max_iter=1).fit(plain).partial_fit(plain).transform(plain)
    np.testing.assert_array_equal(dae.transform(table), features)
    assert np.isfinite(dae.score(table))
    assert np.isfinite(dae.score_samples(table)).all()
    for result in (
        dae.impute(table),
        dae.reconstruct(table),
        dae.cell_errors(table),
        dae.inverse_transform(features),
    ):
        pd.testing.assert_index_equal(result.columns, table.columns)


def test_a_crosstab_is_a_table(small):
    k = pd.Series(range(30))
    table = pd.crosstab(k % 10, k % 3 == 0)
    assert list(table.columns) == [False, True]
    dae = small(max_iter=1).fit(table)
    pd.testing.assert_frame_equal(dae.impute(table), table)


@pytest.mark.parametrize("position", [0, 1])
def test_errors_show_names_of_numpy_as_those_of_python(small, position):
    name = [5, 6.5][position]
    table = pd.DataFrame({0: range(20), 1: range(20)})
    table.columns = pd.Index([np.int64(5), np.float64(6.5)], dtype=object)
    dae = small(categorical_features=None).fit(table)
    text = table.astype(object)
    text.isetitem(position, ["q"] * 20)
    with pytest.raises(ValueError, match=f"^Column {name} of dtype"):
        dae.fit(text)
    with pytest.raises(ValueError, match=f"^Column {name} must hold numbers"):
        dae.transform(text)
    infinite = table.astype(float)
    infinite.isetitem(position, [np.inf] * 20)
    with pytest.raises(ValueError, match=f"^Column {name} of X contains infinity"):
        dae.transform(infinite)


@pytest.mark.parametrize("dtype", [bool, np.bool_])
def test_masks_and_names_of_numpy_in_parameters(small, dtype):
    table = pd.DataFrame({"a": [k % 3 for k in range(20)], "b": range(20)})
    mask = [dtype(True), dtype(False)]
    for categorical_features in (mask, np.array(mask), [np.str_("a")], [np.int64(0)]):
        dae = small(max_iter=1, categorical_features=categorical_features).fit(table)
        assert dae._model.layout.categorical_.tolist() == [0]


COMPLEX_COLUMNS = {
    "complex": lambda z: pd.Series(z, dtype=complex),
    "objects": lambda z: pd.Series(z, dtype=object),
    "sparse": lambda z: pd.Series(pd.arrays.SparseArray(np.array(z))),
}


@pytest.mark.parametrize("case", COMPLEX_COLUMNS)
@pytest.mark.parametrize("text", [True, False])
def test_complex_columns_are_refused_by_all_methods(small, case, text):
    table = pd.DataFrame({"x": np.arange(20.0), "z": np.arange(20.0)})
    if case == "sparse":
        table = table.astype(pd.SparseDtype(float, 0.0))
    if text:
        table["k"] = ["a", "b"] * 10
    dae = small(max_iter=1).fit(table)
    table["z"] = COMPLEX_COLUMNS[case]([0, 1j] * 10)
    message = "Column 'z' .*Complex data not supported: pass the real parts"
    with pytest.raises(ValueError, match=message):
        small().fit(table)
    for method in METHODS_WITH_X:
        with pytest.raises(ValueError, match=message):
            getattr(dae, method)(table)


@pytest.mark.parametrize("cells", [[0, 1], [1.5, 0.0], [1, 2.5]])
@pytest.mark.parametrize("categorical_features", ["from_dtype", None])
def test_sparse_booleans_beside_other_sparse_numbers(
    small, cells, categorical_features
):
    dense = pd.DataFrame({"b": [True, False] * 10, "x": cells * 10})
    fill_values = {"b": False, "x": dense["x"].dtype.type(0)}
    table = pd.DataFrame(
        {
            n: pd.arrays.SparseArray(dense[n], fill_value=v)
            for n, v in fill_values.items()
        }
    )
    params = {"max_iter": 1, "categorical_features": categorical_features}
    dae = small(**params).fit(table)
    expected = small(**params).fit(dense).transform(dense)
    np.testing.assert_allclose(dae.transform(table), expected, atol=1e-5)
    pd.testing.assert_frame_equal(dae.impute(table), table)
    later = small(**params).fit(dense.astype(float))
    assert np.isfinite(later.transform(table)).all()


@pytest.mark.parametrize("categorical_features", ["from_dtype", ["o"], None])
def test_polars_objects_are_refused(small, categorical_features):
    table = pl.DataFrame(
        {"o": pl.Series(["a", "b"] * 10, dtype=pl.Object), "x": range(20)}
    )
    with pytest.raises(ValueError, match="Column 'o' of dtype Object cannot be used"):
        small(categorical_features=categorical_features).fit(table)


@pytest.mark.parametrize(
    "column",
    [
        pd.Series(pd.Categorical([None] * 20)),
        pd.Series(pd.Categorical([None] * 20, ordered=True)),
        pl.Series([None] * 20, dtype=pl.Enum([])),
        pl.Series([None] * 20, dtype=pl.Categorical),
    ],
    ids=["pandas", "ordered", "Enum", "Categorical"],
)
@pytest.mark.parametrize("alone", [True, False])
def test_categories_without_any_category(small, column, alone):
    frame = pd.DataFrame if isinstance(column, pd.Series) else pl.DataFrame
    table = frame({"k": column} if alone else {"k": column, "x": range(20)})
    dae = small(max_iter=1).fit(table)
    features = dae.transform(table)
    for result in (
        dae.impute(table),
        dae.reconstruct(table),
        dae.inverse_transform(features),
    ):
        assert set(cells_of(result, "k")) == {""}
        assert type(result["k"].dtype) is type(column.dtype)
        ordered = getattr(column.dtype, "ordered", None)
        assert getattr(result["k"].dtype, "ordered", None) == ordered
    dae.partial_fit(table)


LEVELS = {
    "str": (["a", "b"], "str"),
    "int": ([1, 2], "number"),
    "date": ([DAY, DAY + datetime.timedelta(1)], "date"),
}


@pytest.mark.parametrize("later", LEVELS)
@pytest.mark.parametrize("first", LEVELS)
def test_categories_of_another_kind_name_both_kinds(small, first, later):
    x = range(20)
    dae = small(max_iter=1).fit(
        pd.DataFrame({"k": pd.Categorical(LEVELS[first][0] * 10), "x": x})
    )
    table = pd.DataFrame({"k": pd.Categorical(LEVELS[later][0] * 10), "x": x})
    if first == later:
        assert np.isfinite(dae.transform(table)).all()
        return
    was, now = LEVELS[first][1], LEVELS[later][1]
    message = f"In fit they were of type {was}, but now they are of type {now}. Convert"
    with pytest.raises(ValueError, match=f"Column 'k' has dtype category .* {message}"):
        dae.transform(table)


@pytest.mark.parametrize(
    ("cells", "kind"),
    [
        (["a", "b"], "str"),
        (["1", "2"], "str"),
        ([DAY, DAY + datetime.timedelta(1)], "date"),
        ([1, "2"], "int and str"),
        ([1, 2], None),
        ([1.5, None], None),
        ([True, False], None),
        ([None, None], None),
    ],
)
def test_categories_in_the_place_of_numbers(small, cells, kind):
    table = pd.DataFrame({"k": [1, 2] * 10, "x": range(20)})
    dae = small(max_iter=1).fit(table)
    given = [table.assign(k=pd.Categorical(cells * 10))]
    if kind == "str":
        dictionary = pd.ArrowDtype(pa.dictionary(pa.int32(), pa.string()))
        given.append(table.assign(k=pd.Series(cells * 10, dtype=dictionary)))
        for dtype in (pl.Categorical, pl.Enum(cells)):
            column = pl.Series(cells * 10, dtype=dtype)
            given.append(pl.DataFrame({"k": column, "x": range(20)}))
    for X in given:
        for method in ("transform", "impute", "score", "partial_fit"):
            if kind is None:
                getattr(dae, method)(X)
                continue
            message = f"'k' must hold numbers, .*categories of type {kind}. Convert"
            with pytest.raises(ValueError, match=message):
                getattr(dae, method)(X)


@pytest.mark.parametrize("dtype", ["boolean", "string", "Int64", "category"])
def test_all_values_of_a_column_without_a_value_in_fit_are_unseen(small, dtype):
    numbers = np.arange(30.0)
    empty = pd.Series([None] * 30, dtype="object" if dtype == "Int64" else dtype)
    table = pd.DataFrame({"x": numbers, "y": -numbers, "empty": empty})
    dae = small(categorical_features=["empty"]).fit(table)
    values = {"boolean": [False, True], "Int64": [0, 1]}.get(dtype, ["", "a"])
    found = []
    for value in (None, *values):
        later = table.assign(empty=pd.Series([value] * 30, dtype=object))
        found.append((dae.transform(later), dae.score_samples(later)))
    for features, scores in found[1:]:
        np.testing.assert_array_equal(features, found[0][0])
        np.testing.assert_array_equal(scores, found[1][1])
        assert np.isfinite(scores).all()
