"""Whatever the table: it comes back as it was, or a stated error is raised."""

import numpy as np
import pandas as pd
import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

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
