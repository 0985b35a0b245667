"""States of what was learned of the columns: they give back the same."""

from datetime import date
from decimal import Decimal

import numpy as np
import pandas as pd
import pytest

from sklearn_dae._tables.codec import Codec
from sklearn_dae._tables.layout import Layout
from sklearn_dae._tables.states import (
    codec_of_state,
    layout_of_state,
    state_of_codec,
    state_of_layout,
)

TABLES = {
    "text": (pd.DataFrame({"a": ["x", "y", None, "x"], "b": [1, 2, 3, 4]}), [0]),
    "rare": (pd.DataFrame({"a": list("xxxyyzvw")}), [0]),
    "no value": (pd.DataFrame({"a": [None, None], "b": [np.nan, np.nan]}), [0]),
    "objects": (
        pd.DataFrame(
            {
                "a": [(1, 2), date(2020, 1, 1), None],
                "b": [Decimal("1.50"), Decimal(2), None],
                "c": [True, 1.5, "x"],
            }
        ),
        [0, 2],
    ),
    "dtypes": (
        pd.DataFrame(
            {
                "a": pd.array([1, None, 3], dtype="Int8"),
                "b": pd.Series([1, 2, 3], dtype="uint64"),
                "c": [True, False, True],
                "d": pd.Categorical([3, 1, None]),
            }
        ),
        [3],
    ),
    "array": (np.array([[1.0, 2.0], [np.nan, 4.0], [5.0, 6.0]]), []),
}


def fitted(name, scaling="standard"):
    X, categorical = TABLES[name]
    is_categorical = np.zeros(X.shape[1], dtype=bool)
    is_categorical[categorical] = True
    layout = Layout(min_frequency=2 if name == "rare" else None, max_categories=None)
    table = layout.fit(X, is_categorical, X)
    return X, table, Codec(layout, scaling).fit(table, np.random.RandomState(0))


@pytest.mark.parametrize("name", TABLES)
def test_layouts(name):
    X, table, codec = fitted(name)
    layout, restored = codec.layout, layout_of_state(state_of_layout(codec.layout))
    for found, expected in zip(restored.read(X), layout.read(X), strict=True):
        np.testing.assert_array_equal(found, expected)
    for found, expected in zip(restored.levels_, layout.levels_, strict=True):
        assert repr(found.names) == repr(expected.names)
        assert vars(found).keys() == vars(expected).keys()
        assert (found.n_seen, found.n_rare) == (expected.n_seen, expected.n_rare)
        assert (found.types, found._ranks) == (expected.types, expected._ranks)
        assert found.counts.tolist() == expected.counts.tolist()
    assert restored.number_types_ == layout.number_types_
    assert repr(restored.number_types_) == repr(layout.number_types_)
    assert restored.dtype_ == layout.dtype_
    assert restored.whole_.tolist() == layout.whole_.tolist()
    assert restored.label(0) == layout.label(0)
    written = restored.write(table) if name == "array" else restored.template_
    assert repr(written) == repr(layout.write(table) if name == "array" else X[:0])


@pytest.mark.parametrize("scaling", ["standard", "minmax", "quantile", None])
def test_codecs(scaling):
    _, table, codec = fitted("dtypes", scaling)
    n_columns = codec.layout.n_features
    codec.set_bounds(np.full(n_columns, -1.5), np.full(n_columns, np.nan))
    restored = codec_of_state(state_of_codec(codec), codec.layout)
    assert vars(restored).keys() == vars(codec).keys()
    np.testing.assert_array_equal(restored.bounds_, codec.bounds_)
    cells = codec.encode(table)
    np.testing.assert_array_equal(restored.encode(table).numeric, cells.numeric)
    args = cells.numeric.numpy(), np.full((3, 2), 0.5)
    np.testing.assert_array_equal(restored.decode(*args)[0], codec.decode(*args)[0])
    errors = [c.errors(table, *args) for c in (codec, restored)]
    np.testing.assert_array_equal(*errors)


@pytest.mark.parametrize(
    "change",
    [
        {"categorical": np.array([4])},
        {"categorical": np.array([-1])},
        {"categorical": np.array([0.0])},
        {"number_type_of": np.array([7, 0, 0])},
        {"number_types": [["float", 0, "x", 0, "float64"]]},
        {"number_types": [["float", 0, None, 0, "float64"]]},
        {"levels": [{"ranked": ["a", "a"], "n_codes": 2, "n_seen": 2, "counts": None}]},
        {"levels": [{"ranked": ["a", "b"], "n_codes": 0, "n_seen": 2, "counts": None}]},
        {"levels": [{"ranked": ["a", "b"], "n_codes": 2, "n_seen": 3, "counts": None}]},
        {"levels": [{"ranked": ["a", "a"], "n_codes": 1, "n_seen": 1, "counts": None}]},
        {"dtype": "int8"},
        {"whole": np.array([True])},
        {"whole": np.array([1, 0, 1])},
    ],
    ids=str,
)
def test_layouts_are_checked(change):
    _, _, codec = fitted("dtypes")
    state = state_of_layout(codec.layout)
    with pytest.raises((ArithmeticError, LookupError, TypeError, ValueError)):
        layout_of_state(state | change)


def test_equal_positions_are_refused():
    _, _, codec = fitted("objects")
    state = state_of_layout(codec.layout) | {"categorical": np.array([0, 0])}
    with pytest.raises(ValueError, match="categorical columns"):
        layout_of_state(state)
