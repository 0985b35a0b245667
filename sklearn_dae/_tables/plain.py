"""Plain values of a saved transformer: pack them small, and check them when read."""

from __future__ import annotations

import json
from types import NoneType

import numpy as np


def pack(values):
    """Convert a list or a dict to JSON text, which is small, if JSON can hold it."""
    return json.dumps(values) if _fits_json(values) else values


def unpack(packed):
    """Undo `pack`."""
    return json.loads(packed) if isinstance(packed, str) else packed


def _fits_json(value):
    """Tell whether JSON gives back the same value, and the same types."""
    if type(value) is list:
        return all(map(_fits_json, value))
    if type(value) is dict:
        has_text = all(type(key) is str for key in value)
        return has_text and all(map(_fits_json, value.values()))
    return type(value) in (str, int, float, bool, NoneType)


def ensure(holds, problem):
    """Raise ValueError with the name of a problem unless a condition holds."""
    if not holds:
        raise ValueError(problem)


def array(value, dtype, *shape):
    """Copy an array. Raise ValueError if it has another dtype or shape.

    None in `shape` stands for any size.
    """
    expected = f"an array of {np.dtype(dtype)} of shape {shape}"
    ensure(isinstance(value, np.ndarray), f"{type(value)} instead of {expected}")
    fits = value.dtype == dtype and len(value.shape) == len(shape)
    fits = fits and all(
        size in (None, given) for size, given in zip(shape, value.shape, strict=True)
    )
    ensure(fits, f"{value.dtype} of shape {value.shape} instead of {expected}")
    # A file can be mapped to memory, and then be changed.
    return np.array(value)


def typed(value, kind):
    """Return `value`. Raise ValueError if it is of another type than `kind`."""
    ensure(type(value) is kind, f"{type(value)} instead of {kind}")
    return value


def among(value, values):
    """Return `value`. Raise ValueError if it is not one of `values`."""
    # Equality of other objects could be anything.
    is_plain = type(value) in (str, NoneType)
    ensure(is_plain and value in values, f"{value!r} instead of one of {values}")
    return value
