"""Validate a user's table for an estimator, as scikit-learn does, and read it."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.utils import check_array
from sklearn.utils.validation import validate_data

from ._parameters import find_categorical
from ._tables.arrays import as_array, holds_objects
from ._tables.columns import check_numbers, names_and_kinds
from ._tables.frames import check_container, is_frame, is_plain_numbers
from ._tables.layout import Layout, Table

# Arrays of these dtypes are not converted.
ARRAY_DTYPES = (np.dtype(np.float64), np.dtype(np.float32))


def snapshot(estimator: BaseEstimator) -> Any:
    """Return a shallow copy of an estimator.

    A fit sets the attributes of such a copy. Then one assignment passes them all to the
    estimator. So an error changes nothing, and no other thread sees the attributes of
    two fits.
    """
    copy = object.__new__(type(estimator))
    copy.__dict__ = vars(estimator).copy()
    return copy


def read_columns(
    estimator: BaseEstimator, X: Any, categorical_features: Any
) -> tuple[Any, np.ndarray]:
    """Return the validated training table, and the mask of its categorical columns.

    Set `n_features_in_` and `feature_names_in_` of the estimator.
    """
    check_container(X)
    if not is_frame(X):
        X = as_array(X)
        if isinstance(categorical_features, (str, type(None))):
            X = _validate(estimator, X, False, reset=True, min_samples=2)
            return X, find_categorical(categorical_features, X.shape[1], None, [])
        X = check_array(X, accept_sparse="csr", dtype=None, ensure_all_finite=False)
    names, kinds = names_and_kinds(X)
    is_categorical = find_categorical(categorical_features, X.shape[1], names, kinds)
    check_numbers(X, names, kinds, is_categorical)
    has_categories = bool(is_categorical.any())
    X = _validate(estimator, X, has_categories, reset=True, min_samples=2)
    return X, is_categorical


def read_table(
    estimator: BaseEstimator, layout: Layout, X: Any, min_samples: int = 1
) -> Table:
    """Return the validated Table of a user's `X`, given the columns of `fit`."""
    check_container(X)
    has_categories = len(layout.categorical_) > 0
    X = X if is_frame(X) else as_array(X)
    X = _validate(estimator, X, has_categories, min_samples=min_samples)
    table = layout.read(X)
    layout.check_levels(X, table)
    return table


def _validate(
    estimator: BaseEstimator,
    X: Any,
    has_categories: bool,
    *,
    reset: bool = False,
    min_samples: int = 1,
) -> Any:
    """Return `X` as a DataFrame or array, of floats if there are no categories."""
    if is_frame(X) and (has_categories or not is_plain_numbers(X)):
        if len(X) < min_samples:
            raise ValueError(
                f"Found a table with {len(X)} sample(s) while a minimum of "
                f"{min_samples} is required by {type(estimator).__name__}."
            )
        validate_data(estimator, X, reset=reset, skip_check_array=True)
        return X
    if not reset and _is_valid_array(estimator, X, min_samples):
        return X
    # Layout.read converts objects and checks for infinity. It names the column.
    stays = has_categories or holds_objects(X)
    return validate_data(
        estimator,
        X,
        reset=reset,
        accept_sparse=False if has_categories else "csr",
        dtype=None if stays else ARRAY_DTYPES,
        ensure_all_finite=False,
        ensure_min_samples=min_samples,
    )


def _is_valid_array(estimator: Any, X: Any, min_samples: int) -> bool:
    """Tell whether `X` is an array that `validate_data` would return unchanged.

    For one row, `validate_data` takes as long as the layers of the network.
    """
    return (
        type(X) is np.ndarray
        and X.dtype in ARRAY_DTYPES
        and X.ndim == 2
        and X.shape[1] == estimator.n_features_in_
        and len(X) >= min_samples
        and not hasattr(estimator, "feature_names_in_")
    )
