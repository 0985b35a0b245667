"""Arrays of objects, lists of rows and tensors are read as tables."""

import datetime
from collections import UserList, deque
from decimal import Decimal
from fractions import Fraction

import numpy as np
import pandas as pd
import polars as pl
import pytest
import torch
from scipy import sparse

from sklearn_dae._tables.arrays import as_array, floats

from ..helpers import METHODS_WITH_X

NUMBERS = np.random.default_rng(0).normal(size=(20, 3)).round(2)


def objects(cells):
    """Make an array of objects. NumPy would convert some of them."""
    array = np.empty(len(cells), dtype=object)
    array[:] = cells
    return array


@pytest.mark.parametrize(
    ("cells", "numbers"),
    [
        ([1, None, 2.5], [1, np.nan, 2.5]),
        ([1, pd.NA, 2], [1, np.nan, 2]),
        ([1, pd.NaT, None], [1, np.nan, np.nan]),
        ([pd.NaT, pd.NA, np.nan], [np.nan] * 3),
        ([Decimal("1.5"), Fraction(1, 4), True], [1.5, 0.25, 1]),
        ([np.int8(3), np.float32(0.5), "2.5"], [3, 0.5, 2.5]),
        ([10**400, -(10**400), None], [np.inf, -np.inf, np.nan]),
        (
            [Decimal("1e900"), Decimal("-1e900"), Decimal("1e-900")],
            [np.inf, -np.inf, 0],
        ),
    ],
)
def test_objects_become_floats(cells, numbers):
    found = floats(objects(cells))
    assert found.dtype == np.float64
    np.testing.assert_array_equal(found, numbers)


DAY = datetime.date(2026, 1, 1)
DATES = {
    "datetime64": np.datetime64("2026-01-01"),
    "nanoseconds": np.datetime64("2026-01-01", "ns"),
    "no date of NumPy": np.datetime64("NaT", "ns"),
    "timedelta64": np.timedelta64(1, "D"),
    "Timestamp": pd.Timestamp(DAY),
    "Timestamp with a zone": pd.Timestamp(DAY, tz="UTC"),
    "Timedelta": pd.Timedelta(1),
    "Period": pd.Period("2026"),
    "date": DAY,
    "time": datetime.time(1),
    "timedelta": datetime.timedelta(1),
}
COMPLEX = {"complex": 1j, "complex64": np.complex64(1j), "complex128": np.complex128(1)}
NO_NUMBERS = {**DATES, **COMPLEX}


def remedy_for(case):
    return "Complex data not supp" if case in COMPLEX else "Convert dates to numbers"


@pytest.mark.parametrize("case", NO_NUMBERS)
def test_dates_and_complex_numbers_are_no_floats(case):
    kind = "complex numbers" if case in COMPLEX else "dates"
    name = type(NO_NUMBERS[case]).__name__
    message = f"they are {kind}, of type {name}. {remedy_for(case)}"
    with pytest.raises(ValueError, match=message):
        floats(objects([None, NO_NUMBERS[case], 1.0]))


@pytest.mark.parametrize("case", NO_NUMBERS)
@pytest.mark.parametrize("make", [list, np.array], ids=["list", "array"])
@pytest.mark.parametrize("categorical_features", [None, [0]])
def test_dates_and_complex_numbers_are_refused_by_column(
    small, case, make, categorical_features
):
    rows = np.array([[k % 3, k, k / 2] for k in range(20)], dtype=object)
    dae = small(max_iter=1, categorical_features=categorical_features)
    fitted = small(max_iter=1, categorical_features=categorical_features).fit(rows)
    rows = [list(row) for row in rows]
    rows[3][2] = NO_NUMBERS[case]
    given = rows if make is list else np.array(rows, dtype=object)
    message = f"Column 2 must hold numbers: .*{remedy_for(case)}"
    with pytest.raises(ValueError, match=message):
        dae.fit(given)
    for method in METHODS_WITH_X:
        with pytest.raises(ValueError, match=message):
            getattr(fitted, method)(given)


ARRAYS = {
    "dates": NUMBERS.astype("datetime64[D]"),
    "durations": NUMBERS.astype("timedelta64[ns]"),
    "complex": NUMBERS + 1j,
    "complex tensor": torch.from_numpy(NUMBERS + 1j),
    "sparse": sparse.csr_array(NUMBERS + 1j),
    "list of dates": list(NUMBERS.astype("datetime64[ns]")),
    "list of durations": list(NUMBERS.astype("timedelta64[D]")),
    "list of complex numbers": list(NUMBERS + 1j),
    "list of series": [pd.Series(pd.to_datetime([DAY] * 3))] * 20,
}


@pytest.mark.parametrize("case", ARRAYS)
@pytest.mark.parametrize("categorical_features", [None, [0]])
def test_arrays_of_dates_and_complex_numbers_are_refused(
    small, case, categorical_features
):
    X, dae = ARRAYS[case], small(max_iter=1, categorical_features=categorical_features)
    message = r"(X of dtype|Column \d).*(Complex data not|Convert dates)"
    with pytest.raises(ValueError, match=message):
        dae.fit(X)
    dae.fit(NUMBERS)
    for method in METHODS_WITH_X:
        with pytest.raises(ValueError, match=message):
            getattr(dae, method)(X)


@pytest.mark.parametrize(
    "case", ["array", "objects", "list", "frame", "frame of objects"]
)
def test_inverse_transform_refuses_complex_numbers(small, case):
    dae = small(max_iter=1).fit(NUMBERS)
    features = dae.transform(NUMBERS) + 1j
    make = {
        "array": lambda: features,
        "objects": lambda: features.astype(object),
        "list": features.tolist,
        "frame": lambda: pd.DataFrame(features),
        "frame of objects": lambda: pd.DataFrame(features.astype(object)),
    }
    with pytest.raises(ValueError, match=r"(X|Column 0).* numbers.*Complex data not"):
        dae.inverse_transform(make[case]())


def test_inverse_transform_takes_other_numbers(small):
    dae = small(max_iter=1).fit(NUMBERS)
    features = dae.transform(NUMBERS)
    expected = dae.inverse_transform(features)
    for given in (
        features.tolist(),
        features.astype(object),
        torch.from_numpy(features),
        pd.DataFrame(features).astype("Float32"),
        pd.DataFrame(features).astype(object),
    ):
        np.testing.assert_array_equal(dae.inverse_transform(given), expected)
    missing = features.astype(object)
    missing[0, 0] = pd.NA
    for given in (missing, pd.DataFrame(missing)):
        with pytest.raises(ValueError, match="Input X contains NaN"):
            dae.inverse_transform(given)


HOLES = NUMBERS.astype(object)
HOLES[3, 1], HOLES[4, 2], HOLES[5, 0], HOLES[6, 0] = None, pd.NA, np.nan, pd.NaT
CONTAINERS = {
    "array": lambda X: X,
    "list": lambda X: X.tolist(),
    "tuples": lambda X: tuple(map(tuple, X)),
    "list of arrays": list,
    "list of series": lambda X: list(map(pd.Series, X)),
    "frame": pd.DataFrame,
}


@pytest.mark.parametrize("case", CONTAINERS)
@pytest.mark.parametrize("categorical_features", [None, [1]])
def test_all_kinds_of_missing_cells_are_missing(small, case, categorical_features):
    X = CONTAINERS[case](HOLES)
    is_missing = pd.isna(HOLES)
    plain = HOLES.copy()
    plain[is_missing] = np.nan
    dae = small(max_iter=1, categorical_features=categorical_features).fit(X)
    same = small(max_iter=1, categorical_features=categorical_features).fit(plain)
    for method in METHODS_WITH_X[:-1]:
        found = np.asarray(getattr(dae, method)(X), dtype=float)
        expected = np.asarray(getattr(same, method)(plain), dtype=float)
        np.testing.assert_allclose(found, expected, rtol=1e-5)
    filled = np.asarray(dae.impute(X), dtype=object)
    np.testing.assert_array_equal(filled[~is_missing], HOLES[~is_missing])
    assert not pd.isna(filled).any()
    dae.partial_fit(X)


def test_numbers_of_nullable_columns_as_an_array(small):
    frame = pd.DataFrame(
        {
            "a": pd.array([1, 2, None, 4] * 5, dtype="Int64"),
            "b": pd.array([0.5, None, 2.5, 1.0] * 5, dtype="Float64"),
        }
    )
    X = frame.to_numpy()
    filled = small(max_iter=1).fit(X).impute(X)
    assert {type(cell) for cell in filled[:, 0]} == {int}
    assert {type(cell) for cell in filled[:, 1]} == {float}
    assert [filled[k, 0] for k in (0, 1, 3)] == [1, 2, 4]
    replaced = pd.DataFrame({"a": [1, 9, 3, 4] * 5, "b": range(20)}).astype(object)
    replaced = replaced.replace(9, pd.NA)
    filled = small(max_iter=1).fit(replaced).impute(replaced)
    assert not filled.isna().any(axis=None)
    assert {type(cell) for cell in filled["a"]} == {int}


LARGE = [[2**53 + 1, 1.5], [2**60 + 1, None], [None, 2.5], [2**62 + 3, 3.5]] * 5


@pytest.mark.filterwarnings("ignore:X .* feature names:UserWarning")
@pytest.mark.parametrize("of_fit", ["same", "floats", "frame"])
@pytest.mark.parametrize("categorical_features", [None, [0], [1]])
@pytest.mark.parametrize("make", [list, np.array], ids=["list", "array"])
def test_impute_keeps_large_integers(small, of_fit, categorical_features, make):
    X = LARGE if make is list else np.array(LARGE, dtype=object)
    rows = np.random.default_rng(0).random((20, 2))
    tables = {"same": X, "floats": rows, "frame": pd.DataFrame(rows)}
    dae = small(max_iter=1, categorical_features=categorical_features)
    # An array of the frame itself would be one of floats.
    filled = pd.DataFrame(dae.fit(tables[of_fit]).impute(X)).to_numpy(dtype=object)
    for row, filled_row in zip(LARGE, filled.tolist(), strict=True):
        for was, is_ in zip(row, filled_row, strict=True):
            assert is_ == was if was is not None else is_ is not None


@pytest.mark.parametrize(
    ("dtype", "make"),
    [
        (np.int64, np.asarray),
        (np.int64, sparse.csr_array),
        (np.int64, torch.from_numpy),
        (np.uint64, np.asarray),
        (np.uint64, sparse.csr_array),
    ],
)
def test_impute_keeps_arrays_of_integers(small, dtype, make):
    X = np.array([[2**62 + 1 + k, k] for k in range(20)]).astype(dtype)
    filled = small(max_iter=1).fit(make(X)).impute(make(X))
    filled = filled.toarray() if sparse.issparse(filled) else filled
    assert filled.dtype == dtype
    np.testing.assert_array_equal(filled, X)


@pytest.mark.parametrize("dtype", [np.int64, np.uint64, object])
@pytest.mark.parametrize("make", [np.asarray, np.ndarray.tolist])
def test_large_integers_as_levels_come_back(small, dtype, make):
    X = np.array([[2**53 + 1 + k % 3, k] for k in range(20)]).astype(dtype)
    dae = small(categorical_features=[0], max_iter=1).fit(make(X))
    levels = set(X[:, 0].tolist())
    for result in (dae.reconstruct(make(X)), dae.inverse_transform(dae.transform(X))):
        assert {int(level) for level in result[:, 0]} <= levels
    assert dae.impute(make(X)).tolist() == X.tolist()


def test_small_integers_as_levels_give_floats(small):
    X = np.array([[k % 3, k] for k in range(20)])
    dae = small(categorical_features=[0], max_iter=1).fit(X)
    assert dae.reconstruct(X).dtype == np.float64


@pytest.mark.parametrize("categorical_features", [None, [0]])
def test_objects_keep_their_types(small, categorical_features):
    rows = [[Decimal("1.50"), 10], [Decimal("2.25"), None], [None, 30]] * 7
    dae = small(max_iter=1, categorical_features=categorical_features)
    for X in (rows, np.array(rows, dtype=object)):
        filled = dae.fit(X).impute(X)
        assert {type(cell) for cell in filled[:, 0]} == {Decimal}
        assert {type(cell) for cell in filled[:, 1]} == {int}
        assert max(-cell.as_tuple().exponent for cell in filled[:, 0]) == 2
    # Floats can hold these, but they are Decimals.
    halves = [[Decimal("1.5"), 1.0], [Decimal("2.5"), 2.0]] * 5
    assert {type(cell) for cell in dae.fit(halves).impute(halves)[:, 0]} == {Decimal}


def test_integers_in_a_list_are_filled_by_whole_numbers(small):
    X = [[1, 10], [2, None], [3, 30], [4, 50]] * 5
    filled = small(max_iter=1).fit(X).impute(X)
    assert filled.dtype == np.float64
    assert float(filled[1, 1]).is_integer()
    of_floats = [[1.5, 10.5], [2.5, None], [3.5, 30.5], [4.5, 50.5]] * 5
    filled = small(max_iter=1).fit(of_floats).impute(of_floats)
    assert not float(filled[1, 1]).is_integer()


TENSORS = {
    "float64": lambda: torch.from_numpy(NUMBERS),
    "float32": lambda: torch.from_numpy(NUMBERS).float(),
    "float16": lambda: torch.from_numpy(NUMBERS).half(),
    "bfloat16": lambda: torch.from_numpy(NUMBERS).bfloat16(),
    "int64": lambda: torch.arange(60).reshape(20, 3),
    "bool": lambda: torch.from_numpy(NUMBERS) > 0,
    "with gradients": lambda: torch.from_numpy(NUMBERS).requires_grad_(),
}


@pytest.mark.parametrize("case", TENSORS)
@pytest.mark.parametrize("categorical_features", [None, [0]])
def test_tensors_are_tables(small, case, categorical_features):
    X = TENSORS[case]()
    array = (X.float() if case == "bfloat16" else X).detach().numpy()
    dae = small(max_iter=1, categorical_features=categorical_features).fit(X)
    filled = dae.impute(X)
    assert isinstance(filled, np.ndarray)
    assert filled.dtype == array.dtype
    np.testing.assert_array_equal(filled, array)
    np.testing.assert_array_equal(dae.transform(X), dae.transform(array))
    dae.partial_fit(X)


def test_missing_cells_of_a_tensor_are_filled(small):
    X = torch.from_numpy(NUMBERS).clone()
    X[3, 1] = torch.nan
    filled = small(max_iter=1).fit(X).impute(X)
    assert np.isfinite(filled).all()
    np.testing.assert_array_equal(np.delete(filled, 3, 0), np.delete(NUMBERS, 3, 0))


def test_a_list_after_an_array_of_single_precision(small):
    dae = small(max_iter=1).fit(NUMBERS.astype(np.float32))
    filled = dae.impute([[0.1, None, 2.5], [1.0, 0.7, 0.3]])
    assert filled.dtype == np.float64
    assert filled[1].tolist() == [1.0, 0.7, 0.3]


@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.int64])
def test_masked_cells_are_missing(small, dtype):
    X = np.ma.array((NUMBERS * 100).astype(dtype))
    X[3, 1] = X[4, 2] = np.ma.masked
    plain = np.where(X.mask, np.nan, X.data.astype(float)).astype(np.float32)
    dae = small(max_iter=1).fit(X)
    expected = small(max_iter=1).fit(plain).transform(plain)
    np.testing.assert_allclose(dae.transform(X), expected, rtol=1e-4, atol=1e-5)
    filled = dae.impute(X)
    np.testing.assert_array_equal(filled[~X.mask], X.data[~X.mask])
    assert not pd.isna(filled).any()


@pytest.mark.parametrize("sequence", [UserList, deque, tuple])
def test_other_sequences_of_rows_are_read_as_lists(small, sequence):
    rows = HOLES.tolist()
    dae = small(max_iter=1).fit(sequence(rows))
    expected = small(max_iter=1).fit(rows).impute(rows)
    np.testing.assert_array_equal(dae.impute(sequence(rows)), expected)


@pytest.mark.skipif(not hasattr(pl, "Int128"), reason="polars is too old")
@pytest.mark.parametrize("alone", [True, False])
def test_integers_of_128_bits(small, alone):
    cells = [2**100, 5, None, -(2**99)] * 5
    table = pl.DataFrame({"d": pl.Series(cells, dtype=pl.Int128)})
    table = table if alone else table.with_columns(x=pl.Series(range(20)))
    dae = small(max_iter=1).fit(table)
    for result in (
        dae.impute(table),
        dae.reconstruct(table),
        dae.inverse_transform(dae.transform(table)),
    ):
        assert result.dtypes == table.dtypes
        assert None not in result["d"].to_list()
    filled = dae.impute(table)["d"].to_list()
    assert all(was in (None, is_) for was, is_ in zip(cells, filled, strict=True))
    for method in METHODS_WITH_X:
        getattr(dae, method)(table)


def test_arrays_of_numbers_are_not_copied():
    for X in (NUMBERS, NUMBERS.astype(np.float32), np.arange(6).reshape(3, 2)):
        assert as_array(X) is X
    assert as_array(list(NUMBERS)).dtype == np.float64


@pytest.mark.parametrize("value", ["q", b"q", {"a": 1}, [1]])
@pytest.mark.parametrize("categorical_features", [None, [0]])
def test_the_column_of_other_objects_is_named(small, value, categorical_features):
    X = NUMBERS.astype(object)
    X[3, 2] = value
    dae = small(max_iter=1, categorical_features=categorical_features)
    message = "Column 2 must hold numbers: .* Name columns of text in"
    with pytest.raises((TypeError, ValueError), match=message):
        dae.fit(X)
    with pytest.raises((TypeError, ValueError), match=message):
        dae.fit(NUMBERS).transform(X)


@pytest.mark.parametrize("cell", [10**400, Decimal("1e900"), Decimal("inf")])
def test_numbers_beyond_floats_are_refused_by_column(small, cell):
    rows = [[1.5, k] for k in range(20)]
    rows[3][1] = cell
    frame = pd.DataFrame({"x": 1.5, "y": pd.Series([y for _, y in rows], dtype=object)})
    for X in (rows, np.array(rows, dtype=object), frame):
        name = "'y'" if X is frame else "1"
        with pytest.raises(
            ValueError, match=f"Column {name} of X contains infinity, or"
        ):
            small().fit(X)
