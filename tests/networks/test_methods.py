"""Modules that scale, predict and score, by numbers that are computed by hand."""

import numpy as np
import pytest
import torch

from sklearn_dae._networks.methods import Impute, Reconstruct, Scaler, Transform

from ..helpers import make_network


@pytest.fixture
def scaler():
    return Scaler(
        1e3,
        half_center=np.array([5.0, 0.0]),
        half_scale=np.array([1.0, 0.5]),
        constant=np.array([False, True]),
        value=np.array([0.0, 7.0]),
        low=np.array([-4.0, 7.0]),
        high=np.array([20.0, 7.0]),
    )


def test_numbers_are_scaled_and_clipped(scaler):
    numbers = torch.tensor([[12.0, 9.0], [1e9, torch.nan]], dtype=torch.float64)
    expected = torch.tensor([[1.0, 0.0], [1e3, torch.nan]])
    torch.testing.assert_close(scaler(numbers), expected, equal_nan=True)


def test_predictions_stay_within_the_bounds_and_constants_are_kept(scaler):
    predicted = scaler.inverse(torch.tensor([[1.0, 3.0], [-50.0, 3.0]]))
    expected = torch.tensor([[12.0, 7.0], [-4.0, 7.0]], dtype=torch.float64)
    assert torch.equal(predicted, expected)


def test_scaling_is_double():
    center = np.array([1.7e9])
    scaler = Scaler(
        1e15,
        half_center=center / 2,
        half_scale=np.array([0.5]),
        constant=np.array([False]),
        value=np.array([0.0]),
        low=center - 9,
        high=center + 9,
    )
    numbers = torch.tensor([[1.7e9 + 1]], dtype=torch.float64)
    assert scaler(numbers).item() == 1.0
    assert scaler.inverse(scaler(numbers)).item() == 1.7e9 + 1


# The largest code of the only categorical column.
LAST_CODES = np.array([2])


@pytest.fixture
def network():
    network = make_network(2, (3,))
    network.initialize(torch.zeros(5), torch.Generator().manual_seed(0))
    return network.eval()


def test_the_stack_is_divided_by_its_spreads(network, scaler):
    numbers, codes = torch.zeros(4, 2, dtype=torch.float64), torch.zeros(4, 1).long()
    n_features = sum(network.block_sizes)
    ones, twos = (np.full(n_features, x, np.float32) for x in (1, 2))
    undivided = Transform(network, "squared_error", scaler, LAST_CODES, spreads=ones)
    divided = Transform(network, "squared_error", scaler, LAST_CODES, spreads=twos)
    given = numbers, codes
    assert undivided(*given).abs().max() > 0
    torch.testing.assert_close(divided(*given), undivided(*given) / 2)


def test_predictions_are_rounded_and_fill_missing_cells(network, scaler):
    rounding = {
        "least": np.array([-100.0, -100.0]),
        "most": np.array([100.0, 6.5]),
        "is_rounded": np.array([True, False]),
        "unit": np.array([10.0, 1.0]),
    }
    numbers = torch.tensor([[np.nan, 3.0], [1.25, np.nan]], dtype=torch.float64)
    codes = torch.tensor([[-1], [2]])
    given = network, "squared_error", scaler, LAST_CODES
    repaired, levels = Reconstruct(*given, **rounding)(numbers, codes)
    tenths = repaired[:, 0] * 10
    assert torch.equal(tenths, tenths.round())
    assert repaired[:, 1].tolist() == [6.5, 6.5]
    filled, filled_levels = Impute(*given, **rounding)(numbers, codes)
    assert filled.tolist() == [[repaired[0, 0], 3.0], [1.25, 6.5]]
    assert filled_levels.tolist() == [[levels[0, 0]], [2]]
