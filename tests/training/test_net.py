"""The skorch net: its learning rate and its callbacks."""

import pickle
import re
import subprocess
import sys
from copy import deepcopy

import numpy as np
import pytest
import torch
from skorch.callbacks import (
    Callback,
    Checkpoint,
    EpochScoring,
    GradientNormClipping,
    LoadInitState,
)

from ..helpers import small


def test_learning_rate_falls_along_half_a_cosine(table, tmp_path):
    class Rates(Callback):
        def on_train_begin(self, net, **kwargs):
            self.seen = []

        def on_batch_end(self, net, **kwargs):
            self.seen.append(net.optimizer_.param_groups[0]["lr"])

    checkpoint = Checkpoint(
        monitor="train_loss_best", f_pickle=None, dirname=str(tmp_path)
    )
    # The second fit continues from the best epoch of the first one.
    for _ in range(2):
        rates = Rates()
        callbacks = [checkpoint, LoadInitState(checkpoint), rates]
        dae = small(max_iter=3, batch_size=30, learning_rate_init=0.1)
        dae.set_params(callbacks=callbacks).fit(table)
        expected = 0.05 * (1 + np.cos(np.pi * np.arange(12) / 12))
        np.testing.assert_allclose(rates.seen, expected)
    assert 3 < dae.n_iter_ == len(dae.net_.history)


def test_callbacks_may_keep_predictions(table):
    class KeepPredictions(Callback):
        def on_train_begin(self, net, **kwargs):
            self.kept, self.copies = [], []

        def on_batch_end(self, net, y_pred, **kwargs):
            self.kept.append(y_pred)
            self.copies.append(y_pred.clone())

    keep = KeepPredictions()
    small(callbacks=[keep]).fit(table)
    assert all(map(torch.equal, keep.kept, keep.copies))


def test_callbacks_may_change_gradients(table):
    def weights(**params):
        net = small(max_iter=3, **params).fit(table).net_
        return net.module_.encoder[0].weight

    # The scale of gradients changes AdamW's steps only near its small epsilon.
    clipped = weights(callbacks=[GradientNormClipping(1e-8)])
    assert not torch.allclose(clipped, weights(), atol=1e-4)


class KeepStates(Callback):
    """Keep the state of the network after each epoch."""

    def on_train_begin(self, net, **kwargs):
        self.states = []

    def on_epoch_end(self, net, **kwargs):
        self.states.append(deepcopy(net.module_.state_dict()))


def epoch_of(dae, keep):
    """Find the epoch of the last call whose weights the transformer has."""
    weights = dict(dae.net_.module_.named_parameters())
    (epoch,) = [
        epoch
        for epoch, state in enumerate(keep.states)
        if all(torch.equal(value, state[name]) for name, value in weights.items())
    ]
    return epoch


@pytest.mark.parametrize("patience", [3, 1000])
@pytest.mark.parametrize("tol", [0.0, 0.05, 10.0])
def test_tol_only_decides_when_to_stop(table, tol, patience):
    keep = KeepStates()
    dae = small(
        early_stopping=True,
        tol=tol,
        n_iter_no_change=patience,
        max_iter=30,
        learning_rate_init=0.02,
        callbacks=[keep],
    ).fit(table)
    losses = dae.validation_loss_curve_
    assert dae.best_loss_ == min(losses) == losses[epoch_of(dae, keep)]
    if tol == 10.0 and patience == 3:
        assert dae.n_iter_ == 1 + patience
        assert np.argmin(losses) > 0


def test_best_loss_of_a_warm_start_is_that_of_its_weights(table):
    keep = KeepStates()
    dae = small(
        early_stopping=True, max_iter=20, warm_start=True, callbacks=[keep]
    ).fit(table)
    first = dae.best_loss_
    # A high learning rate makes the weights worse.
    dae.set_params(learning_rate_init=1.0, max_iter=4).fit(table)
    last = dae.validation_loss_curve_[20:]
    assert dae.best_loss_ == min(last) == last[epoch_of(dae, keep)]
    assert dae.best_loss_ > first


def test_callbacks_see_the_last_epoch_before_early_stopping(table):
    keep = KeepStates()
    stopping = {"early_stopping": True, "tol": 10.0, "n_iter_no_change": 2}
    dae = small(callbacks=[keep], **stopping).fit(table)
    assert len(keep.states) == dae.n_iter_ == 3


@pytest.mark.parametrize("early_stopping", [False, True])
def test_progress_without_a_standard_error_stream(table, monkeypatch, early_stopping):
    monkeypatch.setattr(sys, "stderr", None)
    params = {"early_stopping": early_stopping, "random_state": 0}
    dae = small(verbose=1, **params).fit(table)
    assert dae.loss_curve_ == small(**params).fit(table).loss_curve_


SEARCH = """
import numpy as np
from sklearn.model_selection import GridSearchCV
from sklearn_dae import DenoisingAutoencoderTransformer

X = np.random.default_rng(0).normal(size=(60, 4))
dae = DenoisingAutoencoderTransformer(8, hidden_layer_sizes=8, max_iter=5, verbose=1)
search = GridSearchCV(dae, {"noise_factor": [0.1, 0.3]}, cv=2, n_jobs=2, refit=False)
search.fit(X)
"""


def test_worker_processes_print_whole_lines():
    command = [sys.executable, "-c", SEARCH]
    found = subprocess.run(command, capture_output=True, text=True, check=True)
    assert "\r" not in found.stderr
    lines = [line for line in found.stderr.splitlines() if "5/5" in line]
    assert len(lines) == 4
    assert all(re.fullmatch(r"process \d+: 100%.*best=0?\.?\d.*", x) for x in lines)


@pytest.mark.parametrize("early_stopping", [False, True])
def test_the_history_keeps_what_was_recorded_by_epoch(table, tmp_path, early_stopping):
    prefix = "valid" if early_stopping else "train"
    callbacks = [
        EpochScoring(
            lambda net, X, y=None: len(net.history), name="one", on_train=True
        ),
        # The best of these losses is that of the first epoch, and is loaded.
        Checkpoint(f"{prefix}_loss_best", dirname=str(tmp_path), load_best=True),
    ]
    params = {"learning_rate_init": 2.0, "early_stopping": early_stopping}
    dae = small(callbacks=callbacks, **params).fit(table)
    history = pickle.loads(pickle.dumps(dae.net_)).history
    assert history[:, "one"] == [1, 2, 3, 4, 5]
    assert dae.n_iter_ == len(dae.loss_curve_) == 5
    assert history[:, "train_loss"] == dae.loss_curve_
    losses = history[:, f"{prefix}_loss"]
    is_best = [loss < min([*losses[:k], np.inf]) for k, loss in enumerate(losses)]
    assert history[:, f"{prefix}_loss_best"] == history[:, "event_cp"] == is_best
    assert not is_best[-1]
