"""Each noise: rate, marginal distribution, independence, and unchanged cells."""

import numpy as np
import pytest
import torch

from sklearn_dae._cells import Cells
from sklearn_dae._training.corruption import (
    NOISES,
    Corruption,
    custom,
    gaussian,
    masking,
    salt_and_pepper,
    swap,
    zero,
)

from ..helpers import make_cells, make_columns, missing_cells

SEEDS = range(5)
N_ROWS = 20_000


def factor(numeric, codes=()):
    return Cells(torch.tensor(numeric), torch.tensor(codes))


def corrupt(noise, cells, noise_factor, *, seed=0, donors=None, bounded=False):
    donors = cells if donors is None else donors
    columns = make_columns(donors, bounded)
    generator = torch.Generator().manual_seed(seed)
    noisy, corrupted = noise(cells, noise_factor, donors, columns, generator)
    return noisy, Cells(*(block.bool() for block in corrupted))


@pytest.fixture
def cells():
    """Make two equal numeric columns and two equal categorical ones."""
    rng = np.random.default_rng(0)
    number, code = rng.normal(size=N_ROWS), rng.integers(50, size=N_ROWS)
    return make_cells(np.c_[number, number], np.c_[code, code])


@pytest.mark.parametrize("noise", [swap, masking, zero, salt_and_pepper])
@pytest.mark.parametrize("seed", SEEDS)
def test_each_column_is_corrupted_at_its_own_rate(cells, noise, seed):
    noise_factor = factor([0.1, 0.5], [0.0, 0.3])
    noisy, corrupted = corrupt(noise, cells, noise_factor, seed=seed)
    for block, clean, mask, probabilities in zip(
        noisy, cells, corrupted, noise_factor, strict=True
    ):
        np.testing.assert_allclose(mask.float().mean(0), probabilities, atol=0.015)
        changed = (block != clean) | (block.isnan() & ~clean.isnan())
        assert not (changed & ~mask).any()
        # Donors may hold the same value: one time in fifty for the categories.
        np.testing.assert_allclose(changed.float().mean(0), probabilities, atol=0.02)


def test_swap_draws_from_the_same_column():
    cells = make_cells(np.arange(300.0).reshape(-1, 3), np.arange(200).reshape(-1, 2))
    everywhere = factor([1.0] * 3, [1.0] * 2)
    noisy, _ = corrupt(swap, cells, everywhere)
    assert (noisy.numeric % 3 == torch.arange(3)).all()
    assert (noisy.codes % 2 == torch.arange(2)).all()
    assert (noisy.numeric != cells.numeric).float().mean() > 0.9


@pytest.mark.parametrize("seed", SEEDS)
def test_swap_keeps_marginal_distributions_and_makes_columns_independent(cells, seed):
    noisy, _ = corrupt(swap, cells, factor([1.0, 1.0], [1.0, 1.0]), seed=seed)
    quantiles = torch.linspace(0.05, 0.95, 19)
    np.testing.assert_allclose(
        noisy.numeric.quantile(quantiles, dim=0),
        cells.numeric.quantile(quantiles, dim=0),
        atol=0.06,
    )
    frequencies = torch.bincount(noisy.codes[:, 0], minlength=50) / N_ROWS
    np.testing.assert_allclose(frequencies, 1 / 50, atol=0.006)
    # With one donor row for several cells the columns would stay equal.
    assert abs(np.corrcoef(noisy.numeric.T)[0, 1]) < 0.03
    assert (noisy.codes[:, 0] == noisy.codes[:, 1]).float().mean() < 0.03


def test_swap_draws_from_all_training_rows_not_from_the_batch():
    donors = make_cells(np.arange(1000.0)[:, None])
    batch = donors.rows(slice(0, 2))
    drawn = set()
    for seed in range(200):
        noisy, _ = corrupt(swap, batch, factor([1.0]), seed=seed, donors=donors)
        drawn |= set(noisy.numeric.ravel().tolist())
    assert len(drawn) > 250


def test_masking_hides_cells_as_if_they_were_missing(cells):
    noisy, corrupted = corrupt(masking, cells, factor([0.5, 0.5], [0.5, 0.5]))
    for missing, mask in zip(missing_cells(noisy), corrupted, strict=True):
        assert torch.equal(missing, mask)


def test_zero_sets_numbers_to_the_scaled_zero_of_their_column(cells):
    columns = make_columns(cells)._replace(zero=torch.tensor([-3.0, 0.25]))
    generator = torch.Generator().manual_seed(0)
    noisy, corrupted = zero(
        cells, factor([0.5] * 2, [0.5] * 2), cells, columns, generator
    )
    picked = torch.where(corrupted.numeric.bool(), columns.zero, cells.numeric)
    assert torch.equal(noisy.numeric, picked)
    assert not (noisy.codes < 0).any()


@pytest.mark.parametrize("seed", SEEDS)
def test_salt_and_pepper_sets_minimum_and_maximum_equally_often(cells, seed):
    columns = make_columns(cells)
    noisy, corrupted = corrupt(
        salt_and_pepper, cells, factor([0.4, 0.4], [0.0, 0.0]), seed=seed
    )
    hit = noisy.numeric[:, 0][corrupted.numeric[:, 0]]
    low, high = hit == columns.low[0], hit == columns.high[0]
    assert (low | high).all()
    assert abs(low.float().mean() - 0.5) < 0.03


@pytest.mark.parametrize("seed", SEEDS)
def test_gaussian_noise_has_the_given_standard_deviation(cells, seed):
    noisy, corrupted = corrupt(
        gaussian, cells, factor([0.5, 0.0], [0.0, 0.0]), seed=seed
    )
    added = noisy.numeric - cells.numeric
    np.testing.assert_allclose(added.std(0), [0.5, 0.0], atol=0.01)
    assert abs(added[:, 0].mean()) < 0.015
    assert corrupted.numeric[:, 0].all()
    assert not corrupted.numeric[:, 1].any()


def test_gaussian_noise_is_clipped_only_to_a_known_range():
    cells = make_cells(np.linspace(0, 1, 500)[:, None])
    strong = factor([1.0])
    clipped, _ = corrupt(gaussian, cells, strong, bounded=True)
    free, _ = corrupt(gaussian, cells, strong, bounded=False)
    assert (clipped.numeric.min(), clipped.numeric.max()) == (0.0, 1.0)
    assert free.numeric.min() < -0.5
    assert free.numeric.max() > 1.5


def test_gaussian_noise_keeps_rows_outside_the_range_of_the_first_call():
    donors = make_cells(np.linspace(0, 1, 500)[:, None])
    outside = make_cells([[-3.0], [5.0], [np.nan]] * 100)
    noisy, _ = corrupt(gaussian, outside, factor([9.0]), donors=donors, bounded=True)
    low, high, missing = noisy.numeric.view(100, 3).T
    assert (low.min(), low.max()) == (-3.0, 1.0)
    assert (high.min(), high.max()) == (0.0, 5.0)
    assert missing.isnan().all()


@pytest.mark.parametrize("noise", [zero, salt_and_pepper, gaussian])
def test_categories_are_swapped_where_a_noise_is_for_numbers_only(cells, noise):
    noisy, corrupted = corrupt(noise, cells, factor([0.0, 0.0], [0.3, 0.0]))
    changed = noisy.codes != cells.codes
    assert abs(changed[:, 0].float().mean() - 0.3) < 0.02
    assert not changed[:, 1].any()
    assert not (changed & ~corrupted.codes).any()
    assert set(noisy.codes[:, 0].tolist()) <= set(range(50))


@pytest.mark.parametrize("name", NOISES)
def test_input_is_not_changed_and_missing_cells_stay_missing(cells, name):
    cells.numeric[::3, 0] = torch.nan
    cells.codes[::4, 1] = -1
    before = Cells(cells.numeric.clone(), cells.codes.clone())
    noisy, corrupted = corrupt(NOISES[name], cells, factor([0.9, 0.9], [0.9, 0.9]))
    torch.testing.assert_close(cells, before, rtol=0, atol=0, equal_nan=True)
    for was, now, mask in zip(
        missing_cells(cells), missing_cells(noisy), corrupted, strict=True
    ):
        assert now[was].all()
        assert not mask[was].any()


@pytest.mark.parametrize("name", NOISES)
def test_same_generator_state_same_corruption(cells, name):
    def corrupted(seed):
        noise_factor = factor([0.5, 0.5], [0.5, 0.5])
        return corrupt(NOISES[name], cells, noise_factor, seed=seed)

    torch.testing.assert_close(
        corrupted(3), corrupted(3), rtol=0, atol=0, equal_nan=True
    )
    assert not torch.equal(corrupted(3)[0].numeric, corrupted(4)[0].numeric)


def test_noises_in_turn_report_every_cell_that_any_of_them_picked(cells):
    noises = [
        ("masking", factor([0.5, 0.0], [0.0, 0.0])),
        ("swap", factor([0.0, 0.5], [0.0, 0.0])),
    ]
    corruption = Corruption(noises, cells, make_columns(cells))
    _, corrupted = corruption(cells, torch.Generator().manual_seed(0))
    np.testing.assert_allclose(corrupted.numeric.float().mean(0), 0.5, atol=0.02)
    assert not corrupted.codes.any()


def test_callable_noise_gets_a_copy_the_factors_and_a_seeded_generator(cells):
    seen = []

    def shift(X, noise_factor, rng):
        seen.append((X.shape, noise_factor.tolist(), rng.random()))
        X[:, 0] += noise_factor[0]
        noise_factor[:] = 9.0
        return X

    before = cells.numeric.clone()
    noise_factor = factor([0.25, 0.5], [0.0, 0.0])
    for _ in range(2):
        noisy, corrupted = corrupt(custom(shift), cells, noise_factor)
    assert torch.equal(cells.numeric, before)
    torch.testing.assert_close(noisy.numeric[:, 0], before[:, 0] + 0.25)
    assert corrupted.numeric[:, 0].all()
    assert not corrupted.numeric[:, 1].any()
    assert seen[0] == seen[1]
    assert seen[0][:2] == ((N_ROWS, 2), [0.25, 0.5])


def test_callable_noise_cannot_fill_missing_cells(cells):
    cells.numeric[::3, 0] = torch.nan
    noise = custom(lambda X, noise_factor, rng: np.zeros_like(X))
    noisy, corrupted = corrupt(noise, cells, factor([0.1, 0.1], [0.0, 0.0]))
    missing = cells.numeric.isnan()
    assert torch.equal(noisy.numeric.isnan(), missing)
    assert torch.equal(corrupted.numeric, ~missing)


@pytest.mark.parametrize(
    ("returned", "match"),
    [
        (lambda X: X[:-1], r"shape \(3, 2\)"),
        (lambda X: X[:, 0], r"shape \(4,\)"),
        (lambda X: X / 0.0, "with infinite values"),
    ],
)
@pytest.mark.filterwarnings("ignore:divide by zero")
def test_callable_noise_must_return_finite_numbers_of_the_same_shape(returned, match):
    cells = make_cells(np.ones((4, 2)))
    noise = custom(lambda X, noise_factor, rng: returned(X))
    with pytest.raises(ValueError, match=match):
        corrupt(noise, cells, factor([0.1, 0.1]))
