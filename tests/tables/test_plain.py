"""Plain values: packing changes nothing, and checks refuse what does not fit."""

from decimal import Decimal

import numpy as np
import pytest

from sklearn_dae._tables.plain import among, array, pack, typed, unpack


@pytest.mark.parametrize(
    "values",
    [
        ["a", "\0", "\ud800", 'ż"', ""],
        [1, 2**70, True, 0.1, -0.0, float("inf"), None],
        {"a": [1, {"b": [2]}]},
    ],
)
def test_packed_values(values):
    packed = pack(values)
    assert isinstance(packed, str)
    assert repr(unpack(packed)) == repr(values)


@pytest.mark.parametrize(
    "values", [[(1, 2)], [Decimal(1)], [np.float64(1)], [np.str_("a")], {1: 2}]
)
def test_values_that_json_would_change_stay(values):
    assert pack(values) is values
    assert unpack(values) is values


def test_arrays_are_copied_and_checked():
    given = np.zeros((2, 3))
    given.flags.writeable = False
    copy = array(given, np.float64, 2, None)
    copy[:] = 1
    assert given.sum() == 0
    for value, dtype, shape in (
        ([1.0], np.float64, (1,)),
        (given, np.float32, (2, 3)),
        (given, np.float64, (2, 4)),
        (given, np.float64, (6,)),
    ):
        with pytest.raises(ValueError, match="instead of an array"):
            array(value, dtype, *shape)


def test_values_are_checked():
    assert typed(1, int) == 1
    with pytest.raises(ValueError, match=r"bool.* instead of .*int"):
        typed(True, int)
    assert among("a", ("a", None)) == "a"
    assert among(None, ("a", None)) is None
    for value in ("b", 1, ["a"]):
        with pytest.raises(ValueError, match="instead of one of"):
            among(value, ("a", None, 1))
