"""Resolve and check parameters.

This file holds the checks that need several parameters, or the columns of a table.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from inspect import Signature, signature
from numbers import Integral, Real
from types import NoneType
from typing import Any

import numpy as np

# Names of all noises, and of those whose `noise_factor` is a probability.
NOISE_NAMES = ("swap", "masking", "zero", "salt_and_pepper", "gaussian")
PROBABILITIES = ("swap", "masking", "zero", "salt_and_pepper")
# Names of the activation functions of dense layers.
ACTIVATION_NAMES = ("identity", "logistic", "tanh", "relu", "gelu", "silu")
# Parts of the error of a cell, besides "both".
PARTS = ("column", "row")
# Number of weight updates with `max_iter="auto"`: a quarter of the rows, within these
# bounds. More updates do not improve the features of small tables.
ROWS_OF_UPDATE = 4
FEWEST_UPDATES, MOST_UPDATES = 1000, 2000

# Parameters that hold several values, and those with one value for each column.
COLUMN_PARAMETERS = ("categorical_features", "noise_factor", "min_value", "max_value")
ARRAY_PARAMETERS = (
    *COLUMN_PARAMETERS, "hidden_layer_sizes", "image_shape", "channels",
)  # fmt: skip

# A noise by name or as a function, and its `noise_factor` for each column.
Noises = list[tuple[str | Callable[..., Any], np.ndarray]]


def unfit_arguments(function: Callable[..., Any], n: int) -> Signature | None:
    """Return the signature of a function that cannot be called with `n` arguments.

    Return None if it can be called, or if its signature is not known.
    """
    try:
        arguments = signature(function)
    except ValueError:  # Some functions written in C have no signature.
        return None
    try:
        # `bind` respects defaults and *args. Counting the parameters would not.
        arguments.bind(*[None] * n)
    except TypeError:
        return arguments
    return None


def positive_integers(name: str, values: Any, allow_empty: bool = False) -> list[int]:
    """Return a parameter, one integer or several, as a list of integers.

    Raises
    ------
    ValueError
        If it holds anything but integers of at least 1. The message begins with `name`.
    """
    array = np.atleast_1d(np.array(values, dtype=object))
    are_positive = (
        # bool is a subclass of int.
        isinstance(value, Integral) and int(value) >= 1 and value is not True
        for value in array
    )
    if not all(are_positive) or not (allow_empty or len(array)):
        raise ValueError(f"{name} must hold integers of at least 1. Got {values!r}.")
    return [int(value) for value in array]


def check_loss(loss: str, scaling: str | None) -> None:
    """Raise ValueError if `scaling` does not give the range that `loss` needs."""
    if loss == "log_loss" and scaling in ("standard", "quantile"):
        raise ValueError(
            f"loss='log_loss' needs values in [0, 1], which scaling={scaling!r} does "
            f"not give. Set scaling='minmax', or scaling=None if all values are "
            f"already in [0, 1]."
        )


def check_part(part: Any) -> None:
    """Raise ValueError unless cells have such an error."""
    if part not in ("both", *PARTS):
        raise ValueError(f"'part' must be 'both', 'column' or 'row'. Got {part!r}.")


def check_threshold(threshold: Any) -> None:
    """Raise ValueError unless the threshold is a positive number."""
    is_number = isinstance(threshold, Real) and not isinstance(threshold, bool)
    if not (is_number and threshold > 0):
        raise ValueError(f"'threshold' must be a number above 0. Got {threshold!r}.")


def check_partial_fit(loss: str, previous_loss: str) -> None:
    """Raise ValueError if `partial_fit` cannot continue with these parameters."""
    if loss != previous_loss:
        raise ValueError(
            f"partial_fit cannot change the loss. Previous calls used "
            f"loss={previous_loss!r}, but now it is {loss!r}. Set "
            f"loss={previous_loss!r}, or call fit."
        )


def check_validation_rows(X_val: Any, early_stopping: bool) -> None:
    """Raise ValueError if there are validation rows that would not be used."""
    if X_val is not None and not early_stopping:
        raise ValueError(
            "X_val holds validation rows for early stopping, but early_stopping=False. "
            "Set early_stopping=True, or call fit without X_val."
        )


def check_validation_fraction(validation_fraction: float, n_rows: int) -> None:
    """Raise ValueError if no row is left for training."""
    # train_test_split rounds the number of validation rows up, too.
    if n_rows - np.ceil(validation_fraction * n_rows) < 1:
        raise ValueError(
            f"validation_fraction={validation_fraction} leaves none of {n_rows} rows "
            f"to train on. Set a smaller validation_fraction, or early_stopping=False."
        )


def resolve_batch_size(batch_size: str | int, n_rows: int) -> int:
    """Compute the largest number of rows in a batch."""
    if isinstance(batch_size, str):
        # Small batches for small tables, so that an epoch has enough weight updates.
        batch_size = min(256, max(32, n_rows // 40))
    return min(batch_size, n_rows)


def resolve_max_iter(max_iter: str | int, n_rows: int, batch_size: int) -> int:
    """Compute the number of epochs, which is the largest one with early stopping."""
    if isinstance(max_iter, str):
        n_updates = n_rows / ROWS_OF_UPDATE
        n_updates = min(max(n_updates, FEWEST_UPDATES), MOST_UPDATES)
        return math.ceil(n_updates / math.ceil(n_rows / batch_size))
    return max_iter


def plain_parameter(name: str, value: Any) -> Any:
    """Convert the value of a parameter to what a saved transformer can hold.

    An index or a Series of pandas becomes a list, or a dict if its labels name columns.
    """
    if isinstance(value, (np.generic, Decimal)):
        return _plain_scalar(value)
    if name not in ARRAY_PARAMETERS or not hasattr(value, "__len__"):
        return value
    is_array = isinstance(value, np.ndarray) and value.dtype != object
    if isinstance(value, str) or is_array:
        return value
    if isinstance(value, dict):
        return {_plain_scalar(key): _plain_scalar(x) for key, x in value.items()}
    if isinstance(value, (list, tuple)):
        return type(value)(map(_plain_scalar, value))
    labels = _column_labels(value) if name in COLUMN_PARAMETERS else None
    values = value.tolist() if hasattr(value, "tolist") else list(value)
    if labels is None or not all(isinstance(label, str) for label in labels):
        return values
    return dict(zip(labels, values, strict=True))


def _plain_scalar(value: Any) -> Any:
    """Convert a scalar of NumPy or a Decimal to a number or a string of Python."""
    value = value.item() if isinstance(value, np.generic) else value
    return float(value) if isinstance(value, Decimal) else value


def _column_labels(value: Any) -> list[Any] | None:
    """List the labels of a Series of pandas, which say whose its values are.

    Return None for other objects, and for a Series that holds names of columns itself.
    """
    pandas = sys.modules.get("pandas")
    if pandas is None or not isinstance(value, pandas.Series):
        return None
    holds_numbers = pandas.api.types.is_numeric_dtype(value.dtype)
    if not holds_numbers and any(isinstance(item, str) for item in value):
        return None
    return value.index.tolist()


def _by_label(
    value: Any, names: Sequence[Any] | None, n_features: int, parameter: str
) -> Any:
    """Convert a Series of pandas to a dict by name, or to a list if it has the order.

    Other objects stay as they are.

    Raises
    ------
    ValueError
        If a label is not the name of a column, or occurs twice, or if labels that are
        no strings have another order than the columns.
    """
    labels = _column_labels(value)
    if labels is None:
        return value
    known = list(range(n_features)) if names is None else list(names)
    unknown = [label for label in labels if label not in known]
    are_default = labels == list(range(len(labels))) and (names is None or unknown)
    if labels == known or are_default:
        return value.tolist()
    problem = None
    if unknown:
        problem = f"the label {unknown[0]!r}"
    elif len(set(labels)) < len(labels):
        problem = "a label twice"
    elif not all(isinstance(label, str) for label in labels):
        # As a dict, integers would be positions.
        problem = "integers or dates as labels in another order"
    if problem:
        raise ValueError(
            f"{parameter!r} is a Series with {problem}, but its labels must be names "
            f"of columns of X, which are {known}. Set its index to the names of the "
            f"columns, or pass {parameter}.to_numpy() if it has their order."
        )
    return dict(zip(labels, value.tolist(), strict=True))


def find_categorical(
    categorical_features: Any,
    n_features: int,
    names: Sequence[Any] | None,
    kinds: Sequence[str],
) -> np.ndarray:
    """Compute the mask of the categorical columns.

    Parameters
    ----------
    categorical_features
        The parameter of DenoisingAutoencoderTransformer.
    n_features : int
        Number of columns.
    names : sequence of str or None
        Names of the columns. None if columns have no names.
    kinds : sequence of str
        Kinds of the columns of a DataFrame. Empty for an array.

    Returns
    -------
    is_categorical : ndarray of bool of shape (n_features,)

    Raises
    ------
    ValueError
        If the parameter does not match the columns.
    """
    mask = np.zeros(n_features, dtype=bool)
    if categorical_features is None:
        return mask
    if isinstance(categorical_features, str):
        # An array has no kinds, so that its mask stays False.
        mask[: len(kinds)] = np.isin(kinds, ["categorical", "boolean"])
        return mask
    chosen = categorical_features
    if _holds_bools(chosen):
        chosen = _by_label(chosen, names, n_features, "categorical_features")
    if isinstance(chosen, dict):
        chosen = _mask_of_dict(chosen, n_features, names)
    columns = np.asarray(chosen, dtype=object).tolist()
    # bool is a subclass of int, so look for a mask before positions.
    if columns and all(isinstance(chosen, (bool, np.bool_)) for chosen in columns):
        _check_mask(columns, n_features)
        return np.array(columns, dtype=bool)
    for column in columns:
        mask[column_position(column, n_features, names, "categorical_features")] = True
    return mask


def _holds_bools(values: Any) -> bool:
    return not isinstance(values, dict) and all(
        isinstance(value, (bool, np.bool_)) for value in values
    )


def _mask_of_dict(
    by_column: Mapping[Any, Any], n_features: int, names: Sequence[Any] | None
) -> list[Any]:
    """Order the values of a mask by column. It must have all columns."""
    by_position = _by_position(by_column, n_features, names, "categorical_features")
    missing = sorted(set(range(n_features)) - set(by_position))
    if missing:
        column = missing[0] if names is None else names[missing[0]]
        raise ValueError(
            f"'categorical_features' as a mask must have one bool for each of the "
            f"{n_features} columns of X. It lacks the column {column!r}. Add it, or "
            f"pass a list of the names of the categorical columns."
        )
    return [by_position[position][1] for position in range(n_features)]


def _check_mask(mask: Sequence[bool], n_features: int) -> None:
    """Raise ValueError if a mask does not have one bool for each column."""
    if len(mask) != n_features:
        raise ValueError(
            f"'categorical_features' as a mask must have one bool for each of the "
            f"{n_features} columns of X. Got {len(mask)} bools."
        )


def column_position(
    column: Any, n_features: int, names: Sequence[Any] | None, parameter: str
) -> int:
    """Find the position of a column that `parameter` names, or gives by position."""
    if isinstance(column, str):
        positions = {} if names is None else {n: j for j, n in enumerate(names)}
        if column in positions:
            return positions[column]
        known = f"with columns {list(positions)}" if positions else "without names"
    # An integer is always a position, even if columns have integers as names.
    elif isinstance(column, Integral) and 0 <= int(column) < n_features:
        return int(column)
    else:
        known = f"with {n_features} columns"
    raise ValueError(
        f"{parameter!r} contains the column {column!r}, but X is a table {known}. Use "
        f"the name of a column, a str, or its position from 0 to {n_features - 1}."
    )


def _by_position(
    by_column: Mapping[Any, Any],
    n_features: int,
    names: Sequence[Any] | None,
    parameter: str,
) -> dict[int, tuple[Any, Any]]:
    """Map positions of columns to pairs of a key and a value of `by_column`."""
    by_position: dict[int, tuple[Any, Any]] = {}
    for column, value in by_column.items():
        position = column_position(column, n_features, names, parameter)
        if position in by_position:
            first, _ = by_position[position]
            raise ValueError(
                f"{parameter!r} contains the same column twice, as {first!r} and as "
                f"{column!r}. Remove one of them."
            )
        by_position[position] = column, value
    return by_position


def resolve_noises(
    noise: Any,
    noise_factor: Any,
    emphasis: float,
    n_features: int,
    names: Sequence[Any] | None,
) -> Noises:
    """Convert `noise` and `noise_factor` to a list of noises to apply in turn.

    Parameters
    ----------
    noise, noise_factor, emphasis
        The parameters of DenoisingAutoencoderTransformer.
    n_features : int
        Number of columns.
    names : sequence of str or None
        Names of the columns. None if columns have no names.

    Returns
    -------
    noises : list of (str or callable, ndarray of shape (n_features,), float32)
        Each noise with the `noise_factor` of each column.
    """
    by_column = _factor_by_column(noise_factor, n_features, names)
    noises = _list_noises(noise, by_column, names)
    for kind, factor in noises:
        if kind in PROBABILITIES and factor.max() > 1:
            raise ValueError(
                f"'noise_factor' is the probability that {kind!r} corrupts a cell and "
                f"must be at most 1. Got {factor.max()}. Only 'gaussian' takes more: "
                f"its 'noise_factor' is a standard deviation."
            )
    # A callable may corrupt cells with any factor, also with 0.
    if emphasis == 1.0 and not any(callable(kind) or f.any() for kind, f in noises):
        raise ValueError(
            f"With emphasis=1.0 the loss counts corrupted cells only, but noise="
            f"{noise!r} with noise_factor={noise_factor!r} corrupts no cell. Set a "
            f"smaller 'emphasis', or set 'noise' and a larger 'noise_factor'."
        )
    return [(kind, factor.astype(np.float32)) for kind, factor in noises]


def _list_noises(noise: Any, noise_factor: np.ndarray, names: Any) -> list[Any]:
    """List the noises to apply in turn, each with one factor per column."""
    if noise is None:
        return []
    if isinstance(noise, dict):
        return _noises_by_column(noise, noise_factor, names)
    kinds = noise if isinstance(noise, list) else [noise]
    return [(_check_noise(kind), noise_factor) for kind in kinds]


def _noises_by_column(
    noise: Mapping[Any, Any], noise_factor: np.ndarray, names: Any
) -> list[tuple[str, np.ndarray]]:
    """List the noises of a dict by column.

    The first noises of all columns come first, then the second ones, and so on.
    """
    kinds: list[list[str]] = [[] for _ in noise_factor]
    by_position = _by_position(noise, len(noise_factor), names, "noise")
    for position, (column, column_noise) in by_position.items():
        listed = column_noise if isinstance(column_noise, list) else [column_noise]
        kinds[position] = [
            _check_noise(kind, column) for kind in listed if kind is not None
        ]
    # A noise is applied to all columns at once. A factor of 0 leaves a column as it is.
    noises = []
    for turn in range(max(map(len, kinds))):
        turn_kinds = np.array([k[turn] if turn < len(k) else "" for k in kinds])
        for kind in NOISE_NAMES:
            if (turn_kinds == kind).any():
                noises.append((kind, np.where(turn_kinds == kind, noise_factor, 0.0)))
    return noises


def _check_noise(noise: Any, column: Any = None) -> Any:
    """Return a noise after checking it. A noise of one `column` must be a name."""
    if isinstance(noise, str) and noise in NOISE_NAMES:
        return noise
    if column is None and callable(noise):
        arguments = unfit_arguments(noise, 3)
        if arguments is not None:
            raise ValueError(
                f"The callable 'noise' {noise!r} must take (X, noise_factor, rng): "
                f"scaled rows, one number per column, and a numpy.random.Generator. "
                f"Got {arguments}."
            )
        return noise
    where, expected = "", " or a callable"
    if column is not None:
        where, expected = f" for column {column!r}", ", a list of them or None"
    raise ValueError(
        f"'noise'{where} must be one of {sorted(NOISE_NAMES)}{expected}. Got {noise!r}."
    )


def _factor_by_column(noise_factor: Any, n_features: int, names: Any) -> np.ndarray:
    """Convert `noise_factor` to one number per column."""
    # Columns that a dict does not contain are not corrupted.
    by_column = _numbers_by_column(noise_factor, n_features, names, "noise_factor", 0.0)
    if not (np.isfinite(by_column).all() and by_column.min() >= 0):
        raise ValueError(
            f"'noise_factor' must be finite and at least 0. Got {noise_factor!r}."
        )
    return by_column


def _numbers_by_column(
    numbers: Any, n_features: int, names: Any, parameter: str, default: float
) -> np.ndarray:
    """Convert a number, an array or a dict by column to one number per column.

    Columns that a dict does not contain get the number `default`.
    """
    by_column = given = _by_label(numbers, names, n_features, parameter)
    if isinstance(given, dict):
        by_column = [default] * n_features
        by_position = _by_position(given, n_features, names, parameter)
        for position, (_, value) in by_position.items():
            by_column[position] = value
    elif np.ndim(given) == 0:
        by_column = [np.asarray(given, dtype=object).item()] * n_features
    try:
        # Objects keep text as text, which would become numbers.
        cells = np.asarray(by_column, dtype=object).ravel()
        _check_reals(cells)
        by_column = np.asarray(by_column, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise ValueError(
            f"{parameter!r} must hold numbers. Got {numbers!r}."
        ) from error
    if by_column.shape != (n_features,):
        raise ValueError(
            f"{parameter!r} must be one number, or one for each of the {n_features} "
            f"columns of X. Got an array of shape {by_column.shape}."
        )
    return by_column


def _check_reals(cells: np.ndarray) -> None:
    """Raise TypeError unless all cells are real numbers, or None."""
    for cell in cells:
        if not isinstance(cell, (Real, Decimal, NoneType)):
            raise TypeError(cell)


def resolve_bounds(
    min_value: Any,
    max_value: Any,
    n_features: int,
    names: Sequence[Any] | None,
    held: np.ndarray,
) -> tuple[np.ndarray, np.ndarray]:
    """Convert `min_value` and `max_value` to one number per column.

    The number is NaN where the bound is the end of the column's training range.

    Parameters
    ----------
    min_value, max_value
        The parameters of DenoisingAutoencoderTransformer.
    n_features : int
        Number of columns.
    names : sequence of str or None
        Names of the columns. None if columns have no names.
    held : ndarray of shape (2, n_features)
        The smallest and the largest number that the dtype of each column can hold. NaN
        for a categorical column.

    Raises
    ------
    ValueError
        If the parameters do not match the columns, or if the bound of a column could
        do nothing. One number for all columns is no bound of a single column.
    """
    bounds = {}
    for parameter, given in (("min_value", min_value), ("max_value", max_value)):
        bounds[parameter] = np.full(n_features, np.nan)
        if given is not None:
            bounds[parameter] = _numbers_by_column(
                given, n_features, names, parameter, np.nan
            )
            if np.ndim(given) or isinstance(given, dict):
                _check_effect(bounds[parameter], held, names, parameter)
    low, high = bounds.values()
    wrong = np.flatnonzero(low > high)
    if len(wrong):
        j = wrong[0]
        column = j if names is None else names[j]
        raise ValueError(
            f"'min_value' must be at most 'max_value' in each column. Got {low[j]} and "
            f"{high[j]} for column {column!r}. Swap them, or remove one of them."
        )
    return low, high


def _check_effect(
    bounds: np.ndarray, held: np.ndarray, names: Sequence[Any] | None, parameter: str
) -> None:
    """Raise ValueError if the bound of a column could do nothing."""
    low, high = held
    # Comparisons with the NaN of categorical columns are False.
    within = ~np.isfinite(bounds) | ((bounds >= low) & (bounds <= high))
    for j in np.flatnonzero(~within).tolist():
        reason = f"whose dtype holds numbers from {low[j]} to {high[j]} only"
        if np.isnan(low[j]):
            reason = "which is categorical and has no bounds"
        raise ValueError(
            f"{parameter!r} contains {bounds[j]} for column "
            f"{j if names is None else names[j]!r}, {reason}, so that the bound "
            f"would do nothing. Remove the column from the dict, or set its number to "
            f"NaN."
        )
