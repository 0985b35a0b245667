"""Training of a net on cells."""

import os
import subprocess
import sys

import numpy as np
import pytest

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


def test_bins_come_from_random_rows(monkeypatch):
    monkeypatch.setattr("sklearn_dae._training.fit.SAMPLE_ROWS", 256)
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
