"""Names and levels: those that a saved transformer can hold, and those that are not."""

import datetime
import json
import uuid
from datetime import timedelta, timezone
from decimal import Decimal
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd
import pytest

from sklearn_dae._tables import labels
from sklearn_dae._tables.labels import Absent, check, decode, encode

DAY = pd.Timestamp("2020-01-01")
LABELS = [
    "a", "\ud800", 3, 2**70, 1.5, float("inf"), True, None, 1j, b"\0a",
    Decimal("1.50"), Decimal("Infinity"), uuid.UUID(int=7), (1, ("a", DAY)),
    frozenset({1, "a"}),
    datetime.date(2020, 1, 1),
    datetime.time(1, 2, 3, 4),
    timedelta(1, 2, 3),
    datetime.datetime(2020, 1, 1, 1, 2, 3, 4),
    datetime.datetime(2020, 1, 1, tzinfo=ZoneInfo("Europe/Oslo")),
    datetime.datetime(2020, 10, 25, 2, 30, fold=1, tzinfo=ZoneInfo("Europe/Oslo")),
    datetime.datetime(2020, 1, 1, tzinfo=timezone(-timedelta(hours=1.5))),
    np.int8(-3), np.uint64(2**64 - 1), np.float32(0.1), np.longdouble("0.1"),
    np.complex64(1j), np.bool_(True), np.datetime64("2020-01", "M"),
    np.timedelta64(3, "ns"), np.str_("a"),
    DAY, DAY + pd.Timedelta(1), pd.Timestamp("1500").as_unit("s"),
    pd.Timestamp("2020", tz="Europe/Oslo"), pd.Timestamp("2020-01-01T00:00-01:30"),
    pd.Timedelta(1), pd.Timedelta("3D"), pd.Period("2020", "M"),
    pd.Period("2020-01-05", "W"), pd.Interval(0, 1.5, "both"),
    pd.Interval(DAY, DAY + pd.Timedelta("1D")), pd.NaT, pd.NA,
]  # fmt: skip


@pytest.mark.parametrize("label", LABELS, ids=repr)
def test_labels_come_back_equal(label):
    check([label])
    found = decode(json.loads(json.dumps(encode(label))))
    # A set has no order.
    if not isinstance(label, frozenset):
        plain = label.item() if isinstance(label, np.str_) else label
        assert repr(found) == repr(plain)
    assert found is label or found == label
    assert hash(found) == hash(label)
    assert getattr(found, "unit", None) == getattr(label, "unit", None)


@pytest.mark.parametrize(
    "label",
    [object(), int, range(3), ..., 10**5000, ("a", object()), np.void(b"abc")],
    ids=lambda label: type(label).__name__,
)
def test_other_objects_are_refused(label):
    with pytest.raises(TypeError, match="a saved transformer cannot hold"):
        check(["a", label])


class FileZone(datetime.tzinfo):
    """A time zone that has no name."""

    def __str__(self):
        return "tzfile('/etc/localtime')"

    def utcoffset(self, moment):
        return timedelta(0)


def test_time_zones_without_a_name_are_refused():
    with pytest.raises(TypeError, match="cannot hold the time zone tzfile"):
        encode(datetime.datetime(2020, 1, 1, tzinfo=FileZone()))
    # The name of an offset may be that of another zone.
    label = datetime.datetime(2020, 1, 1, tzinfo=timezone(timedelta(hours=1), "UTC"))
    assert decode(encode(label)) == label


@pytest.mark.parametrize(
    "encoded",
    [
        {"Timestamp": [0, "ns", "dateutil//etc/passwd"]},
        {"Timestamp": [0, "ns", "../../etc/passwd"]},
        {"Timestamp": [0, "ns", "/etc/passwd"]},
        {"Timestamp": ["2020", "ns", None]},
        {"Timestamp": [0, "Y", None]},
        {"datetime": ["2020-01-01", 0, "../passwd"]},
        {"Period": [0, "M" * 30]},
        {"Period": ["os", "M"]},
        {"Interval": [0, 1, "open"]},
        {"NumPy": ["O", "00"]},
        {"NumPy": ["V8", "00" * 8]},
        {"NumPy": ["<f8", "00"]},
        {"Decimal": ["1e999999999"]},
        {"complex": ["1", 2.0]},
        {"bytes": ["zz"]},
        {"eval": ["1"]},
        {"read_csv": ["x"]},
        {"tuple": [{"__import__": ["os"]}]},
        {},
        {"date": ["2020-01-01"], "time": ["00:00"]},
        [1],
    ],
    ids=repr,
)
def test_nothing_else_is_made_from_a_file(encoded):
    with pytest.raises((ValueError, TypeError, AttributeError)):
        decode(encoded)


@pytest.mark.parametrize(
    ("label", "expected"),
    [
        (DAY, datetime.datetime(2020, 1, 1)),
        (DAY.tz_localize("UTC"), datetime.datetime(2020, 1, 1, tzinfo=datetime.UTC)),
        (pd.Timedelta("3D"), timedelta(3)),
        (DAY + pd.Timedelta(1), None),
        (pd.Timedelta(1), None),
        (pd.Period("2020", "M"), None),
        (pd.Interval(0, 1), None),
        (pd.Interval(DAY, DAY + pd.Timedelta(1)), None),
        (pd.NaT, None),
    ],
    ids=repr,
)  # fmt: skip
def test_labels_of_pandas_without_pandas(monkeypatch, label, expected):
    encoded = json.loads(json.dumps(encode(label)))
    monkeypatch.setattr(labels, "_pandas", lambda: None)
    found = decode(encoded)
    if expected is None:
        assert isinstance(found, Absent)
        assert found not in {label}
        # It is saved as it was.
        assert encode(found) == encoded
    else:
        assert found == expected == label
        assert hash(found) == hash(label)
