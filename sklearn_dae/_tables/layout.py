"""Convert a user's table to a Table, and back to a table of the same kind."""

from __future__ import annotations

import math
from contextlib import contextmanager
from decimal import Decimal
from typing import NamedTuple

import numpy as np
from scipy import sparse
from sklearn.utils import check_array

from .._cells import row_chunks
from .._warnings import warn_user
from . import descriptions, frames, labels
from .arrays import as_array, floats, holds_objects, is_list, is_missing
from .columns import (
    MISSING,
    UNSEEN,
    Levels,
    check_numbers,
    find_whole,
    names_and_kinds,
)
from .number_types import NumberType

# A categorical column is probably an identifier column if it has more different values
# than this, and more than half as many as rows.
MANY_LEVELS = 100
TEXT_REMEDY = (
    "Name columns of text in 'categorical_features', or pass a DataFrame, whose "
    "columns of text are categorical. A ColumnTransformer before this transformer "
    "returns one after .set_output(transform='pandas')."
)
# The network gets scaled numbers of at most 1e15, so it predicts none of this size.
HUGE = 1e18
# Largest number of cells of a DataFrame that become an array at once.
FEW_CELLS = 2**23


class Table(NamedTuple):
    """Cells of a table: numbers in the units of the user, and category codes.

    Attributes
    ----------
    numeric : ndarray, CSR matrix or Numbers of shape (n_rows, n_numeric)
        Numbers of dtype float32 or float64, NaN where a cell is missing. `rows`
        returns them as an array.
    codes : ndarray of shape (n_rows, n_categorical), int8 to int32
        Positions of the levels among those of their column, the most frequent first.
        `MISSING` where a cell is missing, `UNSEEN` where fit has not seen its level.
    """

    numeric: np.ndarray
    codes: np.ndarray

    def __len__(self):
        return self.numeric.shape[0]

    def rows(self, index):
        """Select the rows at `index`."""
        numeric = self.numeric[index]
        numeric = numeric.toarray() if sparse.issparse(numeric) else numeric
        return Table(numeric, self.codes[index])

    def sample(self, n_rows, positions):
        """Select as many of the rows at `positions`, evenly spaced, or all of them.

        The rows of a sparse matrix stay sparse.
        """
        n_rows = min(n_rows, len(positions))
        index = positions[np.linspace(0, len(positions) - 1, n_rows).astype(int)]
        return Table(self.numeric[index], self.codes[index])

    def put(self, index, rows):
        """Set the rows at `index`."""
        self.numeric[index], self.codes[index] = rows


class Layout:
    """Order, names, dtypes and levels of the columns of a user's table.

    Parameters
    ----------
    min_frequency, max_categories
        How rare levels are grouped. See `Levels`.

    Attributes
    ----------
    numeric_, categorical_ : ndarray of int
        Positions of the columns in the user's table, in the order of the cells.
    number_types_ : list of n_numeric NumberType
        What the numeric columns can hold. Floats of a DataFrame are whole numbers if
        `fit` saw only such numbers.
    whole_ : ndarray of bool of shape (n_numeric,)
        Mask of the columns in which `fit` saw only whole numbers.
    levels_ : list of n_categorical Levels
    template_ : DataFrame or None
        The DataFrame of `fit` without its rows. None for other tables.
    dtype_ : dtype
        Dtype of the arrays that `write` makes.
    """

    def __init__(self, min_frequency, max_categories):
        self.min_frequency = min_frequency
        self.max_categories = max_categories

    def fit(self, X, is_categorical, template):
        """Learn the columns of `X` and return it as a Table.

        Parameters
        ----------
        X : ndarray or DataFrame of shape (n_samples, n_features)
        is_categorical : ndarray of bool of shape (n_features,)
        template : array-like or DataFrame
            The table that the user passed. Validation can change its type.
        """
        is_frame = frames.is_frame(template)
        # A fitted estimator must not hold rows of the user.
        self._template = frames.without_rows(template) if is_frame else None
        # Raises an error if a saved transformer could not hold the columns.
        self.describe_template()
        positions = np.flatnonzero(is_categorical)
        self.dtype_ = _array_dtype(X, len(positions))
        self.numeric_ = np.flatnonzero(~is_categorical)
        self.number_types_ = [
            _number_type_of_fit(template, position) for position in self.numeric_
        ]
        levels = [self._learn_levels(X, position) for position in positions]
        if not is_frame and X.dtype.kind in "iu" and not all(map(_are_floats, levels)):
            self.dtype_ = np.dtype(object)
        # Columns with the same number of levels lie side by side, so that the loss can
        # compute them as one block.
        order = np.argsort([len(of_column) for of_column in levels], kind="stable")
        self.categorical_ = positions[order]
        self.levels_ = [levels[k] for k in order]
        table = self.read(X)
        self.whole_ = find_whole(table.numeric)
        if is_frame:
            pairs = zip(self.number_types_, self.whole_, strict=True)
            self.number_types_ = [t.whole() if whole else t for t, whole in pairs]
        return table

    @classmethod
    def restore(cls, template, dtype, categorical, number_types, whole, levels):
        """Make a fitted layout.

        Parameters
        ----------
        template : dict or None
            What `describe_template` returned.
        dtype, categorical, number_types, whole, levels
            The other attributes.
        """
        layout = cls(None, None)
        layout._template = template
        layout.dtype_ = dtype
        is_numeric = np.ones(len(number_types) + len(levels), dtype=bool)
        is_numeric[categorical] = False
        layout.numeric_, layout.categorical_ = np.flatnonzero(is_numeric), categorical
        layout.number_types_, layout.levels_ = number_types, levels
        layout.whole_ = whole
        return layout

    def _learn_levels(self, X, position):
        values = _values(X, position)
        of_fit = np.empty(0, dtype=self.dtype_)
        if self.has_template:
            of_fit = frames.column(self.template_, position)
        fallback = _fallback_level(of_fit)
        with self._name_column(position):
            levels = Levels.learn(
                values, self.min_frequency, self.max_categories, fallback
            )
            labels.check(levels.ranked)
        if levels.n_seen > max(MANY_LEVELS, len(values) / 2):
            warn_user(
                f"Column {self.label(position)!r} is categorical and has "
                f"{levels.n_seen} different values in {len(values)} rows. Almost "
                f"nothing can be learned from it. If it is an identifier column, drop "
                f"it. Convert dates and numbers that are stored as text to numbers.",
                UserWarning,
            )
        return levels

    @contextmanager
    def _name_column(self, position):
        """Name the column in errors of values without a hash, for example lists."""
        try:
            yield
        except (TypeError, ValueError) as error:
            raise ValueError(
                f"Column {self.label(position)!r} holds values that cannot be "
                f"categories: {error}. Convert them to numbers or strings first, or "
                f"drop the column."
            ) from error

    @property
    def n_features(self):
        return len(self.numeric_) + len(self.categorical_)

    @property
    def has_template(self):
        """Whether `fit` saw a DataFrame."""
        return self._template is not None

    @property
    def template_(self):
        # A saved transformer holds a description. Its library is imported only here.
        if isinstance(self._template, dict):
            self._template = descriptions.make(self._template)
        return self._template

    def describe_template(self):
        """Describe the DataFrame of `fit` by plain values; None for other tables."""
        if frames.is_frame(self._template):
            return descriptions.describe(self._template)
        return self._template

    def label(self, position):
        """Return the name of a column, or its position if columns have no names."""
        return names_of(self)[position] if self.has_template else int(position)

    def name_inputs(self, input_features):
        """Name the numeric columns, and the levels of all categorical columns.

        `input_features` are the names of all columns.
        """
        level_names = []
        for position, levels in zip(self.categorical_, self.levels_, strict=True):
            names = [str(level) for level in levels.names]
            if levels.n_rare:
                names[-1] = "infrequent"
            level_names += [f"{input_features[position]}={name}" for name in names]
        return [input_features[j] for j in self.numeric_], level_names

    def check_levels(self, X, table):
        """Raise ValueError if a categorical column has values of another type.

        This means that no cell has a level of fit, and that no cell has the type of
        such a level. `table` is the Table that was read from `X`.
        """
        # Columns of arrays have no dtype of their own that could be wrong.
        if not frames.is_frame(X):
            return
        for k, position in enumerate(self.categorical_):
            observed = table.codes[:, k] != MISSING
            # Fit has seen no value of the column, so all values are unseen levels.
            if not self.levels_[k].n_seen:
                continue
            # A few unseen levels are normal, so one known level is enough.
            if not observed.any() or (table.codes[observed, k] != UNSEEN).any():
                continue
            column = frames.column(X, position)
            types = Levels.types_of(frames.values(column))
            of_fit = self.levels_[k].types
            if not types & of_fit:
                raise ValueError(
                    f"Column {self.label(position)!r} has dtype {column.dtype} and "
                    f"none of the categories seen in fit. In fit they were of type "
                    f"{_names(of_fit)}, but now they are of type {_names(types)}. "
                    f"Convert them to type {_names(of_fit)}."
                )

    def read(self, X):
        """Convert a user's table to a Table."""
        codes = self.empty_codes(X.shape[0])
        for k, position in enumerate(self.categorical_):
            with self._name_column(position):
                codes[:, k] = self.levels_[k].encode(_values(X, position))
        if sparse.issparse(X):
            # Rows are selected fast from a CSR matrix.
            numeric = _canonical(X.tocsr())
            infinite = numeric.indices[np.isinf(numeric.data)]
            if len(infinite):
                raise _infinity_in(self.label(self.numeric_[infinite.min()]))
            return Table(numeric, codes)
        numeric = self._read_numbers(X)
        for rows in row_chunks(*numeric.shape):
            infinite = np.isinf(numeric[rows]).any(axis=0)
            if infinite.any():
                raise _infinity_in(self.label(self.numeric_[infinite.argmax()]))
        return Table(numeric, codes)

    def _read_numbers(self, X):
        """Select the numeric columns of a dense table as floats.

        The rows of a large DataFrame are converted later, when they are selected.
        """
        if frames.is_frame(X):
            numeric = frames.Numbers(X, self.numeric_)
            return numeric[:] if math.prod(numeric.shape) <= FEW_CELLS else numeric
        if not holds_objects(X):
            return X[:, self.numeric_].astype(np.float64) if self.levels_ else X
        remedy = TEXT_REMEDY
        if self.has_template:
            remedy = "Pass a DataFrame, as in fit."
        numeric = np.empty((len(X), len(self.numeric_)))
        for j, position in enumerate(self.numeric_):
            numeric[:, j] = _read_objects(X[:, position], self.label(position), remedy)
        return numeric

    def empty(self, n_rows):
        """Make a Table of `n_rows` rows without initial values."""
        numeric = np.empty((n_rows, len(self.numeric_)))
        return Table(numeric, self.empty_codes(n_rows))

    def empty_codes(self, n_rows):
        """Make an array of codes without initial values."""
        n_levels = max((levels.n_seen for levels in self.levels_), default=0)
        dtype = smallest_dtype(max(n_levels, 1) - 1)
        return np.empty((n_rows, len(self.levels_)), dtype=dtype)

    def hide(self, table, hidden):
        """Replace the cells of a Table by missing cells where `hidden` is True."""
        numeric = np.where(hidden[:, self.numeric_], np.nan, table.numeric)
        codes = np.where(hidden[:, self.categorical_], MISSING, table.codes)
        return Table(numeric, codes)

    def write(self, table, index=None):
        """Convert a Table without missing cells to a table like the one of `fit`.

        Columns of a DataFrame get the nearest numbers that they can hold. `index` is
        the index of a pandas DataFrame.
        """
        columns = self._columns(table, [levels.names for levels in self.levels_])
        if self.has_template:
            return frames.frame_like(self.template_, columns, index)
        return _stack(columns, self.dtype_)

    def describe(self, table):
        """Convert a Table without missing cells to an array of objects for displays.

        Rare levels that share a code are described by their number.
        """
        names = [levels.names.copy() for levels in self.levels_]
        for of_column, levels in zip(names, self.levels_, strict=True):
            if levels.n_rare:
                of_column[-1] = f"one of {levels.n_rare} rare levels"
        return _stack(self._columns(table, names), object)

    def _columns(self, table, level_names):
        """List the cells of each of the user's columns, in their order."""
        columns = [None] * self.n_features
        for j, position in enumerate(self.numeric_):
            columns[position] = self.number_types_[j].nearest(table.numeric[:, j])
        for k, position in enumerate(self.categorical_):
            columns[position] = level_names[k][table.codes[:, k]]
        return columns

    def fill(self, X, table, expected):
        """Fill the missing cells of a user's table by those of the Table `expected`.

        `table` is the Table that was read from `X`. Observed cells do not change. If
        the numbers of `expected` are sparse, they are those of the filled table. A
        DataFrame of the library of `fit` keeps its dtypes, and an array keeps its dtype
        if `fit` saw an array. Otherwise the columns get the dtypes of `fit` if these
        can hold the observed cells, or else dtypes that can.
        """
        if sparse.issparse(X) and X.dtype.kind in "iub":
            return X.tocsr(copy=True)  # It cannot hold missing cells.
        is_frame = frames.is_frame(X)
        if sparse.issparse(expected.numeric) and not (self.has_template and is_frame):
            return expected.numeric
        if not is_frame:
            return self._fill_array(X, table, expected)
        columns = frames.columns(X)
        templates = frames.columns(self.template_) if self.has_template else columns
        for position, missing, cells in self._fills(columns, table, expected):
            columns[position] = frames.fill_column(
                columns[position], missing, cells, templates[position]
            )
        if frames.same_library(X, self.template_):
            return frames.frame_of(X, columns)
        cells = [frames.cells(column) for column in columns]
        return self._assemble(cells, frames.index_of(X), self.dtype_)

    def _fill_array(self, X, table, expected):
        array = as_array(X)
        # The objects in a list are often numbers.
        dtype = self.dtype_ if is_list(X) else array.dtype
        columns = list(np.asarray(array).T)
        for position, missing, cells in self._fills(columns, table, expected):
            columns[position] = _put(columns[position], missing, cells)
        return self._assemble(columns, None, dtype)

    def _assemble(self, columns, index, dtype):
        """Make a table of the kind of `fit` of arrays, one for each column."""
        if not self.has_template:
            return _stack_exactly(columns, dtype)
        return frames.frame_of_cells(self.template_, columns, index)

    def _fills(self, given, table, expected):
        """Yield what to fill into the user's columns `given` that have missing cells.

        Yields
        ------
        position : int
        missing : ndarray of bool of shape (n_rows,)
        cells : ndarray of shape (n_missing,)
            Objects or numbers for the missing cells.
        """
        numeric, new = _by_column(table.numeric), _by_column(expected.numeric)
        for j, position in enumerate(self.numeric_):
            missing = np.isnan(_column(numeric, j))
            if missing.any():
                of_fit = number_type = self.number_types_[j]
                if self.whole_[j]:
                    of_fit = number_type = of_fit.whole()
                if not missing.all():
                    number_type = _number_type(given[position]).shared_with(of_fit)
                cells = number_type.nearest(_column(new, j)[missing])
                yield position, missing, cells
        for k, position in enumerate(self.categorical_):
            missing = table.codes[:, k] == MISSING
            if missing.any():
                cells = self.levels_[k].names[expected.codes[missing, k]]
                if not (self.levels_[k].n_seen or missing.all()):
                    # Nothing is known of the column, not even its kind.
                    cells[:] = _fallback_level(given[position])
                yield position, missing, cells

    def frame(self, of_cells, index=None):
        """Return one number per cell as a DataFrame, or as an array without names."""
        if not self.has_template:
            return of_cells
        return frames.frame_of_numbers(self.template_, of_cells, index)


def smallest_dtype(largest):
    """Return the smallest integer dtype that can hold codes up to `largest`."""
    return next(t for t in (np.int8, np.int16, np.int32) if largest <= np.iinfo(t).max)


def names_of(layout):
    """List the names of the columns of a Layout, None if they have none."""
    template = layout._template
    if isinstance(template, dict):
        return descriptions.labels(template)
    return None if template is None else frames.names(template)


def numbers_held(layout):
    """Find the smallest and the largest number that each column can hold.

    Returns
    -------
    held : ndarray of shape (2, n_features)
        NaN for categorical columns.
    """
    held = np.full((2, layout.n_features), np.nan)
    for position, kind in zip(layout.numeric_, layout.number_types_, strict=True):
        held[:, position] = kind.low, kind.high
    return held


def _read_objects(cells, label, remedy=""):
    """Convert an array of objects, one column, to floats. Name it in errors."""
    try:
        return floats(cells, remedy)
    except (TypeError, ValueError) as error:
        kind = TypeError if isinstance(error, TypeError) else ValueError
        raise kind(f"Column {label!r} must hold numbers: {error}") from error


def read_features(X, feature_names):
    """Convert features in any dense container to an array of dtype float32.

    `feature_names` is a function that names the features in order. Raise ValueError if
    the names of a DataFrame say that its features are in another order.
    """
    if frames.is_frame(X):
        names, kinds = names_and_kinds(X)
        _check_order(names, list(feature_names())[-len(names) :])
        check_numbers(X, names, kinds, np.zeros(len(kinds), dtype=bool))
        X = frames.Numbers(X, range(len(kinds)))[:]
    else:
        X = as_array(X)
        if holds_objects(X) and X.ndim == 2:
            columns = [_read_objects(cells, j) for j, cells in enumerate(X.T)]
            X = np.array(columns).T
    # check_array refuses infinity. Its sum of huge numbers can overflow.
    with np.errstate(over="ignore", invalid="ignore"):
        return check_array(X, input_name="X", dtype=np.float32)


def check_width(shape, n_features_out, n_components):
    """Raise ValueError unless features of this shape can be decoded.

    Other errors of the shape are left to `read_features`.
    """
    if len(shape) == 2 and shape[1] not in (n_features_out, n_components):
        raise ValueError(
            f"X has {shape[1]} features, but inverse_transform takes the "
            f"{n_features_out} features that transform gives, or the {n_components} of "
            f"the latent layer alone, which are the last."
        )


def _check_order(names, expected):
    """Raise ValueError if a feature has another position than in `expected`.

    Other names may be anything, because the user may rename features.
    """
    positions = {name: position for position, name in enumerate(expected)}
    for position, name in enumerate(names):
        if positions.get(name, position) != position:
            raise ValueError(
                f"X must hold the features in the order of get_feature_names_out, but "
                f"feature {name!r} is at position {position} instead of "
                f"{positions[name]}. Pass X[names] with names in that order: those of "
                f"dae.get_feature_names_out(), or the last {len(expected)} of them."
            )


def check_decoded(first_row, numeric, probabilities):
    """Raise ValueError if a prediction is NaN or huge, because features are huge.

    `first_row` is the number of the first of the predicted rows.
    """
    predicted = np.hstack([numeric, probabilities])
    is_right = (np.abs(predicted) < HUGE).all(axis=1)  # NaN is not smaller.
    if not is_right.all():
        row = first_row + is_right.argmin()
        raise ValueError(
            f"Row {row} of X holds numbers so large that no cell can be decoded from "
            f"them. Pass features of the size that transform gives."
        )


def _infinity_in(label):
    """Make the error for an infinite value in a numeric column."""
    return ValueError(
        f"Column {label!r} of X contains infinity, or a number that float64 cannot "
        f"hold. Replace it by a finite number, at most 1.8e308, or by NaN if the cell "
        f"is missing."
    )


def _values(X, position):
    """List the cells of one column of an array or a DataFrame as Python objects."""
    if frames.is_frame(X):
        return frames.values(frames.column(X, position))
    return X[:, position].tolist()


def _names(types):
    """List the names of types."""
    return " and ".join(sorted(kind.__name__.lower() for kind in types))


def _canonical(X):
    """Sort the values of a CSR matrix and sum duplicate entries. Copy it if needed.

    `toarray` sums duplicate entries, but many other functions ignore all but one.
    """
    if not X.has_canonical_format:
        X = X.copy()
        X.sum_duplicates()
    return X


def _array_dtype(X, n_categorical):
    """Choose the dtype of arrays that are returned for a table like `X`."""
    if not frames.is_frame(X):
        if X.dtype.kind == "f":
            return X.dtype
        if X.dtype.kind == "O" and n_categorical:
            return X.dtype
    return np.dtype(np.float64)


def _are_floats(levels):
    """Tell whether float64 can hold all levels of a column of integers."""
    return all(float(level) == level for level in levels.names)


def _number_type_of_fit(template, position):
    """Find the NumberType of a column of the table that the user passed to `fit`."""
    if frames.is_frame(template):
        return frames.number_type(frames.column(template, position))
    # Integers in other arrays and in lists are real numbers, as NumPy has no missing
    # integers.
    if isinstance(template, np.ndarray) and holds_objects(template):
        return _number_type(template[:, position])
    return NumberType("float")


def _number_type(column):
    """Find the NumberType of a Series or of one column of an array."""
    if not isinstance(column, np.ndarray):
        return frames.number_type(column)
    return NumberType.of_dtype(column.dtype.name) or NumberType.of_objects(
        [cell for cell in column.tolist() if not is_missing(cell)]
    )


def _fallback_level(column):
    """Choose the level of a column without any observed cell."""
    if not isinstance(column, np.ndarray):
        return frames.fallback_level(column)
    return "" if column.dtype.kind == "O" else 0.0


def _by_column(numeric):
    """Convert numbers to a format whose columns are selected fast."""
    if isinstance(numeric, frames.Numbers):
        return numeric[:]
    return numeric.tocsc() if sparse.issparse(numeric) else numeric


def _column(numeric, j):
    """Select one column of an array or of a CSC matrix, as an array."""
    if sparse.issparse(numeric):
        return numeric[:, [j]].toarray().ravel()
    return numeric[:, j]


def _put(cells, missing, fills):
    """Fill the missing cells of a column of an array. Make objects of them if needed.

    Return a new array.
    """
    of_one_kind = cells.dtype.kind == fills.dtype.kind
    dtype = cells.dtype if of_one_kind else object
    filled = cells.astype(dtype)
    filled[missing] = fills.astype(dtype)
    return filled


def _stack(columns, dtype):
    """Make an array of columns."""
    X = np.empty((len(columns[0]), len(columns)), dtype=dtype)
    for position, cells in enumerate(columns):
        X[:, position] = cells
    return X


def _stack_exactly(columns, dtype):
    """Make an array of `dtype`, or of floats or objects if it cannot hold the cells."""
    for attempt in (dtype, np.float64):
        try:
            X = _stack(columns, attempt)
        except (TypeError, ValueError, OverflowError):
            continue
        if all(map(_are_equal, X.T, columns)):
            return X
    return _stack(columns, object)


def _are_equal(held, cells):
    """Tell whether two columns hold the same cells. Decimals must stay Decimals."""
    if held.dtype == cells.dtype:
        return True
    objects = cells.tolist()
    return held.tolist() == objects and not any(
        isinstance(cell, Decimal) for cell in objects
    )
