"""Model: what one fit has learned, and what it computes for tables."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import torch
from scipy import sparse

from ._cells import Cells, SparseCells, row_chunks
from ._networks.autoencoder import Autoencoder
from ._networks.contexts import own_settings
from ._networks.folds import fold_of_cells
from ._networks.inference import (
    decode,
    for_chunks,
    n_features_out,
    predict_cells,
    predict_hidden_cells,
    prediction_chunks,
    write_features,
)
from ._networks.surprise import CellSurprise, row_score
from ._parameters import PARTS
from ._tables.codec import Codec, level_tables
from ._tables.columns import MISSING
from ._tables.layout import Layout, Table, check_decoded
from ._training.fit import Progress, fit_net
from ._training.net import AutoencoderNet, History, TrainingParameters

# `score` hides one of this number of groups of cells at a time.
N_HIDDEN_GROUPS = 5
# Cells are predicted from the rest of their row while a tenth of the columns is hidden.
N_COLUMN_GROUPS = 10
# Largest number of rows, and of their cells, of a calibration. Calls of `partial_fit`
# take a share of their rows, but not too few.
CALIBRATION_ROWS, CALIBRATION_CELLS = 1000, 2**18
CALIBRATION_SHARE, FEWEST_CALIBRATION_ROWS = 1 / 100, 32
# The smallest scale of errors, in standard deviations. Otherwise tiny errors would be
# surprising in a column that others determine.
LEAST_RESIDUAL = 0.01
QUARTILES = (0.25, 0.5, 0.75)
# Quartiles of a normal distribution are this far from each other, in units of its
# standard deviation.
QUARTILE_DISTANCE = 1.349


class Calibration(NamedTuple):
    """What is usual in each column, measured on rows of the fit.

    Numbers are in standard deviations from the mean of their column.

    Attributes
    ----------
    center, spread : ndarray of shape (n_numeric,), float64
        Median, and scale of the distances from it.
    squared_error : ndarray of shape (2, n_numeric), float64
        Mean squared errors of predictions from the rest of the row, and of those from
        the whole row.
    usual : ndarray of shape (2, n_numeric + n_categorical), float64
        Mean surprise of the cells, in their column and in their row.
    counts : ndarray of shape (n_numeric + n_categorical,), int64
        Number of cells that were measured.
    """

    center: np.ndarray
    spread: np.ndarray
    squared_error: np.ndarray
    usual: np.ndarray
    counts: np.ndarray

    def merge(self, before: Calibration) -> Calibration:
        """Combine it with that of previous rows, up to `CALIBRATION_ROWS` in total."""
        n_before = np.minimum(before.counts, CALIBRATION_ROWS - self.counts.max())
        total = n_before + self.counts
        weight = self.counts / np.maximum(total, 1)
        of_numbers = weight[: len(self.center)]
        return Calibration(
            _between(before.center, self.center, of_numbers),
            _between(before.spread, self.spread, of_numbers),
            _between(before.squared_error, self.squared_error, of_numbers),
            _between(before.usual, self.usual, weight),
            total,
        )


class TrainingData(NamedTuple):
    """Rows of a fit: those of training, of validation, and of the calibration."""

    train: Cells | SparseCells
    valid: Cells | SparseCells | None
    sample: Table


@dataclass(frozen=True)
class Model:
    """What one fit has learned: the columns, the network and its calibration.

    A model does not change. So a method that reads it once sees one fit, also if
    another thread fits the estimator again.

    Parameters
    ----------
    codec : Codec
        The columns and their scales.
    net : AutoencoderNet
        The trained net.
    calibration : Calibration or None
        By this, `score_samples` and `cell_errors` judge cells. None in models that an
        earlier version saved.
    """

    codec: Codec
    net: AutoencoderNet
    calibration: Calibration | None

    @property
    def layout(self) -> Layout:
        return self.codec.layout

    @property
    def network(self) -> Autoencoder:
        return self.net.module_

    @property
    def loss(self) -> str:
        return self.net.criterion__loss

    @property
    def n_components(self) -> int:
        return self.network.n_components

    @property
    def n_features_out(self) -> int:
        return n_features_out(self.network)

    def name_features(self, input_features: np.ndarray) -> np.ndarray:
        """Name the features, given the names of the columns."""
        names = self.network.name_features(*self.layout.name_inputs(input_features))
        if len(set(names)) < len(names):
            # The levels 1 and "1", for example. Some DataFrames refuse equal names.
            names = [f"{name}_{position}" for position, name in enumerate(names)]
        return np.asarray(names, dtype=object)

    def features(self, table: Table) -> np.ndarray:
        """Compute the features of rows."""
        features = np.empty((len(table), self.n_features_out), dtype=np.float32)

        def write(rows: slice) -> None:
            cells = self.codec.encode(table.rows(rows))
            write_features(self.network, cells, features[rows])

        for_chunks(self.network, len(table), write)
        return features

    def decode(self, features: np.ndarray) -> Table:
        """Compute rows from features: from the stack or the latent layer alone."""
        latent = features[:, -self.n_components :]
        decoded = self.layout.empty(len(features))

        def put(rows: slice) -> None:
            predicted = decode(self.network, self.loss, latent[rows])
            check_decoded(rows.start, *predicted)
            decoded.put(rows, self.codec.decode(*predicted))

        for_chunks(self.network, len(features), put)
        return decoded

    def expected(self, table: Table, from_rest: bool = False) -> Table:
        """Predict all cells, each from its whole row, or from the rest of its row."""
        predict = _predict_hidden if from_rest else _predict
        expected = self.layout.empty(len(table))

        def put(rows: slice) -> None:
            predicted = predict(self.codec, self.net, table.rows(rows))
            expected.put(rows, self.codec.decode(*predicted))

        for_chunks(self.network, len(table), put)
        return expected

    def fill(self, table: Table) -> Table:
        """Predict the missing cells. Other cells of the result have no meaning.

        The numbers of a sparse table are filled instead, and stay sparse.
        """
        if not sparse.issparse(table.numeric):
            return self.expected(table)
        numeric: Any = table.numeric.copy()
        # Only chunks with missing cells become dense.
        for rows in prediction_chunks(self.network, len(table)):
            begin, end = numeric.indptr[rows.start], numeric.indptr[rows.stop]
            places = begin + np.flatnonzero(np.isnan(numeric.data[begin:end]))
            if len(places):
                expected = self.expected(table.rows(rows)).numeric
                whole = self.layout.whole_
                expected[:, whole] = np.rint(expected[:, whole])
                of_row = np.searchsorted(numeric.indptr, places, side="right") - 1
                columns = numeric.indices[places]
                numeric.data[places] = expected[of_row - rows.start, columns]
        return Table(numeric, table.codes)

    def score(self, table: Table) -> float:
        """Compute how well hidden cells are predicted, relative to the means."""
        groups = _hidden_groups(len(table), self.layout.n_features)
        learned = self.codec.learned

        def sums(rows: slice) -> tuple[float, float]:
            chunk, error = table.rows(rows), 0.0
            for group in range(N_HIDDEN_GROUPS):
                hidden = (groups[rows] == group) & learned
                visible = self.layout.hide(chunk, hidden)
                predicted = _predict(self.codec, self.net, visible)
                errors = self.codec.errors(chunk, *predicted)
                error += np.nansum(errors[hidden], dtype=np.float64)
            of_means = self.codec.baseline_errors(chunk)[:, learned]
            return error, np.nansum(of_means, dtype=np.float64)

        of_chunks = for_chunks(self.network, len(table), sums)
        error, baseline = map(sum, zip(*of_chunks, strict=True))
        return 1.0 - float(error / baseline) if baseline else 0.0

    def score_samples(self, table: Table) -> np.ndarray:
        """Compute how normal rows are."""
        surprise = self.make_surprise()

        def score(rows: slice) -> np.ndarray:
            of_cells = surprise_of(self.codec, self.net, surprise, table.rows(rows))
            return row_score(of_cells[1]).numpy()

        return np.concatenate(for_chunks(self.network, len(table), score))

    def cell_surprise(self, table: Table) -> np.ndarray:
        """Compute how surprising cells are: in their column, and in their row.

        Returns
        -------
        surprise : ndarray of shape (n_rows, n_features, 2), float32
            In the order of the user's columns. NaN where a cell is missing.
        """
        shape = (len(table), self.layout.n_features, 2)
        surprise, module = np.empty(shape, dtype=np.float32), self.make_surprise()
        order = np.concatenate([self.layout.numeric_, self.layout.categorical_])

        def write(rows: slice) -> None:
            of_cells = surprise_of(self.codec, self.net, module, table.rows(rows))
            surprise[rows, order] = of_cells.permute(1, 2, 0).numpy()

        for_chunks(self.network, len(table), write)
        return surprise

    def explain(self, table: Table) -> tuple[np.ndarray, np.ndarray]:
        """Describe what the rest of the row predicts, and count the levels of cells.

        The predictions are objects for displays. The counts are NaN for numbers, for
        missing cells, and for models that an earlier version saved.
        """
        counts = np.full((len(table), self.layout.n_features), np.nan)
        for k, position in enumerate(self.layout.categorical_):
            of_levels = self.layout.levels_[k].counts
            if of_levels is not None:
                # Levels that were not seen count 0 times, missing cells NaN times.
                of_code = np.append(of_levels, [0, np.nan])
                counts[:, position] = of_code[table.codes[:, k]]
        return self.layout.describe(self.expected(table, from_rest=True)), counts

    def make_surprise(self) -> CellSurprise:
        """Make the module that computes how surprising cells are."""
        if self.calibration is None:
            raise ValueError(
                "score_samples and cell_errors cannot be computed, because an earlier "
                "version of sklearn_dae saved this transformer. It knew another "
                "measure of errors. Call fit again, and save the transformer."
            )
        return make_surprise(self.codec, self.calibration)


@own_settings()
def encode_training_data(
    codec: Codec,
    table: Table,
    train: np.ndarray | None = None,
    valid: np.ndarray | Table | None = None,
    calibration: np.ndarray | None = None,
    incremental: bool = False,
) -> TrainingData:
    """Encode the rows of a fit, and select those of its calibration.

    Parameters
    ----------
    train, calibration : ndarray of int or None
        Positions of the rows of `table` to learn, and of those from which to select the
        rows of the calibration. None means all rows.
    valid : ndarray of int, Table or None
        Positions of validation rows, or a table of them.
    incremental : bool
        Whether the rows are those of a call of `partial_fit`.
    """
    valid_cells = None
    if isinstance(valid, Table):
        valid_cells = codec.encode(valid)
    elif valid is not None:
        valid_cells = codec.encode(table, valid)
    if calibration is None or not len(calibration):
        calibration = np.arange(len(table))
    most = min(CALIBRATION_ROWS, 1 + CALIBRATION_CELLS // codec.layout.n_features)
    share = CALIBRATION_SHARE if incremental else 1.0
    n_rows = min(most, max(FEWEST_CALIBRATION_ROWS, int(share * len(calibration))))
    sample = table.sample(n_rows, calibration)
    return TrainingData(codec.encode(table, train), valid_cells, sample)


@own_settings()
def fit_model(
    codec: Codec,
    data: TrainingData,
    noises: Sequence[tuple[str | Callable[..., Any], np.ndarray]],
    parameters: TrainingParameters,
    previous: Model | None = None,
    progress: Progress | None = None,
) -> tuple[Model, History, Progress]:
    """Train a network on encoded rows.

    `noises` are pairs of a noise and its factor for each of the user's columns.
    Training continues from the model `previous`, and with `progress` also from the
    state of its training.
    """
    train, valid, sample = data
    net, history, progress = fit_net(
        train,
        valid,
        codec.summary(),
        [(noise, codec.by_kind(factor)) for noise, factor in noises],
        parameters,
        previous.net if previous else None,
        progress,
    )
    # An earlier version did not count the cells of levels.
    if any(levels.counts is None for levels in codec.layout.levels_):
        return Model(codec, net, None), history, progress
    calibration = calibrate(codec, net, sample)
    if parameters.incremental and previous and previous.calibration:
        calibration = calibration.merge(previous.calibration)
    return Model(codec, net, calibration), history, progress


def find_folds(codec: Codec, table: Table, n_folds: int) -> np.ndarray:
    """Compute the number of the fold of each row."""
    folds = np.empty(len(table), dtype=np.int64)
    with own_settings():
        for rows in row_chunks(len(table), codec.layout.n_features):
            numeric, codes = codec.encode(table.rows(rows))
            folds[rows] = fold_of_cells(numeric, codes, n_folds).numpy()
    return folds


def calibrate(codec: Codec, net: AutoencoderNet, sample: Table) -> Calibration:
    """Measure what is usual in each column, on a sample of rows."""

    def arrays(rows: slice) -> list[np.ndarray]:
        return _for_surprise(codec, net, sample.rows(rows))

    parts = zip(*for_chunks(net.module_, len(sample), arrays), strict=True)
    # The rows are the last axis but one of all arrays.
    numbers, predicted, ranks, probabilities = (np.concatenate(p, -2) for p in parts)
    counts = np.concatenate([(~np.isnan(numbers)).sum(0), (ranks != MISSING).sum(0)])
    nothing = np.zeros((2, len(counts)))
    found = Calibration(*_calibrate_numbers(numbers, predicted), nothing, counts)
    with own_settings():
        surprise = make_surprise(codec, found)(
            *map(torch.from_numpy, (numbers, predicted, ranks, probabilities))
        )
    total = surprise.nan_to_num().sum(1).numpy()
    return found._replace(usual=total / np.maximum(counts, 1))


def _calibrate_numbers(
    numbers: np.ndarray, predicted: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Measure the centers, the spreads and the squared errors of numeric columns."""
    known = ~np.isnan(numbers).all(axis=0)
    center, spread = np.zeros(len(known)), np.ones(len(known))
    squared_error = np.ones((2, len(known)))
    if known.any():
        numbers, predicted = numbers[:, known], predicted[..., known]
        low, center[known], high = np.nanquantile(numbers, QUARTILES, axis=0)
        distance = (high - low) / QUARTILE_DISTANCE
        # The geometric mean of a robust scale and the standard deviation, which is 1.
        spread[known] = np.where(distance > 0, np.sqrt(distance), 1.0)
        squared_error[:, known] = np.nanmean(np.square(numbers - predicted), axis=1)
    return center, spread, squared_error


def errors_of(surprise: np.ndarray, part: str) -> np.ndarray:
    """Compute the errors of cells from their surprise of shape (..., 2).

    A cell that is less surprising than usual has the error 0. `part` is that of
    `cell_errors`.
    """
    errors = np.maximum(surprise, 0)
    return errors.sum(axis=-1) if part == "both" else errors[..., PARTS.index(part)]


def make_surprise(codec: Codec, calibration: Calibration) -> CellSurprise:
    """Make the module that computes how surprising cells are."""
    arrays = {
        "center": calibration.center,
        "spread": calibration.spread,
        "residual": np.maximum(np.sqrt(calibration.squared_error), LEAST_RESIDUAL),
        "usual": calibration.usual,
    }
    arrays |= level_tables(codec.layout.levels_)
    return CellSurprise(**{name: torch.from_numpy(x) for name, x in arrays.items()})


def surprise_of(
    codec: Codec, net: AutoencoderNet, surprise: CellSurprise, table: Table
) -> torch.Tensor:
    """Compute how surprising the cells of a chunk are, in the order of the cells."""
    return surprise(*map(torch.from_numpy, _for_surprise(codec, net, table)))


def _for_surprise(codec: Codec, net: AutoencoderNet, table: Table) -> list[np.ndarray]:
    """List what `CellSurprise` takes for a chunk of rows."""
    hidden, probabilities = _predict_hidden(codec, net, table)
    whole, _ = _predict(codec, net, table)
    return [
        codec.standardize(table.numeric),
        np.stack([codec.predicted(hidden), codec.predicted(whole)]),
        table.codes,
        probabilities,
    ]


def _predict(
    codec: Codec, net: AutoencoderNet, table: Table
) -> tuple[np.ndarray, np.ndarray]:
    """Predict the numbers, and the probabilities of all levels, of a chunk of rows."""
    return predict_cells(net.module_, net.criterion__loss, codec.encode(table))


def _predict_hidden(
    codec: Codec, net: AutoencoderNet, table: Table
) -> tuple[np.ndarray, np.ndarray]:
    """Predict as `_predict` does, each cell from the rest of its row."""
    groups, cells = codec.column_groups(N_COLUMN_GROUPS), codec.encode(table)
    return predict_hidden_cells(net.module_, net.criterion__loss, cells, groups)


def _between(low: np.ndarray, high: np.ndarray, weight: np.ndarray) -> np.ndarray:
    """Interpolate from `low`, at a weight of 0, to `high`, at 1."""
    return low + (high - low) * weight


def _hidden_groups(n_rows: int, n_columns: int) -> np.ndarray:
    """Divide cells into groups at random. Return the number of the group of each."""
    # Always the same groups, so that a search can compare its candidates.
    random_state = np.random.RandomState(0)
    groups = np.empty((n_rows, n_columns), dtype=np.int8)
    for rows in row_chunks(n_rows, n_columns):
        groups[rows] = random_state.randint(N_HIDDEN_GROUPS, size=groups[rows].shape)
    return groups
