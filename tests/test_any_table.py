"""Whatever the table: it comes back as it was, or a stated error is raised."""

import datetime
from decimal import Decimal

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sklearn_dae._tables.frames import columns as columns_of
from sklearn_dae._tables.frames import values

from .helpers import small

SETTINGS = settings(
    max_examples=60,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
CELLS = {
    "float": st.floats(-1e6, 1e6),
    "wide": st.floats(-1e30, 1e30),
    "int": st.integers(-(2**62), 2**62),
    "bool": st.booleans(),
    "text": st.text(max_size=5),
    "few": st.sampled_from(["a", "b"]),
    "constant": st.just(7.25),
    "one_level": st.just("x"),
}


@st.composite
def column(draw, n_rows):
    """A kind, and cells of it with None where one is missing."""
    kind = draw(st.sampled_from(sorted(CELLS)))
    cells = st.none() if draw(st.integers(0, 9)) == 0 else CELLS[kind]
    if draw(st.booleans()):
        cells = st.none() | cells
    distinct = draw(st.lists(cells, min_size=1, max_size=n_rows))
    rows = draw(
        st.lists(st.integers(0, len(distinct) - 1), min_size=n_rows, max_size=n_rows)
    )
    return kind, [distinct[row] for row in rows]


@st.composite
def columns(draw):
    n_rows = draw(st.integers(2, 25))
    return draw(st.lists(column(n_rows), min_size=1, max_size=6))


DTYPES = {"float": "Float64", "wide": "float64", "int": "Int64", "constant": "float64"}


def as_pandas(columns):
    return pd.DataFrame(
        {
            f"{kind}{j}": pd.Series(
                pd.array(cells, dtype="boolean" if kind == "bool" else "string")
                if kind not in DTYPES
                else pd.array(cells, dtype=DTYPES[kind])
            )
            for j, (kind, cells) in enumerate(columns)
        }
    )


def as_polars(columns):
    dtypes = {"int": pl.Int64, "bool": pl.Boolean}
    numbers = dict.fromkeys(("float", "wide", "constant"), pl.Float64)
    return pl.DataFrame(
        [
            pl.Series(
                f"{kind}{j}", cells, dtype={**dtypes, **numbers}.get(kind, pl.String)
            )
            for j, (kind, cells) in enumerate(columns)
        ]
    )


def lists(table):
    """Cells by column, None where one is missing."""
    if isinstance(table, pl.DataFrame):
        return table.to_dict(as_series=False)
    objects = table.astype(object)
    return objects.where(objects.notna(), None).to_dict("list")


@pytest.mark.parametrize("make", [as_pandas, as_polars])
@pytest.mark.parametrize("noise", ["swap", "masking", "gaussian"])
@pytest.mark.parametrize("scaling", ["standard", "quantile"])
@SETTINGS
@given(columns=columns())
def test_any_table_is_learned_and_comes_back(make, noise, scaling, columns):
    table = make(columns)
    dae = small(max_iter=2, noise=noise, scaling=scaling).fit(table)
    assert np.isfinite(dae.transform(table)).all()
    assert np.isfinite(dae.score(table))
    assert np.isfinite(dae.score_samples(table)).all()
    filled = dae.impute(table)
    assert list(filled.dtypes) == list(table.dtypes)
    repaired = dae.reconstruct(table)
    assert list(repaired.dtypes) == list(table.dtypes)
    for name, cells in lists(table).items():
        now = lists(filled)[name]
        assert None not in now
        assert all(
            was is None or was == is_ for was, is_ in zip(cells, now, strict=True)
        )
        levels = {cell for cell in cells if cell is not None}
        if levels and not name.startswith(("float", "wide", "int", "constant")):
            assert set(lists(repaired)[name]) <= levels


# Kinds of cells, and dtypes of pandas and polars that hold them with missing cells.
KINDS = {
    "int": (
        st.integers(-100, 100),
        ["Int8", "int64[pyarrow]", "object"],
        [pl.Int8, pl.Int64],
    ),
    "float": (
        st.integers(-100, 100).map(lambda k: k / 4),
        ["float32", "Float64", "double[pyarrow]", pd.SparseDtype("float64", np.nan)],
        [pl.Float32, pl.Float64],
    ),
    "bool": (
        st.booleans(),
        ["boolean", "bool[pyarrow]", "object"],
        [pl.Boolean],
    ),
    "decimal": (
        st.integers(-999, 999).map(lambda k: Decimal(k).scaleb(-2)),
        [pd.ArrowDtype(pa.decimal128(3, 2)), "object"],
        [pl.Decimal(3, 2)],
    ),
    "text": (
        st.sampled_from(["a", "b", "c"]),
        [
            "object",
            "string",
            "category",
            pd.ArrowDtype(pa.dictionary(pa.int32(), pa.string())),
        ],
        [pl.String, pl.Categorical, pl.Enum(["a", "b", "c"])],
    ),
    "nothing": (
        st.none(),
        [pd.ArrowDtype(pa.null()), "object", "category"],
        [pl.Null, pl.Categorical, pl.Enum([])],
    ),
}


def series(library, cells, dtype):
    if library == "polars":
        return pl.Series(cells, dtype=dtype, strict=False)
    return pd.Series(cells, dtype=dtype)


@st.composite
def two_tables(draw):
    """A table to fit, and another of the same kinds with more missing cells."""
    library = draw(st.sampled_from(["pandas", "polars"]))
    tables = {}, {}
    for j in range(draw(st.integers(1, 4))):
        kind = draw(st.sampled_from(sorted(KINDS)))
        cells, *dtypes = KINDS[kind]
        dtype = draw(st.sampled_from(dtypes[library == "polars"]))
        first = [
            draw(cells),
            *draw(st.lists(st.none() | cells, min_size=7, max_size=7)),
        ]
        some = draw(st.sampled_from([st.none(), st.none() | cells]))
        given = draw(st.lists(some, min_size=3, max_size=3))
        for table, column in zip(tables, (first, given), strict=True):
            table[f"{kind}{j}"] = series(library, column, dtype)
    frame = pl.DataFrame if library == "polars" else pd.DataFrame
    return frame(tables[0]), frame(tables[1])


@settings(SETTINGS, max_examples=30)
@given(tables=two_tables())
def test_any_dtype_is_filled_and_its_observed_cells_stay(tables):
    table, given = tables
    dae = small(max_iter=1).fit(table)
    features = dae.transform(given)
    assert np.isfinite(features).all()
    assert np.isfinite(dae.score_samples(given)).all()
    assert list(dae.cell_errors(given).columns) == list(table.columns)
    filled = dae.impute(given)
    assert list(filled.columns) == list(table.columns)
    written = dae.reconstruct(given), dae.inverse_transform(features)
    for j, (is_, was) in enumerate(
        zip(columns_of(filled), columns_of(given), strict=True)
    ):
        pairs = list(zip(values(is_), values(was), strict=True))
        assert all(new is not None for new, _ in pairs)
        assert all(new == old for new, old in pairs if old is not None)
        if any(old is not None for _, old in pairs) and is_.dtype != "category":
            assert is_.dtype == was.dtype
        for result in written:
            column = columns_of(result)[j]
            assert None not in values(column)
            if not table.columns[j].startswith("nothing"):
                assert column.dtype == columns_of(table)[j].dtype


# Cells of arrays of objects and of lists, by the kind of the column.
OBJECTS = {
    "int": st.integers(-100, 100),
    "large": st.integers(2**53, 2**63) | st.integers(-(2**70), -(2**53)),
    "int of NumPy": st.integers(-100, 100).map(np.int8),
    "float": st.integers(-100, 100).map(lambda k: k / 4),
    "decimal": st.integers(-999, 999).map(lambda k: Decimal(k).scaleb(-2)),
    "bool": st.booleans(),
    "text": st.sampled_from(["a", "b", "c"]),
    "nothing": st.nothing(),
}
MISSING = st.sampled_from([None, np.nan, pd.NA, pd.NaT])
CONTAINERS = {
    "array": lambda rows: np.array(rows, dtype=object),
    "list": lambda rows: rows,
    "tuples": lambda rows: tuple(map(tuple, rows)),
    "list of arrays": lambda rows: [np.array(row, dtype=object) for row in rows],
}
# Cells that are no numbers.
ODD = {
    "date": [
        datetime.date(2026, 1, 1),
        pd.Timestamp("2026"),
        np.datetime64("2026-01-01", "ns"),
        np.datetime64("NaT", "ns"),
        np.timedelta64(1, "D"),
        pd.Timedelta(1),
        pd.Period("2026"),
    ],
    "complex": [1j, np.complex64(1), np.complex128(2j)],
}


@st.composite
def rows_of_objects(draw):
    """Rows of objects, the positions of the categories, and a container of rows."""
    kinds = draw(st.lists(st.sampled_from(sorted(OBJECTS)), min_size=1, max_size=4))
    n_rows = draw(st.integers(2, 12))
    columns = [
        draw(st.lists(OBJECTS[kind] | MISSING, min_size=n_rows, max_size=n_rows))
        for kind in kinds
    ]
    categorical = [
        j for j, kind in enumerate(kinds) if kind == "text" or draw(st.booleans())
    ]
    container = draw(st.sampled_from(sorted(CONTAINERS)))
    return [list(row) for row in zip(*columns, strict=True)], categorical, container


@settings(SETTINGS, max_examples=40)
@given(case=rows_of_objects())
def test_any_objects_are_filled_and_the_observed_ones_stay(case):
    rows, categorical, container = case
    X = CONTAINERS[container](rows)
    dae = small(max_iter=1, categorical_features=categorical).fit(X)
    features = dae.transform(X)
    assert np.isfinite(features).all()
    assert np.isfinite(dae.score_samples(X)).all()
    assert np.isfinite(dae.score(X))
    is_missing = pd.isna(np.array(rows, dtype=object))
    errors = dae.cell_errors(X)
    assert np.isnan(errors[is_missing]).all()
    filled = dae.impute(X)
    for row, filled_row, missing in zip(rows, filled.tolist(), is_missing, strict=True):
        for was, is_, hole in zip(row, filled_row, missing, strict=True):
            assert not pd.isna(is_)
            assert hole or (is_ == was)
            # Decimals stay Decimals, and integers stay integers in arrays of objects.
            if not hole and (isinstance(was, Decimal) or filled.dtype == object):
                assert type(is_) is type(was)
    levels = {j: {row[j] for row in rows if not pd.isna(row[j])} for j in categorical}
    for result in (dae.reconstruct(X), dae.inverse_transform(features)):
        assert result.shape == filled.shape
        assert not pd.isna(result).any()
        assert all(not of or set(result[:, j]) <= of for j, of in levels.items())
    dae.partial_fit(X)


@settings(SETTINGS, max_examples=30)
@given(case=rows_of_objects(), data=st.data())
def test_any_date_and_complex_number_is_refused_by_its_column(case, data):
    rows, categorical, container = case
    n_rows, n_columns = len(rows), len(rows[0]) + 1
    rows = [[*row, float(k)] for k, row in enumerate(rows)]
    kind = data.draw(st.sampled_from(sorted(ODD)))
    dae = small(max_iter=1, categorical_features=categorical).fit(rows)
    odd = [list(row) for row in rows]
    odd[data.draw(st.integers(0, n_rows - 1))][-1] = data.draw(
        st.sampled_from(ODD[kind])
    )
    X = CONTAINERS[container](odd)
    message = rf"Column {n_columns - 1} must hold numbers: they are {kind}"
    for method in ("fit", "partial_fit", "transform", "impute", "reconstruct"):
        with pytest.raises(ValueError, match=message):
            getattr(dae, method)(X)
    for method in ("score", "score_samples", "cell_errors"):
        with pytest.raises(ValueError, match=message):
            getattr(dae, method)(X)


def test_thousands_of_levels():
    rng = np.random.default_rng(0)
    ids = [f"id{k}" for k in rng.permutation(5000)]
    table = pd.DataFrame({"id": ids, "x": rng.normal(size=5000)})
    for max_categories, n_levels in ((128, 128), (None, 5000)):
        dae = small(max_iter=1, max_categories=max_categories)
        with pytest.warns(UserWarning, match="5000 different values"):
            dae.fit(table)
        assert len(dae._model.layout.levels_[0]) == n_levels
        assert set(dae.reconstruct(table)["id"]) <= set(ids)


def test_many_rows_alike():
    table = pd.DataFrame({"x": [1.0] * 30 + [2.0], "y": ["a"] * 30 + ["b"]})
    dae = small().fit(table)
    assert np.unique(dae.transform(table), axis=0).shape[0] == 2
