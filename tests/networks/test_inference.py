"""Features and predicted cells that a trained network computes for rows."""

from threading import get_ident

import numpy as np
import pytest
import torch

from ..helpers import small


@pytest.mark.parametrize("method", ["transform", "reconstruct", "inverse_transform"])
def test_threads_share_many_rows_and_each_computes_on_one(table, method):
    seen = []
    dae = small(n_components=256, hidden_layer_sizes=(256,)).fit(table)
    for layer in (dae.net_.module_.encoder[0], dae.net_.module_.decoder[0]):
        layer.register_forward_hook(
            lambda *_: seen.append((get_ident(), torch.get_num_threads()))
        )
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        for n_rows in (100, 5000):
            seen.clear()
            X = np.zeros((n_rows, 256)) if method[0] == "i" else table[[0] * n_rows]
            getattr(dae, method)(X)
            threads, numbers = map(set, zip(*seen, strict=True))
            assert numbers == {1}
            assert (threads == {get_ident()}) == (n_rows == 100)
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(before)


def test_an_error_in_a_thread_reaches_the_caller(table):
    dae = small(n_components=256, hidden_layer_sizes=(256,)).fit(table)
    dae.net_.module_.encoder[0].register_forward_hook(lambda *_: 1 / 0)
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        with pytest.raises(ZeroDivisionError):
            dae.transform(table[[0] * 5000])
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(before)
