"""A NumberType says which numbers a column can hold, and finds the nearest of them."""

from decimal import Decimal

import numpy as np
import pytest

from sklearn_dae._tables.number_types import NumberType

FAR = np.array([-1e300, -0.4, 0.6, 1e300])


@pytest.mark.parametrize("n_bits", [8, 16, 32, 64])
@pytest.mark.parametrize("prefix", ["int", "Int", "uint", "UInt"])
def test_integers_are_clipped_to_their_dtype(prefix, n_bits):
    name = f"{prefix}{n_bits}"
    nearest = NumberType.of_dtype(name).nearest(FAR)
    bounds = np.iinfo(name.lower())
    assert nearest.dtype.kind in "iu"
    assert nearest[1:3].tolist() == [0, 1]
    # The nearest float that is not beyond the bound.
    assert bounds.min <= nearest[0] <= bounds.min * 0.999
    assert bounds.max * 0.999 <= nearest[3] <= bounds.max
    assert (nearest.astype(name.lower()).tolist()) == nearest.tolist()


def test_integers_of_128_bits_are_python_integers():
    nearest = NumberType.of_dtype("Int128").nearest(np.array([1e300, 3.0]))
    assert all(type(number) is int for number in nearest)
    assert nearest[1] == 3
    assert 2**126 < nearest[0] < 2**127


@pytest.mark.parametrize("name", ["float16", "Float32", "float64"])
def test_floats_stay_finite_and_are_rounded_to_their_dtype(name):
    nearest = NumberType.of_dtype(name).nearest(np.append(FAR, [65519.9, 3.4e38]))
    assert np.isfinite(nearest).all()
    np.testing.assert_array_equal(nearest.astype(name.lower()), nearest)


@pytest.mark.parametrize("name", ["bool", "boolean", "Boolean"])
def test_booleans_are_halved_at_one_half(name):
    nearest = NumberType.of_dtype(name).nearest(FAR)
    assert nearest.tolist() == [False, False, True, True]


@pytest.mark.parametrize("name", ["object", "str", "datetime64[ns]", "category"])
def test_other_dtypes_hold_no_known_numbers(name):
    assert NumberType.of_dtype(name) is None


@pytest.mark.parametrize(("precision", "scale"), [(3, 2), (5, 0), (38, 10), (38, 38)])
def test_decimals_are_clipped_and_rounded(precision, scale):
    nearest = NumberType.of_decimals(precision, scale).nearest(FAR)
    largest = Decimal(10**precision - 1).scaleb(-scale)
    assert all(type(number) is Decimal for number in nearest)
    assert all(abs(number) <= largest for number in nearest)
    assert all(-number.as_tuple().exponent == scale for number in nearest)
    assert abs(nearest[3]) >= largest * Decimal("0.99")


@pytest.mark.parametrize(
    ("values", "kind", "nearest"),
    [
        ([], "float", [0.625]),
        ([1, 2], "int", [1]),
        ([10**30], "int", [1]),
        ([True, False], "bool", [True]),
        ([1, 2.5], "float", [0.625]),
        ([Decimal("1.5"), 0], "decimal", [Decimal("0.6")]),
        ([Decimal("1.50"), Decimal(7)], "decimal", [Decimal("0.62")]),
        ([Decimal("1E+2")], "decimal", [Decimal(1)]),
        ([Decimal("1.5"), 0.5], "float", [0.625]),
        (["1.5", "2"], "text", ["0.625"]),
    ],
)
def test_objects_tell_what_the_column_holds(values, kind, nearest):
    number_type = NumberType.of_objects(values)
    assert number_type.kind == kind
    found = number_type.nearest(np.array([0.625])).tolist()
    assert found == nearest
    assert type(found[0]) is type(nearest[0])


@pytest.mark.parametrize(
    ("given", "of_fit", "nearest"),
    [
        ("float64", "int8", [-128.0, 0.0, 1.0, 127.0]),
        ("int64", "uint8", [0, 0, 1, 255]),
        ("float64", "bool", [0.0, 0.0, 1.0, 1.0]),
        ("int16", "boolean", [0, 0, 1, 1]),
        ("bool", "float64", [False, False, True, True]),
    ],
)
def test_shared_numbers_are_held_by_both(given, of_fit, nearest):
    shared = NumberType.of_dtype(given).shared_with(NumberType.of_dtype(of_fit))
    found = shared.nearest(FAR)
    assert found.tolist() == nearest
    assert type(found.tolist()[0]) is type(nearest[0])


def test_shared_floats_have_the_lower_precision():
    single, double = map(NumberType.of_dtype, ("float32", "float64"))
    for shared in (single.shared_with(double), double.shared_with(single)):
        assert shared.nearest(np.array([0.1])) == np.float32(0.1)


@pytest.mark.parametrize("digits", [300, 900, 2000])
def test_very_long_decimals(digits):
    long = Decimal("1." + "1" * digits)
    number_type = NumberType.of_objects([long, Decimal(f"1E-{digits}"), Decimal("inf")])
    assert number_type.kind == "decimal"
    found = number_type.nearest(np.array([0.1, 1e308, -5e-324])).tolist()
    assert [float(cell) for cell in found[:2]] == [0.1, 1e308]
    assert float(found[2]) == (0 if digits == 300 else -5e-324)
