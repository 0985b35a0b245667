"""Number of threads of PyTorch during and after computations."""

import itertools
import json
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import pytest
import torch

from sklearn_dae._networks.threads import (
    LONGEST_INTERVAL,
    ThreadChoice,
    map_in_threads,
    one_thread,
)


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


def test_a_thread_that_computes_on_one_thread_keeps_its_number():
    before = torch.get_num_threads()

    def inner():
        torch.set_num_threads(3)
        with one_thread() as n_threads:
            with one_thread() as nested:
                inside = torch.get_num_threads()
            return n_threads, nested, inside, torch.get_num_threads()

    try:
        torch.set_num_threads(2)
        with one_thread(), ThreadPoolExecutor(1) as pool:
            assert pool.submit(inner).result() == (3, 3, 1, 1)
            assert pool.submit(torch.get_num_threads).result() == 3
            assert torch.get_num_threads() == 1
        assert torch.get_num_threads() == 2
        with ThreadPoolExecutor(1) as pool:
            assert pool.submit(torch.get_num_threads).result() == 2
    finally:
        torch.set_num_threads(before)


def test_map_in_threads_keeps_the_order_and_computes_on_one_thread_each():
    results = map_in_threads(lambda k: (k, torch.get_num_threads()), range(50), 3)
    assert results == [(k, 1) for k in range(50)]


def run_steps(choice, seconds_of, n_steps):
    """Record steps whose seconds depend on the number of threads. List the numbers."""
    used = []
    for _ in range(n_steps):
        used.append(choice.current)
        choice.record(seconds_of(choice.current))
    return used


@pytest.mark.parametrize("starts_with_all", [False, True])
@pytest.mark.parametrize(("seconds", "faster"), [(0.6, 4), (0.95, 1), (3.0, 1)])
def test_most_steps_use_the_faster_number_of_threads(seconds, faster, starts_with_all):
    choice = ThreadChoice(4, starts_with_all)
    used = run_steps(choice, {1: 1.0, 4: seconds}.get, 1000)
    assert set(used) == {1, 4}
    assert used.count(faster) > 890


def test_the_choice_changes_when_another_process_starts_and_ends():
    choice, steps = ThreadChoice(2), itertools.count()

    def busy(n_threads):
        # Two of five steps on two threads wait for the other process.
        return 4.0 if n_threads == 2 and next(steps) % 5 in (0, 2) else 0.9

    alone = {1: 1.0, 2: 0.6}.get
    assert run_steps(choice, alone, 100)[-1] == 2
    # Slow steps are noticed at once, and then two threads are tried in vain.
    used = run_steps(choice, busy, 500)
    assert used[:8].count(2) <= 6
    assert used.count(2) < 45
    assert run_steps(choice, alone, LONGEST_INTERVAL + 20)[-1] == 2


def test_a_slow_step_does_not_change_the_choice():
    choice = ThreadChoice(2)
    seconds = iter([1.0, 9.0, 1.0, 0.6, 0.6, 4.5] + [0.6] * 20)
    used = run_steps(choice, lambda n: next(seconds), 26)
    assert used == [1] * 3 + [2] * 23


@pytest.mark.parametrize("seconds", [0.5, 2.0])
def test_the_other_number_is_tried_less_and_less(seconds):
    choice = ThreadChoice(2)
    used = run_steps(choice, {1: 1.0, 2: seconds}.get, 5000)
    other = 1 if seconds < 1 else 2
    tries = [k for k in range(20, 5000) if used[k] == other != used[k - 1]]
    gaps = [b - a for a, b in itertools.pairwise(tries)]
    assert len(gaps) > 5
    assert gaps == sorted(gaps)
    assert LONGEST_INTERVAL <= gaps[-1] <= LONGEST_INTERVAL + 20


def test_nothing_is_tried_on_one_thread():
    choice = ThreadChoice(1)
    assert set(run_steps(choice, lambda n: 1.0, 200)) == {1}


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
