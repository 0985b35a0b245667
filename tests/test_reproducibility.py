"""Equal seeds give equal bits, no global state changes, no training row is kept."""

import pickle
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pandas as pd
import pytest
import torch

VARIANTS = [
    {},
    {"noise": "masking", "early_stopping": True},
    {"noise": "gaussian", "scaling": "quantile"},
    {"noise": lambda X, factor, rng: X + rng.normal(size=X.shape)},
    {"random_state": None},
]


@pytest.mark.parametrize("params", VARIANTS)
def test_global_random_state_does_not_change(small, table, params):
    numpy_state, torch_state = np.random.get_state(), torch.get_rng_state()
    dae = small(**params).fit(table)
    dae.score(table), dae.transform(table), dae.impute(table)
    if params.get("random_state", 0) is not None:
        # random_state=None stands for NumPy's global generator, in all of scikit-learn.
        assert pickle.dumps(numpy_state) == pickle.dumps(np.random.get_state())
    assert torch.equal(torch_state, torch.get_rng_state())


def test_threads_and_default_dtype_do_not_change(small, table):
    threads, dtype = torch.get_num_threads(), torch.get_default_dtype()
    try:
        torch.set_num_threads(2)
        expected = small().fit_transform(table)
        torch.set_default_dtype(torch.float64)
        Z = small().fit_transform(table)
        assert torch.get_num_threads() == 2
        assert torch.get_default_dtype() == torch.float64
    finally:
        torch.set_num_threads(threads)
        torch.set_default_dtype(dtype)
    np.testing.assert_array_equal(Z, expected)


@pytest.mark.parametrize("params", VARIANTS[:-1])
def test_equal_seeds_give_equal_bits_and_others_other_features(small, table, params):
    first, second = (small(**params).fit_transform(table) for _ in range(2))
    np.testing.assert_array_equal(first, second)
    other = small(**{**params, "random_state": 1}).fit_transform(table)
    assert not np.array_equal(first, other)


def test_seed_may_be_a_random_state_and_none_gives_other_features_each_time(
    small, table
):
    def fitted(random_state):
        return small(random_state=random_state).fit_transform(table)

    np.testing.assert_array_equal(
        fitted(np.random.RandomState(3)), fitted(np.random.RandomState(3))
    )
    assert not np.array_equal(fitted(None), fitted(None))


def test_fits_in_four_threads_give_the_bits_of_one_fit(small, digits):
    X = digits[0]
    alone = small(max_iter=20).fit_transform(X)
    with ThreadPoolExecutor(4) as threads:
        fits = [
            threads.submit(lambda: small(max_iter=20).fit_transform(X))
            for _ in range(4)
        ]
        for fit in fits:
            np.testing.assert_array_equal(fit.result(), alone)


def test_fit_changes_neither_the_table_nor_the_parameters(small, holes):
    frame = pd.DataFrame(holes, columns=list("abcde"))
    params = {"noise": {"a": ["swap"]}, "noise_factor": {"a": 0.5}}
    dae = small(**params)
    before = frame.copy()
    dae.fit(frame).impute(frame)
    pd.testing.assert_frame_equal(frame, before)
    assert dae.get_params()["noise"] == {"a": ["swap"]}
    assert dae.get_params()["noise_factor"] == {"a": 0.5}


@pytest.mark.parametrize("early_stopping", [True, False])
@pytest.mark.parametrize("kind", ["array", "frame"])
def test_pickle_holds_no_training_row_and_is_little_larger_than_the_weights(
    small, early_stopping, kind
):
    X = np.random.default_rng(0).normal(size=(500, 20))
    table = X if kind == "array" else pd.DataFrame(X).rename(columns=str)
    dae = small(
        n_components=64, hidden_layer_sizes=(64,), early_stopping=early_stopping
    ).fit(table)
    pickled = pickle.dumps(dae)
    scaled = ((X - X.mean(axis=0)) / X.std(axis=0)).astype(np.float32)
    for rows in (X, X.astype(np.float32), scaled):
        for row in rows:
            assert row[:4].tobytes() not in pickled
        for column in rows.T:
            assert column[:4].tobytes() not in pickled
    weights = sum(4 * p.numel() for p in dae.net_.module_.parameters())
    assert len(pickled) < 2 * weights


def test_the_template_holds_no_view_of_the_training_table(small, table):
    frame = pd.DataFrame(table, columns=list("abcde"))
    dae = small().fit(frame)
    template = dae._model.layout.template_
    assert len(template) == 0
    assert not np.shares_memory(template.to_numpy(), frame.to_numpy())
