"""Model: what one fit has learned, and what it computes for tables."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from scipy import sparse

from ._cells import Cells, SparseCells, row_chunks
from ._networks.autoencoder import Autoencoder
from ._networks.contexts import own_settings
from ._networks.inference import (
    decode,
    for_chunks,
    n_features_out,
    predict_cells,
    predict_hidden_cells,
    prediction_chunks,
    write_features,
)
from ._tables.codec import Codec
from ._tables.layout import Layout, Table, check_decoded
from ._training.fit import Progress, fit_net
from ._training.net import AutoencoderNet, History, TrainingParameters

# `score` hides one of this number of groups of cells at a time.
N_HIDDEN_GROUPS = 5
# Cells are predicted from the rest of their row while a tenth of the columns is hidden.
N_COLUMN_GROUPS = 10
# Largest number of rows, and of their cells, from which a fit learns the usual errors
# of hidden cells. A call of `partial_fit` takes a share of its rows, but not too few.
USUAL_ROWS, USUAL_CELLS = 1000, 2**18
USUAL_SHARE, FEWEST_USUAL_ROWS = 1 / 100, 32
# The smallest usual error, in units of the variance. Otherwise tiny errors of a column
# that others determine would count as anomalies.
LEAST_USUAL_ERROR = 0.01


class UsualErrors(NamedTuple):
    """Errors that are usual when numbers are predicted from the rest of their row.

    Attributes
    ----------
    means : ndarray of shape (n_numeric,), float64
        Mean squared error of each numeric column, in units of its variance.
    counts : ndarray of shape (n_numeric,), int64
        Number of cells that the means were computed from.
    """

    means: np.ndarray
    counts: np.ndarray


class TrainingData(NamedTuple):
    """Rows of a fit: those of training and validation, and a sample for the errors."""

    train: Cells | SparseCells
    valid: Cells | SparseCells | None
    sample: Table


@dataclass(frozen=True)
class Model:
    """What one fit has learned: the columns, the network and its usual errors.

    A model does not change. So a method that reads it once sees one fit, also if
    another thread fits the estimator again.

    Parameters
    ----------
    codec : Codec
        The columns and their scales.
    net : AutoencoderNet
        The trained net.
    usual : UsualErrors
        By these, `score_samples` and `cell_errors` judge numbers.
    """

    codec: Codec
    net: AutoencoderNet
    usual: UsualErrors

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
        """Compute how normal rows are, from the errors of their cells."""
        scores = np.empty(len(table), dtype=np.float32)

        def write(rows: slice) -> None:
            roots = np.sqrt(self._cell_errors(table.rows(rows)))
            known = ~np.isnan(roots)
            # A row without any observed cell gets the score of a neutral cell.
            total = np.where(known.any(axis=1), np.nansum(roots, axis=1), 1.0)
            # Subtracting from 0 avoids -0.0.
            scores[rows] = 0 - 2 * np.log(total / np.maximum(known.sum(axis=1), 1))

        for_chunks(self.network, len(table), write)
        return scores

    def cell_errors(self, table: Table) -> np.ndarray:
        """Compute how much less likely cells are in their row than in their column."""
        errors = np.empty((len(table), self.layout.n_features), dtype=np.float32)

        def write(rows: slice) -> None:
            errors[rows] = self._cell_errors(table.rows(rows))

        for_chunks(self.network, len(table), write)
        return errors

    def _cell_errors(self, table: Table) -> np.ndarray:
        predicted = _predict_hidden(self.codec, self.net, table)
        return self.codec.unlikeliness(table, *predicted, self.usual.means)


@own_settings()
def encode_training_data(
    codec: Codec,
    table: Table,
    split: tuple[np.ndarray, np.ndarray] | None = None,
    valid: Table | None = None,
    incremental: bool = False,
) -> TrainingData:
    """Encode the rows of a fit, and select those from which to learn usual errors.

    The validation rows are the second part of the `split` of rows, or those of `valid`.
    """
    train_rows, valid_rows = split or (None, None)
    valid_cells = None
    if valid is not None:
        valid_cells = codec.encode(valid)
    elif valid_rows is not None:
        valid_cells = codec.encode(table, valid_rows)
    most = min(USUAL_ROWS, 1 + USUAL_CELLS // codec.layout.n_features)
    share = USUAL_SHARE if incremental else 1.0
    n_sampled = min(most, max(FEWEST_USUAL_ROWS, int(share * len(table))))
    train = codec.encode(table, train_rows)
    return TrainingData(train, valid_cells, table.sample(n_sampled))


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
    before = previous.usual if previous and parameters.incremental else None
    usual = learn_usual_errors(codec, net, sample, before)
    return Model(codec, net, usual), history, progress


def learn_usual_errors(
    codec: Codec, net: AutoencoderNet, sample: Table, before: UsualErrors | None = None
) -> UsualErrors:
    """Learn the usual errors from a sample of rows.

    Rows of previous calls count, too, up to `USUAL_ROWS` in total. `before` holds their
    errors.
    """

    def sums(rows: slice) -> np.ndarray:
        chunk = sample.rows(rows)
        errors = codec.errors(chunk, *_predict_hidden(codec, net, chunk))
        errors = errors[:, codec.layout.numeric_]
        observed = (~np.isnan(errors)).sum(axis=0)
        return np.stack([observed, np.nansum(errors, axis=0, dtype=np.float64)])

    counts, totals = np.sum(for_chunks(net.module_, len(sample), sums), axis=0)
    if before is not None:
        n_before = np.minimum(before.counts, USUAL_ROWS - len(sample))
        totals = totals + n_before * before.means
        counts = counts + n_before
    means = np.maximum(totals / np.maximum(counts, 1), LEAST_USUAL_ERROR)
    return UsualErrors(np.where(counts > 0, means, 1.0), counts.astype(np.int64))


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


def _hidden_groups(n_rows: int, n_columns: int) -> np.ndarray:
    """Divide cells into groups at random. Return the number of the group of each."""
    # Always the same groups, so that a search can compare its candidates.
    random_state = np.random.RandomState(0)
    groups = np.empty((n_rows, n_columns), dtype=np.int8)
    for rows in row_chunks(n_rows, n_columns):
        groups[rows] = random_state.randint(N_HIDDEN_GROUPS, size=groups[rows].shape)
    return groups
