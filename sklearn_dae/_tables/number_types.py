"""NumberType: which numbers a column can hold, and the nearest of them."""

from __future__ import annotations

import re
from decimal import ROUND_DOWN, ROUND_HALF_EVEN, Context, Decimal
from numbers import Integral
from typing import Any, NamedTuple

import numpy as np

# No float64 has more decimal places.
MOST_DECIMALS = 1074
# Enough digits for every float64, as the default of 28 is not.
EXACT = Context(prec=400 + MOST_DECIMALS)


class NumberType(NamedTuple):
    """The numbers that a column can hold.

    Attributes
    ----------
    kind : {"bool", "int", "float", "decimal", "text"}
        What the cells are. "text" is for numbers that are written as text.
    low, high : int, float or Decimal
        The smallest and the largest number.
    decimals : int or inf
        Number of decimal places. It is infinite for floats.
    float_dtype : str
        The dtype whose precision floats are rounded to.
    """

    kind: str
    low: Any = -np.inf
    high: Any = np.inf
    decimals: float = np.inf
    float_dtype: str = "float64"

    @classmethod
    def of_dtype(cls, name):
        """Parse the name of a dtype of NumPy, pandas or polars; None if it is other."""
        name = name.lower()
        if name.startswith("bool"):
            return cls("bool", 0, 1, 0)
        if integer := re.fullmatch(r"(u?)int(\d+)", name):
            unsigned, n_bits = integer[1] == "u", int(integer[2])
            if unsigned:
                return cls("int", 0, 2**n_bits - 1, 0)
            return cls("int", -(2 ** (n_bits - 1)), 2 ** (n_bits - 1) - 1, 0)
        if name in ("float16", "float32", "float64"):
            largest = float(np.finfo(name).max)
            return cls("float", -largest, largest, float_dtype=name)
        return None

    @classmethod
    def of_decimals(cls, precision, scale):
        """Describe decimals of `precision` digits, `scale` of them after the point."""
        largest = Decimal(10**precision - 1).scaleb(-scale, EXACT)
        return cls("decimal", -largest, largest, scale)

    @classmethod
    def of_objects(cls, values):
        """Describe a column of Python objects by its cells that are not missing."""
        if not values:
            return cls("float")
        if all(isinstance(value, (bool, np.bool_)) for value in values):
            return cls("bool", 0, 1, 0)
        if all(isinstance(value, Integral) for value in values):
            return cls("int", decimals=0)
        if any(isinstance(value, str) for value in values):
            return cls("text")
        decimals = [value for value in values if isinstance(value, Decimal)]
        if decimals and all(isinstance(v, (Decimal, Integral)) for v in values):
            # The exponent of infinity is no number.
            finite = [value for value in decimals if value.is_finite()]
            places = [-value.as_tuple().exponent for value in finite]
            return cls("decimal", decimals=min(max([0, *places]), MOST_DECIMALS))
        return cls("float")

    def whole(self):
        """Keep the whole numbers of the floats that the column can hold."""
        return self._replace(decimals=0) if self.kind == "float" else self

    def shared_with(self, other):
        """Keep the kind, for the numbers that `other` can hold, too."""
        return NumberType(
            self.kind,
            max(self.low, other.low),
            min(self.high, other.high),
            min(self.decimals, other.decimals),
            # The name of a larger dtype comes later in the alphabet.
            min(self.float_dtype, other.float_dtype),
        )

    def nearest(self, numbers):
        """Find the nearest numbers that can be held.

        Parameters
        ----------
        numbers : ndarray of float

        Returns
        -------
        nearest : ndarray
            Of bool, int64, uint64 or float64, or of Python objects where these cannot
            hold the numbers: Decimals, strings, larger integers.
        """
        low, high = (_float_within(b, self.decimals) for b in (self.low, self.high))
        numbers = np.clip(numbers.astype(np.float64), low, high)
        if self.kind == "bool":
            return numbers >= 0.5
        if self.decimals == 0:
            numbers = np.rint(numbers)
        elif self.decimals < np.inf or self.kind == "decimal":
            numbers = _round_decimals(numbers, self.decimals)
        if self.kind == "float":
            return numbers.astype(self.float_dtype).astype(np.float64)
        if self.kind == "int":
            return self._as_integers(numbers)
        convert = {"decimal": Decimal, "text": str}[self.kind]
        return _as_objects([convert(number) for number in numbers.tolist()])

    def _as_integers(self, numbers):
        for dtype in (np.int64, np.uint64):
            bounds = np.iinfo(dtype)
            if bounds.min <= self.low and self.high <= bounds.max:
                return numbers.astype(dtype)
        return _as_objects([int(number) for number in numbers.tolist()])


def _float_within(bound, decimals):
    """Find the float next to a bound, of as many decimal places, that is within it."""
    if abs(bound) < np.inf and decimals < np.inf:
        bound = _round(bound, decimals, ROUND_DOWN)
    # Python compares floats with integers and Decimals exactly.
    nearest = float(bound)
    return np.nextafter(nearest, 0) if abs(nearest) > abs(bound) else nearest


def _round_decimals(numbers, decimals):
    """Round floats to Decimals of as many decimal places, or to their own digits."""
    if decimals == np.inf:
        return _as_objects([Decimal(repr(number)) for number in numbers.tolist()])
    return _as_objects([_round(number, decimals) for number in numbers.tolist()])


def _round(number, decimals, rounding=ROUND_HALF_EVEN):
    """Round a number to a Decimal of as many decimal places."""
    unit = Decimal(1).scaleb(-int(decimals))
    return Decimal(number).quantize(unit, rounding, EXACT)


def _as_objects(values):
    """Make an array of objects. NumPy would make arrays of nested lists."""
    array = np.empty(len(values), dtype=object)
    array[:] = values
    return array
