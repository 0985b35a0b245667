"""Meaning of the output of a network."""

import numpy as np
import torch

from sklearn_dae._networks.output import (
    baseline_output,
    expected_cells,
    level_blocks,
)


def test_expected_cells_are_numbers_and_probabilities():
    output = torch.tensor([[0.0, 2.0, 1.0, 1.0, 0.0, 9.0]])
    numeric, probabilities = expected_cells(output, "squared_error", (2, 2))
    assert numeric.tolist() == [[0.0, 2.0]]
    np.testing.assert_allclose(probabilities[0], [0.5, 0.5, 0.0, 1.0], atol=2e-4)
    numeric, _ = expected_cells(output, "log_loss", (2, 2))
    np.testing.assert_allclose(numeric[0], [0.5, 0.880797], atol=1e-6)


def test_blocks_hold_neighbouring_columns_with_equal_numbers_of_levels():
    logits = torch.arange(15.0)[None]
    blocks = list(level_blocks(logits, (2, 2, 3, 3, 5)))
    assert [columns for columns, _ in blocks] == [slice(0, 2), slice(2, 4), slice(4, 5)]
    assert [block.shape for _, block in blocks] == [(1, 2, 2), (1, 2, 3), (1, 1, 5)]
    assert torch.equal(torch.cat([b.flatten(1) for _, b in blocks], 1), logits)


def test_baselines_of_extreme_means_and_frequencies_are_finite():
    frequencies = torch.tensor([0.0, 1.0]), torch.tensor([0.0])
    output = baseline_output("log_loss", torch.tensor([0.0, 1.0]), frequencies)
    assert output.isfinite().all()
    numeric, probabilities = expected_cells(output[None], "log_loss", (2, 1))
    np.testing.assert_allclose(numeric[0], [0, 1], atol=2e-6)
    np.testing.assert_allclose(probabilities[0], [0, 1, 1], atol=2e-6)
