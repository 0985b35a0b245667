"""Features and predicted cells that a trained network computes for rows."""

import numpy as np
import pytest
import torch

from ..helpers import small


@pytest.mark.parametrize("method", ["transform", "reconstruct", "inverse_transform"])
def test_one_thread_computes_few_rows(table, method):
    seen = []
    dae = small(n_components=256, hidden_layer_sizes=(256,)).fit(table)
    dae.net_.module_.decoder[0].register_forward_hook(
        lambda *_: seen.append(torch.get_num_threads())
    )
    dae.net_.module_.encoder[0].register_forward_hook(
        lambda *_: seen.append(torch.get_num_threads())
    )
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        for n_times in (1, 20):
            X = np.tile(table, (n_times, 1))
            if method == "inverse_transform":
                X = np.zeros((len(X), 256))
            getattr(dae, method)(X)
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(before)
    assert (seen[0], seen[-1]) == (1, 2)
