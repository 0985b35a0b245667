"""TableCodec: scaling there and back, and tables of the kind that came in."""

import numpy as np
import pandas as pd
import polars as pl
import pytest

from sklearn_dae._table import TableCodec

SCALINGS = ["standard", "minmax", "quantile", None]


def fitted(X, scaling="standard", template=None):
    codec = TableCodec(scaling, np.random.RandomState(0))
    return codec.fit(X, X if template is None else template)


@pytest.mark.parametrize("scaling", SCALINGS)
def test_decoding_undoes_encoding(holes, scaling):
    codec = fitted(holes, scaling)
    numeric = codec.encode(holes).numeric.numpy()
    np.testing.assert_array_equal(np.isnan(numeric), np.isnan(holes))
    np.testing.assert_allclose(codec.decode(numeric), holes, rtol=1e-4, atol=1e-5)


def test_scales_are_those_asked_for(holes):
    standard = fitted(holes, "standard").encode(holes).numeric.numpy()
    np.testing.assert_allclose(np.nanmean(standard, axis=0), 0, atol=1e-6)
    np.testing.assert_allclose(np.nanstd(standard, axis=0), 1, rtol=1e-5)
    minmax = fitted(holes, "minmax").encode(holes).numeric.numpy()
    np.testing.assert_allclose(np.nanmin(minmax, axis=0), 0, atol=1e-6)
    np.testing.assert_allclose(np.nanmax(minmax, axis=0), 1, rtol=1e-6)
    quantile = fitted(holes, "quantile").encode(holes).numeric.numpy()
    np.testing.assert_allclose(np.nanmedian(quantile, axis=0), 0, atol=0.05)


@pytest.mark.parametrize("scaling", SCALINGS)
def test_summary_describes_the_encoded_columns(holes, scaling):
    codec = fitted(holes, scaling)
    numeric = codec.encode(holes).numeric.numpy()
    summary = codec.summary()
    np.testing.assert_allclose(summary.low, np.nanmin(numeric, axis=0), atol=1e-5)
    np.testing.assert_allclose(summary.high, np.nanmax(numeric, axis=0), atol=1e-5)
    if scaling != "quantile":
        np.testing.assert_allclose(summary.center, np.nanmean(numeric, 0), atol=1e-5)
    assert summary.bounded == (scaling == "minmax")


def test_large_offsets_survive():
    X = 1.7e9 + np.random.default_rng(0).normal(size=(200, 1))
    codec = fitted(X)
    numeric = codec.encode(X).numeric.numpy()
    assert len(np.unique(numeric)) == 200
    np.testing.assert_allclose(codec.decode(numeric), X, rtol=0, atol=1e-5)


def test_many_rows_are_encoded_in_pieces_like_few():
    X = np.random.default_rng(0).normal(3, 2, size=(40_000, 2))
    codec = fitted(X)
    expected = (X - X.mean(0)) / X.std(0)
    np.testing.assert_allclose(codec.encode(X).numeric, expected, atol=1e-5)
    order = np.random.default_rng(1).permutation(len(X))[:30_000]
    np.testing.assert_allclose(
        codec.encode(X, order).numeric, expected[order], atol=1e-5
    )


@pytest.mark.parametrize("scaling", SCALINGS)
def test_constant_and_empty_columns_are_neutral(scaling):
    X = np.c_[np.arange(10.0), np.full(10, 0.1), np.full(10, np.nan)]
    codec = fitted(X, scaling)
    np.testing.assert_array_equal(codec.constant_, [False, True, True])
    other = np.array([[3.0, 1e6, 5.0]])
    assert codec.encode(other).numeric[0, 1] == 0
    values = codec.decode(np.full((1, 3), 0.5, dtype=np.float32))
    np.testing.assert_array_equal(values[0, 1:], [0.1, 0.0])


def test_arrays_come_back_in_the_precision_they_had(table):
    for dtype in (np.float32, np.float64):
        X = table.astype(dtype)
        assert fitted(X).table(table).dtype == dtype


PANDAS = pd.DataFrame(
    {
        "integer": np.array([1, 2, 300], dtype=np.int16),
        "byte": np.array([0, 128, 255], dtype=np.uint8),
        "flag": [True, False, True],
        "single": np.array([0.5, 1.5, 2.5], dtype=np.float32),
        "double": [1.0, 2.0, 4.0],
        "nullable": pd.array([1, None, 3], dtype="Int64"),
        "nullable_flag": pd.array([True, None, False], dtype="boolean"),
        "arrow": pd.array([1, 2, None], dtype="int32[pyarrow]"),
    },
    index=["x", "y", "z"],
)
POLARS = pl.DataFrame(
    {
        "integer": pl.Series([1, 2, None], dtype=pl.Int16),
        "byte": pl.Series([0, 128, 255], dtype=pl.UInt8),
        "flag": [True, False, None],
        "single": pl.Series([0.5, 1.5, 2.5], dtype=pl.Float32),
        "double": [1.0, float("nan"), None],
    }
)


@pytest.mark.parametrize("frame", [PANDAS, POLARS], ids=["pandas", "polars"])
def test_frames_come_back_as_they_were(frame):
    X = np.column_stack(
        [np.asarray(frame[name].to_numpy(), dtype=float) for name in POLARS.columns]
    )
    frame = frame[POLARS.columns]
    values = np.nan_to_num(X) + 0.4
    values[0, 1], values[2, 1] = -20.0, 270.0
    index = getattr(frame, "index", None)
    back = fitted(X, template=frame).table(values, index)
    assert type(back) is type(frame)
    assert list(back.columns) == list(frame.columns)
    assert list(back.dtypes) == list(frame.dtypes)
    assert list(back["integer"])[:2] == [1, 2]
    assert list(back["byte"]) == [0, 128, 255]
    assert list(back["flag"]) == [True, False, X[2, 2] == 1]
    np.testing.assert_allclose(back["single"].to_numpy(), [0.9, 1.9, 2.9], rtol=1e-6)
    if index is not None:
        assert list(back.index) == ["x", "y", "z"]


@pytest.mark.parametrize("frame", [PANDAS, POLARS], ids=["pandas", "polars"])
def test_filling_touches_missing_cells_only(frame):
    missing = np.column_stack(
        [
            np.isnan(np.array(frame[name].to_numpy(), dtype=float, copy=True))
            if frame[name].dtype != "boolean"
            else frame[name].isna()
            for name in frame.columns
        ]
    )
    X = np.zeros(missing.shape)
    filled = fitted(X, template=frame).fill(frame, missing, np.full(X.shape, 7.6))
    assert list(filled.dtypes) == list(frame.dtypes)
    for j, name in enumerate(frame.columns):
        for row in range(3):
            cell = filled[name].to_list()[row]
            if not missing[row, j]:
                assert cell == frame[name].to_list()[row]
            else:
                kind = frame[name].dtype
                expected = 7.6 if "ouble" in name else True if "flag" in name else 8
                assert cell == expected, (name, kind)


def test_largest_integers_do_not_overflow():
    frame = pd.DataFrame({"big": np.array([0, 2**63 - 1], dtype=np.int64)})
    X = frame.to_numpy(dtype=float)
    back = fitted(X, template=frame).table(np.array([[-1e30], [1e30]]))
    assert back["big"].tolist() == [-(2**63), 2**63 - 1024]
