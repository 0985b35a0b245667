"""Training of a net on cells."""

import os
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
from skorch.callbacks import Callback

from sklearn_dae._training.fit import check_device

from ..helpers import small


def test_a_fit_imports_no_compiler():
    code = """
import sys, numpy as np
from sklearn_dae import DenoisingAutoencoderTransformer
X = np.random.default_rng(0).normal(size=(50, 3))
DenoisingAutoencoderTransformer(max_iter=2, early_stopping=True).fit(X).transform(X)
print({"torch._dynamo", "sympy"} & set(sys.modules))
"""
    found = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=True,
        env=os.environ,
    )
    assert found.stdout == "set()\n"


def test_only_partial_fit_keeps_moments(table):
    dae = small().fit(table)
    assert dae._progress is None
    state = dae.net_.module_.state_dict()
    assert not {"moments", "n_measured"} & set(state)
    moments = dae.partial_fit(table)._progress.moments
    assert moments.means.shape == (2, dae.transform(table).shape[1])


def test_spreads_of_fit_count_as_much_as_those_of_a_thousand_rows(table):
    dae = small(learning_rate_init=1e-12).fit(table)
    before = dae.net_.module_.spreads.clone()
    for row in table[:5, None]:
        dae.partial_fit(row)
    changed = dae.net_.module_.spreads / before
    np.testing.assert_allclose(changed, 1.0, atol=0.02)


@pytest.mark.parametrize(("limit", "number"), [("ROWS", 256), ("NUMBERS", 1)])
def test_bins_come_from_random_rows(monkeypatch, limit, number):
    # Very wide tables have 256 rows, too, so that there are some for quantiles.
    monkeypatch.setattr(f"sklearn_dae._training.fit.SAMPLE_{limit}", number)
    X = np.arange(3000.0)[:, None]
    bins = small(max_iter=1).fit_transform(X)[:, 1:7]
    # Each bin is filled by a sixth of the rows.
    rising = (np.diff(bins, axis=0) > 0).sum(axis=0)
    np.testing.assert_allclose(rising, 500, atol=150)


def test_warm_start_refuses_another_activation(table):
    dae = small(warm_start=True).fit(table)
    match = r"(?s)previous network is.*activation='relu'.*describe\n.*'tanh'"
    with pytest.raises(ValueError, match=match):
        dae.set_params(activation="tanh").fit(table)


NO_CELL = "needs a validation loss, but no cell of the {} validation rows counts: "


@pytest.mark.parametrize(
    ("parameters", "X_val", "message"),
    [
        ({}, np.full((7, 5), np.nan), NO_CELL.format(7) + "all of them are missing"),
        (
            {"emphasis": 1.0, "noise_factor": 1e-7}, None,
            NO_CELL.format(12) + "with emphasis=1.0 only corrupted cells count",
        ),
    ],
)  # fmt: skip
def test_validation_over_nothing_is_refused(table, parameters, X_val, message):
    with pytest.raises(ValueError, match=f"{message}.*set early_stopping=False"):
        small(early_stopping=True, **parameters).fit(table, X_val=X_val)


def test_validation_of_levels_that_fit_did_not_see_is_refused():
    X = pd.DataFrame({"a": list("xyz") * 20, "b": list("pq") * 30})
    X_val = X.assign(a="new", b=["p"] + ["new"] * 59)
    dae = small(early_stopping=True)
    assert dae.fit(X, X_val=X_val).n_iter_ > 0
    message = "levels that fit did not see in X"
    with pytest.raises(ValueError, match=message):
        dae.fit(X, X_val=X_val.assign(b=None))


def test_validation_of_constant_columns_is_refused():
    with pytest.raises(ValueError, match="all columns are constant"):
        small(early_stopping=True).fit(np.ones((60, 2)))


def test_batches_over_nothing_do_not_count(table):
    X_val = np.full((60, 5), np.nan)
    X_val[:10] = table[:10]
    losses = {}
    for n_rows in (10, 60):
        dae = small(early_stopping=True, noise=None, batch_size=10)
        losses[n_rows] = dae.fit(table, X_val=X_val[:n_rows]).validation_loss_curve_
    assert losses[10] == losses[60]
    assert min(losses[60]) > 0.1
    # In training, rows without any cell make batches without a loss.
    X = np.vstack([table, np.full((2000, 5), np.nan)])
    dae = small(max_iter=2, batch_size=1).fit(X[:300])
    assert np.isfinite(dae.loss_curve_).all()
    assert dae.loss_curve_[0] > 0.5


def test_the_names_of_gpus_are_told():
    for device in ("gpu", "GPU:0"):
        with pytest.raises(ValueError, match=r"PyTorch names the GPUs .* 'cuda'"):
            check_device(device)


@pytest.mark.parametrize("loss", ["squared_error", "absolute_error"])
def test_inputs_are_clipped_at_ten_standard_deviations(table, loss):
    cells = small(loss=loss).fit(table).net_.module_.cells
    np.testing.assert_allclose(cells.limit, 10.0, rtol=1e-5)


def test_blocks_of_constants_are_not_divided_by_zero():
    dae = small().fit(np.ones((40, 3)))
    np.testing.assert_array_equal(dae.net_.module_.spreads, 1.0)


def test_cells_of_constant_columns_have_no_weight(table):
    weights = []

    class Keep(Callback):
        def on_batch_begin(self, net, batch, **kwargs):
            weights.append(batch[1][1])

    X = np.c_[table.round(), np.ones(len(table))]
    for categorical in ([], [0, 5]):
        small(categorical_features=categorical, callbacks=[Keep()]).fit(X)
        numeric, codes = weights[-1]
        constant = numeric[:, -1] if not categorical else codes[:, 0]
        others = numeric[:, :-1] if not categorical else codes[:, 1]
        assert (constant == 0).all()
        assert (others > 0).all()
