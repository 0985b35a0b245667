"""Fits of one table, each without a part of the rows."""

import numpy as np

from sklearn_dae._folds import FoldFits, compute_by_fold, make_transformer

from .helpers import small


class Holder:
    """An estimator that holds a transformer."""

    def __init__(self, transformer, random_state=None, verbose=False):
        self.transformer = transformer
        self.random_state = random_state
        self.verbose = verbose


def test_the_transformer_is_cloned_and_gets_the_random_state():
    dae = small(random_state=3)
    assert make_transformer(Holder(dae)).random_state == 3
    made = make_transformer(Holder(dae, random_state=4, verbose=2))
    assert (made.random_state, made.verbose) == (4, 2)
    assert (dae.random_state, dae.verbose) == (3, False)
    assert make_transformer(Holder(None), n_components=5).n_components == 5


def test_fits_have_the_share_of_epochs_and_results_are_put_by_fold(table):
    fits = FoldFits(small(max_iter=9), table, 3, None)
    fitted = fits.fit(1 / 3)
    assert [dae.n_iter_ for dae in fitted] == [3, 3, 3]
    assert all(dae.n_features_in_ == 5 for dae in fitted)
    models = [dae._model for dae in fitted]
    found = np.empty(len(table))
    compute_by_fold(
        models, fits.folds, fits.table, type(models[0]).score_samples, found
    )
    for fold, dae in enumerate(fitted):
        of_fold = fits.folds == fold
        np.testing.assert_allclose(found[of_fold], dae.score_samples(table[of_fold]))


def test_early_stopping_keeps_validation_rows_of_the_part(table):
    fits = FoldFits(small(max_iter=30, early_stopping=True), table, 2, None)
    assert all(len(dae.validation_loss_curve_) for dae in fits.fit(1.0))
