"""What parameters say of columns: which are categorical, how each is corrupted."""

from __future__ import annotations

from numbers import Integral

import numpy as np

from ._frames import is_frame, kind_of
from ._training import NOISES, unfit_arguments

# Noises whose `noise_factor` is a probability.
PROBABILITIES = ("swap", "masking", "salt_and_pepper")
OF_DATES = (
    "Turn dates into numbers first, for example by skrub's DatetimeEncoder in a "
    "ColumnTransformer, and durations by total_seconds, or drop the column."
)


def find_categorical(X, categorical_features):
    """Mask of the columns of `X` that `categorical_features` makes categorical.

    Parameters
    ----------
    X : ndarray, sparse matrix or DataFrame of shape (n_samples, n_features)
    categorical_features
        The parameter, see DenoisingAutoencoderTransformer.

    Returns
    -------
    is_categorical : ndarray of bool of shape (n_features,)

    Raises
    ------
    ValueError
        If the parameter does not fit `X`, or a column is neither declared categorical
        nor of numbers.
    """
    names = list(X.columns) if is_frame(X) else None
    if names == []:
        raise ValueError("Found a table with 0 feature(s). Pass one with columns.")
    if names and len(set(names)) < len(names):
        raise ValueError(f"Expected unique column names. Got {names}: rename some.")
    kinds = [] if names is None else [kind_of(X[name]) for name in names]
    if isinstance(categorical_features, str):
        chosen = np.zeros(X.shape[1], dtype=bool)
        chosen[: len(kinds)] = np.isin(kinds, ["categorical", "boolean"])
    else:
        chosen = _chosen_columns(categorical_features, X.shape[1], names)
    for j, kind in enumerate(kinds):
        if not chosen[j] and kind not in ("numeric", "boolean"):
            raise ValueError(_not_a_number(names[j], X[names[j]].dtype, kind))
    return chosen


def check_no_dates(X):
    """Raise ValueError if `X` is an array of dates, which NumPy takes for numbers."""
    dtype = getattr(X, "dtype", None)
    if getattr(dtype, "kind", None) in ("m", "M"):
        raise ValueError(f"X of dtype {dtype} holds no numbers. {OF_DATES}")


def _chosen_columns(categorical_features, n_features, names):
    """Mask of the columns that a mask, indices or names choose."""
    mask = np.zeros(n_features, dtype=bool)
    if categorical_features is None:
        return mask
    given = np.asarray(categorical_features, dtype=object).tolist()
    if given and all(isinstance(is_chosen, bool) for is_chosen in given):
        if len(given) != n_features:
            raise ValueError(
                f"'categorical_features' as a mask must have one bool for each of the "
                f"{n_features} columns of X. Got {len(given)}."
            )
        return np.array(given)
    for column in given:
        mask[column_position(column, n_features, names, "categorical_features")] = True
    return mask


def column_position(column, n_features, names, parameter):
    """Position of a column that `parameter` calls by name or by position."""
    if isinstance(column, str):
        positions = {} if names is None else {n: j for j, n in enumerate(names)}
        if column in positions:
            return positions[column]
        known = f"with columns {list(positions)}" if positions else "without names"
    elif isinstance(column, Integral) and 0 <= column < n_features:
        return column
    else:
        known = f"with {n_features} columns"
    raise ValueError(
        f"{parameter!r} names column {column!r}, but X is a table {known}. Use the "
        f"name of a column, a str, or its position from 0 to {n_features - 1}."
    )


def _by_position(given, n_features, names, parameter):
    """A dict from the position of columns to what `given` calls them and holds."""
    by_position = {}
    for column, value in given.items():
        position = column_position(column, n_features, names, parameter)
        if position in by_position:
            first, _ = by_position[position]
            raise ValueError(
                f"{parameter!r} names one column twice, as {first!r} and as "
                f"{column!r}. Leave one out."
            )
        by_position[position] = column, value
    return by_position


def _not_a_number(name, dtype, kind):
    message = f"Column {name!r} of dtype {dtype} holds no numbers. "
    if kind == "date":
        return message + OF_DATES
    if kind == "categorical":
        return message + (
            "Name it in 'categorical_features', which are all that there are, or set "
            "categorical_features='from_dtype'. Turn numbers that are written as text "
            "into numbers first, for example by pandas.to_numeric."
        )
    return message + "Turn it into numbers or strings first, or drop it."


def resolve_noises(noise, noise_factor, n_features, names):
    """Turn `noise` and `noise_factor` into noises with one rate a column.

    Parameters
    ----------
    noise, noise_factor
        As the user gave them.
    n_features : int
    names : array-like of str or None
        Column names, where there are any.

    Returns
    -------
    noises : list of (str or callable, ndarray of shape (n_features,))
        Noises to apply in turn.
    """
    factors = _column_factors(noise_factor, n_features, names)
    if noise is None:
        return []
    if isinstance(noise, dict):
        noises = _noises_by_column(noise, factors, names)
    else:
        kinds = noise if isinstance(noise, list) else [noise]
        noises = [(_check_kind(kind), factors) for kind in kinds]
    for kind, rates in noises:
        if kind in PROBABILITIES and rates.max() > 1:
            raise ValueError(
                f"'noise_factor' is the probability that {kind!r} corrupts a cell and "
                f"must be at most 1. Got {rates.max()}. Only 'gaussian' takes more: "
                f"its 'noise_factor' is a standard deviation."
            )
    return noises


def _noises_by_column(noise, factors, names):
    kinds = [[] for _ in factors]
    by_position = _by_position(noise, len(factors), names, "noise")
    for position, (column, of_column) in by_position.items():
        of_column = of_column if isinstance(of_column, list) else [of_column]
        kinds[position] = [
            _check_kind(kind, column) for kind in of_column if kind is not None
        ]
    noises = []
    for turn in range(max(map(len, kinds))):
        of_turn = np.array([k[turn] if turn < len(k) else "" for k in kinds])
        for kind in NOISES:
            if (of_turn == kind).any():
                noises.append((kind, np.where(of_turn == kind, factors, 0.0)))
    return noises


def _check_kind(kind, column=None):
    if isinstance(kind, str) and kind in NOISES:
        return kind
    if column is None and callable(kind):
        _check_takes_rows(kind)
        return kind
    where, expected = "", " or a callable"
    if column is not None:
        where, expected = f" for column {column!r}", ", a list of them or None"
    raise ValueError(
        f"'noise'{where} must be one of {sorted(NOISES)}{expected}. Got {kind!r}."
    )


def _check_takes_rows(noise):
    """Raise ValueError if a function cannot be called as a noise is."""
    arguments = unfit_arguments(noise, 3)
    if arguments is not None:
        raise ValueError(
            f"The callable 'noise' {noise!r} must take (X, noise_factor, rng): scaled "
            f"rows, one number a column, and a numpy.random.Generator. Got {arguments}."
        )


def _column_factors(noise_factor, n_features, names):
    """`noise_factor` as one number a column."""
    if isinstance(noise_factor, dict):
        factors = [0.0] * n_features
        by_position = _by_position(noise_factor, n_features, names, "noise_factor")
        for position, (_, factor) in by_position.items():
            factors[position] = factor
    elif np.ndim(noise_factor) == 0:
        factors = [noise_factor] * n_features
    else:
        factors = noise_factor
    try:
        factors = np.asarray(factors, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise ValueError(
            f"'noise_factor' must be of numbers. Got {noise_factor!r}."
        ) from error
    if factors.shape != (n_features,):
        raise ValueError(
            f"'noise_factor' must be one number, or one for each of the {n_features} "
            f"columns of X. Got an array of shape {factors.shape}."
        )
    if not (np.isfinite(factors).all() and factors.min() >= 0):
        raise ValueError(
            f"'noise_factor' must be finite and at least 0. Got {noise_factor!r}."
        )
    return factors
