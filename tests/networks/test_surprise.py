"""How surprising cells are, and the scores of rows."""

import numpy as np
import torch

from sklearn_dae._networks.surprise import number_surprise, row_score


def test_the_surprise_of_numbers_grows_slowly_far_from_the_center():
    distances = torch.tensor([0.0, 1.0, -1.0, 1e3, 1e15], dtype=torch.float64)
    found = number_surprise(distances, torch.tensor(1.0))
    expected = 2 * np.log1p(np.square(distances.numpy()) / 3)
    np.testing.assert_allclose(found, expected)
    assert found[-1] < 140


def test_scores_are_root_mean_squares_of_what_is_above_the_usual_surprise():
    surprise = torch.tensor([[3.0, -9.0, torch.nan, 4.0], [torch.nan] * 4])
    scores = row_score(surprise)
    torch.testing.assert_close(scores, torch.tensor([-np.sqrt(25 / 3), 0.0]).float())
    assert not torch.signbit(scores[1])
