"""Whatever the table: it comes back as it was, or a stated error is raised."""

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
    "nothing": (st.none(), [pd.ArrowDtype(pa.null()), "object"], [pl.Null]),
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


def test_thousands_of_levels():
    rng = np.random.default_rng(0)
    ids = [f"id{k}" for k in rng.permutation(5000)]
    table = pd.DataFrame({"id": ids, "x": rng.normal(size=5000)})
    for max_categories, n_levels in ((128, 128), (None, 5000)):
        dae = small(max_iter=1, max_categories=max_categories)
        with pytest.warns(UserWarning, match="5000 different values"):
            dae.fit(table)
        assert len(dae._layout.levels_[0]) == n_levels
        assert set(dae.reconstruct(table)["id"]) <= set(ids)


def test_many_rows_alike():
    table = pd.DataFrame({"x": [1.0] * 30 + [2.0], "y": ["a"] * 30 + ["b"]})
    dae = small().fit(table)
    assert np.unique(dae.transform(table), axis=0).shape[0] == 2
