"""The fold of a row depends on its cells only."""

import torch

from sklearn_dae._networks.folds import fold_of_cells


def test_folds_have_about_equal_sizes_and_equal_rows_are_together():
    generator = torch.Generator().manual_seed(0)
    numeric = torch.randn(3000, 4, generator=generator)
    codes = torch.randint(5, (3000, 2), generator=generator)
    folds = fold_of_cells(numeric, codes, 3)
    assert folds.bincount().tolist() == [
        int((folds == fold).sum()) for fold in range(3)
    ]
    assert (folds.bincount() > 900).all()
    order = torch.randperm(3000, generator=generator)
    again = fold_of_cells(numeric[order], codes[order], 3)
    assert torch.equal(again, folds[order])
    # Categories alone are enough.
    only_codes = fold_of_cells(numeric[:, :0], codes, 2)
    assert len(only_codes.unique()) == 2


def test_missing_and_enormous_cells_have_a_fold():
    numeric = torch.tensor([[torch.nan, 1e15], [torch.nan, -1e15]])
    codes = torch.tensor([[-1], [-2]])
    folds = fold_of_cells(numeric, codes, 4)
    assert ((folds >= 0) & (folds < 4)).all()
