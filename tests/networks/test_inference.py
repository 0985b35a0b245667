"""Features and predicted cells that a trained network computes for rows."""

from threading import get_ident

import numpy as np
import pytest
import torch

from sklearn_dae._cells import Cells
from sklearn_dae._networks.inference import (
    decode,
    n_features_out,
    predict_cells,
    predict_hidden_cells,
    write_features,
)

from ..helpers import make_cells, small


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


def test_every_hidden_cell_is_predicted_from_the_other_columns(table):
    dae = small().fit(table)
    network = dae.net_.module_
    cells = make_cells(np.random.default_rng(0).normal(size=(7, 5)))
    groups = Cells(torch.tensor([0, 1, 2, 0, 1]), torch.empty(0, dtype=torch.int64))
    found, _ = predict_hidden_cells(network, "squared_error", cells, groups)
    for group in range(3):
        hidden = groups.numeric == group
        visible = cells.numeric.masked_fill(hidden, torch.nan)
        expected, _ = predict_cells(
            network, "squared_error", cells._replace(numeric=visible)
        )
        np.testing.assert_array_equal(found[:, hidden], expected[:, hidden])


def test_decoding_undoes_the_division_by_the_spread(table):
    dae = small().fit(table)
    network, cells = dae.net_.module_, make_cells(table - table.mean(axis=0))
    features = np.empty((len(table), n_features_out(network)), dtype=np.float32)
    write_features(network, cells, features)
    decoded = decode(network, "squared_error", features[:, -8:])
    expected = predict_cells(network, "squared_error", cells)
    np.testing.assert_allclose(decoded[0], expected[0], rtol=1e-4, atol=1e-5)
