"""Number of threads of PyTorch during and after computations."""

import json
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import pytest
import torch

from sklearn_dae._networks.threads import one_thread


def test_threads_are_restored_after_an_error():
    def fail():
        with one_thread():
            assert torch.get_num_threads() == 1
            raise ZeroDivisionError

    before = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        with pytest.raises(ZeroDivisionError):
            fail()
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(before)


def test_threads_are_restored_when_fits_overlap():
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    first_has_left, both_have_entered = Barrier(2), Barrier(2)

    def first():
        with one_thread():
            both_have_entered.wait()
        first_has_left.wait()
        return torch.get_num_threads()

    def second():
        with one_thread():
            both_have_entered.wait()
            first_has_left.wait()
            inside = torch.get_num_threads()
            with ThreadPoolExecutor(1) as pool:
                new_thread = pool.submit(torch.get_num_threads).result()
        return inside, new_thread, torch.get_num_threads()

    try:
        with ThreadPoolExecutor(2) as pool:
            a, b = pool.submit(first), pool.submit(second)
            assert a.result() == 2
            assert b.result() == (1, 1, 2)
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(before)


FORK = """
import json, multiprocessing, sys
import numpy as np
import torch
from sklearn_dae import DenoisingAutoencoderTransformer

torch.set_num_threads(2)
X = np.random.default_rng(0).normal(size=(600, 5))
X[::7, 1] = np.nan
params = {"max_iter": 2, "random_state": 0, **json.loads(sys.argv[1])}
rows = np.tile(X, (8, 1))  # Enough rows for several threads.
dae = DenoisingAutoencoderTransformer(**params).fit(X)
dae.transform(rows)
torch.ones(2000, 2000) @ torch.ones(2000, 2000)

def run(method):
    if method == "threads":
        return torch.get_num_threads()
    if "fit" in method:
        new = DenoisingAutoencoderTransformer(**params)
        return getattr(new, method)(X).loss_curve_
    return float(np.mean(getattr(dae, method)(rows)))

with multiprocessing.get_context("fork").Pool(1) as pool:
    assert pool.apply_async(run, ["threads"]).get(60) == 1
    for method in ("fit", "partial_fit", "transform", "impute", "score"):
        found = pool.apply_async(run, [method]).get(60)
        np.testing.assert_allclose(found, run(method), rtol=1e-3, atol=1e-5)
assert torch.get_num_threads() == 2
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="the system cannot fork processes")
@pytest.mark.parametrize(
    "params", [{}, {"n_components": 8, "hidden_layer_sizes": 16}], ids=str
)
def test_a_forked_process_does_not_hang(params):
    command = [sys.executable, "-W", "ignore", "-c", FORK, json.dumps(params)]
    # With fewer threads allowed, OpenMP would start none, and nothing could hang.
    env = {k: v for k, v in os.environ.items() if k != "OMP_NUM_THREADS"}
    found = subprocess.run(
        command, env=env, capture_output=True, text=True, timeout=400
    )
    assert found.returncode == 0, found.stderr
