"""What was learned of the columns, as arrays and plain values, and back."""

from __future__ import annotations

from decimal import Decimal

import numpy as np

from . import descriptions
from .codec import Codec
from .columns import ColumnStatistics, Levels
from .labels import decode, encode
from .layout import Layout
from .number_types import MOST_DECIMALS, NumberType
from .plain import among, array, ensure, pack, typed, unpack

SCALINGS = ("standard", "minmax", "quantile", None)
DTYPES = ("float16", "float32", "float64", "float128", "object")
# No number of a column is larger, apart from infinity.
LARGEST_NUMBER = 10**400
NUMBER_KINDS = ("bool", "int", "float", "decimal", "text")


def state_of_layout(layout):
    """Convert a layout to a state."""
    types = list(dict.fromkeys(layout.number_types_))
    numbers = {number_type: number for number, number_type in enumerate(types)}
    number_type_of = [numbers[number_type] for number_type in layout.number_types_]
    return {
        "categorical": layout.categorical_.astype(np.int64),
        "dtype": layout.dtype_.name,
        # Many columns share few types.
        "number_types": pack([_plain_number_type(t) for t in types]),
        "number_type_of": np.array(number_type_of, dtype=np.int64),
        "whole": layout.whole_,
        "levels": [_state_of_levels(levels) for levels in layout.levels_],
        "template": pack(layout.describe_template()),
    }


def layout_of_state(state):
    """Make the layout of a state. Raise an error of any type if it is invalid."""
    types = [_number_type(fields) for fields in unpack(state["number_types"])]
    type_of = array(state["number_type_of"], np.int64, None)
    ensure(((type_of >= 0) & (type_of < len(types))).all(), "numbers of no type")
    number_types = [types[k] for k in type_of]
    levels = [_levels(of_column) for of_column in state["levels"]]
    categorical = array(state["categorical"], np.int64, len(levels))
    n_features = len(number_types) + len(levels)
    positions = set(categorical.tolist())
    ensure(
        len(positions) == len(levels) and positions <= set(range(n_features)),
        f"categorical columns {categorical} of {n_features}",
    )
    template = unpack(state["template"])
    if template is not None:
        descriptions.check(template, n_features)
    dtype = np.dtype(among(state["dtype"], DTYPES))
    whole = array(state["whole"], np.bool_, len(number_types))
    return Layout.restore(template, dtype, categorical, number_types, whole, levels)


def state_of_codec(codec):
    """Convert what a codec has learned to a state, without the layout."""
    quantiles = None
    if codec.quantiles_ is not None:
        quantiles = codec.quantiles_.quantiles_, codec.quantiles_.references_
    return {
        "scaling": codec.scaling,
        "statistics": np.array(codec.statistics_, dtype=np.float64),
        "bounds": np.array(codec.bounds_, dtype=np.float64),
        "frequencies": np.concatenate([[], *codec.frequencies_]),
        "quantiles": quantiles,
    }


def codec_of_state(state, layout):
    """Make the codec of a state. Raise an error of any type if it is invalid."""
    sizes = [len(levels) for levels in layout.levels_]
    n_numeric = len(layout.numeric_)
    statistics = array(state["statistics"], np.float64, 4, n_numeric)
    frequencies = array(state["frequencies"], np.float64, sum(sizes))
    quantiles = state["quantiles"]
    scaling = among(state["scaling"], SCALINGS)
    if quantiles is not None or (scaling == "quantile" and n_numeric):
        values, references = quantiles
        references = array(references, np.float64, None)
        quantiles = array(values, np.float64, len(references), n_numeric), references
    return Codec(layout, scaling).restore(
        np.split(frequencies, np.cumsum(sizes)[:-1]) if sizes else [],
        ColumnStatistics(*statistics),
        array(state["bounds"], np.float64, 2, n_numeric),
        quantiles,
    )


def _plain_number_type(number_type):
    """Convert a NumberType to a list of numbers and strings."""
    return [str(x) if isinstance(x, Decimal) else x for x in number_type]


def _number_type(fields):
    kind, low, high, decimals, float_dtype = fields
    low, high = (Decimal(x) if isinstance(x, str) else x for x in (low, high))
    are_numbers = (isinstance(x, (int, float, Decimal)) for x in (low, high))
    ensure(all(are_numbers) and low <= high, f"range from {low} to {high}")
    is_range = all(abs(x) == np.inf or abs(x) < LARGEST_NUMBER for x in (low, high))
    ensure(is_range, "a range beyond that of floats")
    is_count = type(decimals) is int and 0 <= decimals <= MOST_DECIMALS
    ensure(is_count or decimals == np.inf, f"{decimals} decimals")
    float_dtype = among(float_dtype, DTYPES)
    return NumberType(among(kind, NUMBER_KINDS), low, high, decimals, float_dtype)


def _state_of_levels(levels):
    return {
        "ranked": pack(list(map(encode, levels.ranked))),
        "n_codes": len(levels),
        "n_seen": levels.n_seen,
        "counts": levels.counts,
    }


def _levels(state):
    ranked = list(map(decode, unpack(state["ranked"])))
    n_codes, n_seen = typed(state["n_codes"], int), typed(state["n_seen"], int)
    n_levels = len(set(ranked))
    ensure(n_levels == len(ranked) == max(n_seen, 1), f"{n_seen} of {n_levels} levels")
    ensure(1 <= n_codes <= n_levels, f"{n_codes} codes of {n_levels} levels")
    counts = state["counts"]
    if counts is not None:
        counts = array(counts, np.int64, n_levels)
    return Levels(ranked, n_codes, n_seen, counts)
