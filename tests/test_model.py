"""Model: it stays the same while the estimator is fitted again."""

from dataclasses import FrozenInstanceError

import numpy as np
import pytest

from sklearn_dae._model import errors_of

from .helpers import small


def test_a_model_does_not_change_when_the_estimator_is_fitted_again(table):
    dae = small().fit(table)
    model, read = dae._read(table)
    expected = dae.transform(table), dae.cell_errors(table)
    dae.fit(table[:, :3] * 1e3)
    np.testing.assert_array_equal(model.features(read), expected[0])
    errors = errors_of(model.cell_surprise(read), "both")
    np.testing.assert_array_equal(errors, expected[1])
    assert dae._model is not model
    with pytest.raises(FrozenInstanceError):
        model.net = dae.net_


def test_the_net_of_the_estimator_is_that_of_its_model(table):
    dae = small().fit(table)
    assert dae.net_ is dae._model.net
    assert dae.partial_fit(table).net_ is dae._model.net
