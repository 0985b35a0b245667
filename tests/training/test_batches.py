"""Mini-batches: new noise in training, fixed noise in validation, clean targets."""

import numpy as np
import pytest
import torch

from sklearn_dae._cells import Cells
from sklearn_dae._training.batches import CorruptibleRows, FixedBatches, ShuffledBatches
from sklearn_dae._training.corruption import Corruption

from ..helpers import make_cells, make_columns


@pytest.fixture
def cells():
    numeric = np.random.default_rng(0).normal(size=(1000, 3))
    numeric[::7, 1] = np.nan
    return make_cells(numeric)


def make_rows(
    cells, noise_factor=0.3, emphasis=0.75, learnable=(True, True, True), seed=0
):
    noise_factor = Cells(torch.full((3,), noise_factor), torch.empty(0))
    return CorruptibleRows(
        cells,
        Corruption([("swap", noise_factor)], cells, make_columns(cells)),
        emphasis,
        Cells(torch.tensor(learnable), torch.empty(0)),
        torch.Generator().manual_seed(seed),
    )


def shuffled(rows, batch_size):
    """Make training batches whose inputs are the corrupted numbers."""
    return ShuffledBatches(rows, batch_size, lambda numeric, codes: numeric, 3)


def test_an_epoch_visits_every_row_once_in_batches_of_equal_size(cells):
    batches = shuffled(make_rows(cells), 150)
    targets = [clean.numeric for _, (clean, _) in batches]
    assert len(batches) == len(targets) == 7
    assert {len(target) for target in targets} == {142, 143}
    visited = torch.cat(targets)[:, 0]
    assert torch.equal(visited.sort().values, cells.numeric[:, 0].sort().values)


@pytest.mark.parametrize(
    ("batch_size", "multiple", "n_inputs", "n_rows"),
    [(130, 16, 128, 125), (128, 16, 128, 125), (127, 16, 125, 125), (130, 1, 125, 125)],
)
def test_batches_that_are_not_small_are_padded_by_rows_of_weight_zero(
    cells, batch_size, multiple, n_inputs, n_rows
):
    rows = make_rows(cells)
    batches = list(ShuffledBatches(rows, batch_size, lambda x, _: x, 3, multiple))
    assert len(batches) == 8
    for inputs, (clean, weights) in batches:
        assert len(inputs) == len(clean.numeric) == len(weights.codes) == n_inputs
        # Only missing cells have the weight 0 in the rows of the table.
        missing = clean.numeric.isnan()
        assert torch.equal(weights.numeric[:n_rows] == 0, missing[:n_rows])
        assert (weights.numeric[n_rows:] == 0).all()


def test_every_epoch_has_a_new_order_and_new_noise(cells):
    batches = shuffled(make_rows(cells), 1000)
    (first, (first_clean, _)), (second, (second_clean, _)) = (
        next(iter(batches)) for _ in range(2)
    )
    assert not torch.equal(first_clean.numeric[:, 0], second_clean.numeric[:, 0])

    def changed(noisy, clean):
        order = clean.numeric[:, 0].argsort()
        return (noisy != clean.numeric)[order][:, 0]

    overlap = changed(first, first_clean) & changed(second, second_clean)
    assert abs(overlap.float().mean() - 0.3 * 0.3) < 0.04


def test_every_batch_of_an_epoch_has_new_noise():
    same_rows = make_cells(np.tile(np.arange(10.0)[:, None], (20, 3)))
    noisy = [inputs for inputs, _ in shuffled(make_rows(same_rows), 10)]
    assert len({tuple(batch.ravel().tolist()) for batch in noisy}) == 20


def test_targets_are_clean_and_the_rows_do_not_change(cells):
    before = cells.numeric.clone()
    for _, (clean, _) in shuffled(make_rows(cells, noise_factor=1.0), 100):
        known = set(before[:, 0].tolist())
        assert set(clean.numeric[:, 0].tolist()) <= known
    torch.testing.assert_close(cells.numeric, before, rtol=0, atol=0, equal_nan=True)


def test_validation_batches_are_the_same_in_every_epoch(cells):
    batches = FixedBatches(make_rows(cells), 300)
    assert [len(batch[0]["numeric"]) for batch in batches] == [300, 300, 300, 100]
    first = [inputs["numeric"].clone() for inputs, _ in batches]
    second = [inputs["numeric"] for inputs, _ in batches]
    torch.testing.assert_close(first, second, rtol=0, atol=0, equal_nan=True)
    assert not torch.equal(first[0][:, 0], cells.numeric[:300, 0])


def test_weights_are_emphasis_for_corrupted_zero_for_missing_and_constant(cells):
    rows = make_rows(cells, emphasis=0.75, learnable=(True, True, False))
    noisy, clean, weights = rows.corrupted(slice(None), rows.generator)
    changed = noisy.numeric != clean.numeric
    missing = clean.numeric.isnan()
    first = weights.numeric[:, 0]
    assert (first[changed[:, 0]] == 0.75).all()
    assert set(first.tolist()) == {0.75, 0.25}
    assert abs((first == 0.75).float().mean() - 0.3) < 0.05
    assert (weights.numeric[missing] == 0).all()
    assert (weights.numeric[:, 1][~missing[:, 1]] > 0).all()
    assert (weights.numeric[:, 2] == 0).all()


def test_validation_noise_follows_the_seed(cells):
    first, second, again = (
        next(iter(FixedBatches(make_rows(cells, seed=seed), 1000)))[0]["numeric"][:, 0]
        for seed in (1, 2, 1)
    )
    assert not torch.equal(first, second)
    assert torch.equal(first, again)


def test_few_inputs_are_prepared_at_once(cells, monkeypatch):
    monkeypatch.setattr("sklearn_dae._training.batches.NUMBERS_AT_ONCE", 600)
    sizes = []

    def encode(numeric, codes):
        sizes.append(len(numeric))
        return numeric

    # 200 rows of three inputs are four batches of fifty.
    assert len(list(ShuffledBatches(make_rows(cells), 50, encode, 3))) == 20
    assert sizes == [200] * 5
