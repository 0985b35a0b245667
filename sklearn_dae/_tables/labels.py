"""Convert names of columns and levels of categories to JSON text, and back.

A name or a level can be any hashable object. Those of the types below become plain
values. Others are refused in `fit`, because a saved transformer could not hold them.
Only objects of these types are made from a file.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable
from datetime import UTC, date, datetime, time, timedelta, timezone, tzinfo
from decimal import Decimal
from importlib import import_module
from types import NoneType
from typing import Any, NamedTuple
from uuid import UUID
from zoneinfo import ZoneInfo

import numpy as np

from .plain import among, ensure, typed

# JSON gives back equal values of these types.
PLAIN = (str, int, float, bool, NoneType)
# Python converts no longer integers to text and back.
MOST_DIGITS = 4000
# Regular expressions of time zones, frequencies of pandas, and numbers of NumPy. A name
# such as "dateutil//etc/passwd" would open a file.
ZONE = re.compile(
    r"(?!dateutil/)[A-Za-z][\w+-]*(/[\w+-]+)*|(UTC)?[+-]\d\d:\d\d", flags=re.ASCII
)
FREQUENCY = re.compile(r"[\w-]{1,20}", flags=re.ASCII)
NUMBER = re.compile(r"[<>|][biufc]\d{1,2}|[<>][mM]8\[\d{0,9}[a-zA-Z]{1,2}\]")
UNITS = ("s", "ms", "us", "ns")
CLOSED = ("left", "right", "both", "neither")


class Absent(NamedTuple):
    """A name or a level whose type needs pandas, where pandas is not installed.

    No cell is equal to it. It is saved as it was.

    Attributes
    ----------
    type : str
        Name of the type.
    fields : str
        JSON text of the plain values that describe it.
    """

    type: str
    fields: str


def check(labels: Iterable[Any]) -> None:
    """Raise TypeError if an object can be neither a name nor a level."""
    # Most columns have one type of levels, which needs no look at each level.
    labels = labels if isinstance(labels, list) else list(labels)
    if not set(map(type, labels)) <= {str, float, bool, NoneType}:
        for label in labels:
            encode(label)


def encode(label: Any) -> Any:
    """Convert a name or a level to plain values of JSON.

    Raises
    ------
    TypeError
        If it is of a type that a saved transformer cannot hold.
    """
    kind = type(label)
    if kind is int and abs(label) >= 10**MOST_DIGITS:
        raise TypeError("a saved transformer cannot hold integers of such a length")
    if kind in PLAIN:
        return label
    if kind is Absent:
        return {label.type: json.loads(label.fields)}
    if isinstance(label, np.generic):
        return _encode_scalar(label)
    name = kind.__name__
    if kind.__module__.partition(".")[0] == "pandas" and name in PANDAS:
        return {name: PANDAS[name][0](label)}
    if kind not in TYPES:
        raise TypeError(f"a saved transformer cannot hold {label!r} of type {name}")
    return {name: TYPES[kind][0](label)}


def decode(encoded: Any) -> Any:
    """Undo `encode`. Raise an error of any type if nothing was encoded to this."""
    if type(encoded) in PLAIN:
        return encoded
    ((name, fields),) = typed(encoded, dict).items()
    if name == "NumPy":
        return _decode_scalar(*fields)
    if name in PANDAS:
        return PANDAS[name][1](*typed(fields, list))
    known = {kind.__name__: functions for kind, functions in TYPES.items()}
    ensure(name in known, f"a label of type {name!r}")
    return known[name][1](*typed(fields, list))


def _encode_scalar(label: np.generic) -> Any:
    """Encode a scalar of NumPy by its bytes. Text becomes text of Python."""
    if isinstance(label, (np.str_, np.bytes_)):
        return encode(label.item())
    if not NUMBER.fullmatch(label.dtype.str):
        raise TypeError(
            f"a saved transformer cannot hold {label!r} of dtype {label.dtype}"
        )
    return {"NumPy": [label.dtype.str, label.tobytes().hex()]}


def _decode_scalar(dtype: str, content: str) -> np.generic:
    ensure(NUMBER.fullmatch(typed(dtype, str)) is not None, f"dtype {dtype!r}")
    (label,) = np.frombuffer(bytes.fromhex(typed(content, str)), dtype=dtype)
    return label


def encode_zone(zone: tzinfo | None) -> str | None:
    """Name a time zone. Raise TypeError for one that has no name, such as a file."""
    if zone is None:
        return None
    # A fixed offset may have any name.
    is_offset = isinstance(zone, timezone)
    name = str(timezone(zone.utcoffset(None)) if is_offset else zone)
    if not ZONE.fullmatch(name):
        raise TypeError(f"a saved transformer cannot hold the time zone {zone}")
    return name


def check_zone(name: Any) -> str | None:
    """Return the name of a time zone, or None. Raise ValueError if it is no name."""
    is_name = type(name) is str and len(name) < 100 and ZONE.fullmatch(name)
    ensure(name is None or is_name, f"time zone {name!r}")
    return name


def _zone(name: Any) -> tzinfo | None:
    """Make a time zone of Python from its name."""
    if check_zone(name) is None:
        return None
    offset = re.fullmatch(r"(?:UTC)?([+-])(\d\d):(\d\d)", name)
    if offset:
        size = timedelta(hours=int(offset[2]), minutes=int(offset[3]))
        return timezone(-size if offset[1] == "-" else size)
    return UTC if name == "UTC" else ZoneInfo(name)


def _encode_datetime(label: datetime) -> list[Any]:
    plain = label.replace(tzinfo=None, fold=0).isoformat()
    return [plain, label.fold, encode_zone(label.tzinfo)]


def _decode_datetime(text: Any, fold: Any, zone: Any) -> datetime:
    label = datetime.fromisoformat(typed(text, str))
    return label.replace(fold=typed(fold, int), tzinfo=_zone(zone))


def _encode_time(label: time) -> list[Any]:
    plain = label.replace(tzinfo=None, fold=0).isoformat()
    return [plain, label.fold, encode_zone(label.tzinfo)]


def _decode_time(text: Any, fold: Any, zone: Any) -> time:
    label = time.fromisoformat(typed(text, str))
    return label.replace(fold=typed(fold, int), tzinfo=_zone(zone))


def _decode_timedelta(*fields: Any) -> timedelta:
    days, seconds, microseconds = (typed(field, int) for field in fields)
    return timedelta(days, seconds, microseconds)


def _decode_decimal(text: Any) -> Decimal:
    label = Decimal(typed(text, str))
    # Other Decimals take long to hash, and to convert to integers.
    exponent = label.as_tuple().exponent
    ensure(isinstance(exponent, str) or abs(exponent) < 10**6, f"Decimal {label}")
    return label


def _decode_complex(real: Any, imaginary: Any) -> complex:
    return complex(typed(real, float), typed(imaginary, float))


def _encode_set(label: frozenset[Any]) -> list[Any]:
    # Sets of equal content must give equal files.
    return sorted(map(encode, label), key=repr)


# How objects of Python are encoded and decoded.
TYPES: dict[type, tuple[Callable[[Any], list[Any]], Callable[..., Any]]] = {
    complex: (lambda label: [label.real, label.imag], _decode_complex),
    bytes: (lambda label: [label.hex()], lambda x: bytes.fromhex(typed(x, str))),
    Decimal: (lambda label: [str(label)], _decode_decimal),
    UUID: (lambda label: [label.hex], lambda x: UUID(typed(x, str))),
    date: (lambda x: [x.isoformat()], lambda x: date.fromisoformat(typed(x, str))),
    datetime: (_encode_datetime, _decode_datetime),
    time: (_encode_time, _decode_time),
    timedelta: (lambda x: [x.days, x.seconds, x.microseconds], _decode_timedelta),
    tuple: (lambda x: [*map(encode, x)], lambda *items: tuple(map(decode, items))),
    frozenset: (_encode_set, lambda *items: frozenset(map(decode, items))),
}


def _pandas() -> Any:
    """Import pandas, or return None if it is not installed."""
    try:
        return import_module("pandas")
    except ImportError:
        return None


def _encode_timestamp(label: Any) -> list[Any]:
    number = label.to_numpy()
    unit, _ = np.datetime_data(number.dtype)
    return [int(number.view("i8")), unit, encode_zone(label.tzinfo)]


def _decode_timestamp(number: Any, unit: Any, zone: Any) -> Any:
    value = np.datetime64(typed(number, int), among(unit, UNITS))
    pandas = _pandas()
    if pandas is None:
        label = _without_pandas("Timestamp", value, [number, unit, check_zone(zone)])
        is_aware = zone is not None and isinstance(label, datetime)
        return label.replace(tzinfo=UTC) if is_aware else label
    label = pandas.Timestamp(value)
    if check_zone(zone) is None:
        return label
    return label.tz_localize("UTC").tz_convert(zone)


def _encode_timedelta(label: Any) -> list[Any]:
    number = label.to_numpy()
    unit, _ = np.datetime_data(number.dtype)
    return [int(number.view("i8")), unit]


def _decode_pandas_timedelta(number: Any, unit: Any) -> Any:
    value = np.timedelta64(typed(number, int), among(unit, UNITS))
    pandas = _pandas()
    if pandas is None:
        return _without_pandas("Timedelta", value, [number, unit])
    return pandas.Timedelta(value)


def _without_pandas(name: str, value: Any, fields: list[Any]) -> Any:
    """Make the equal object of Python, or `Absent` if there is none."""
    rounded = value.astype(f"{value.dtype.kind}8[us]")
    label = rounded.item()
    # Integers stand for what Python's types cannot hold.
    is_equal = rounded == value and not isinstance(label, int)
    return label if is_equal else Absent(name, json.dumps(fields))


def _decode_period(ordinal: Any, frequency: Any) -> Any:
    typed(ordinal, int)
    is_name = FREQUENCY.fullmatch(typed(frequency, str))
    ensure(is_name is not None, f"frequency {frequency!r}")
    pandas = _pandas()
    if pandas is None:
        return Absent("Period", json.dumps([ordinal, frequency]))
    return pandas.Period(ordinal=ordinal, freq=frequency)


def _decode_interval(left: Any, right: Any, closed: Any) -> Any:
    ends = decode(left), decode(right)
    among(closed, CLOSED)
    pandas = _pandas()
    if pandas is None:
        return Absent("Interval", json.dumps([left, right, closed]))
    return pandas.Interval(*ends, closed)


def _decode_missing(name: str) -> Any:
    pandas = _pandas()
    return Absent(f"{name}Type", "[]") if pandas is None else getattr(pandas, name)


# How objects of pandas are encoded and decoded, by the names of their types.
PANDAS: dict[str, tuple[Callable[[Any], list[Any]], Callable[..., Any]]] = {
    "Timestamp": (_encode_timestamp, _decode_timestamp),
    "Timedelta": (_encode_timedelta, _decode_pandas_timedelta),
    "Period": (lambda x: [x.ordinal, x.freqstr], _decode_period),
    "Interval": (
        lambda x: [encode(x.left), encode(x.right), x.closed],
        _decode_interval,
    ),
    "NAType": (lambda x: [], lambda: _decode_missing("NA")),
    "NaTType": (lambda x: [], lambda: _decode_missing("NaT")),
}
