"""Threads that use a transformer while another one fits it."""

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from skorch.callbacks import Callback

from sklearn_dae._tables.layout import Layout

from .helpers import small

METHODS = [
    "transform",
    "reconstruct",
    "impute",
    "score",
    "score_samples",
    "cell_errors",
]


@pytest.fixture
def other(table):
    """Make a table with other units and fewer columns."""
    return table[:, :3] * 1e3


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("refit", ["fit", "partial_fit"])
def test_a_fit_during_a_call_does_not_change_its_result(
    table, other, method, refit, monkeypatch
):
    dae = small().fit(table)
    expected = getattr(dae, method)(table)
    read = Layout.read

    def read_and_fit(layout, X):
        monkeypatch.undo()
        getattr(dae, refit)(other if refit == "fit" else table)
        return read(layout, X)

    monkeypatch.setattr(Layout, "read", read_and_fit)
    np.testing.assert_array_equal(getattr(dae, method)(table), expected)
    assert dae.n_features_in_ == (3 if refit == "fit" else 5)
    assert dae.n_iter_ == (5 if refit == "fit" else 6)


def test_a_fit_during_inverse_transform_does_not_change_its_result(
    table, other, monkeypatch
):
    dae = small().fit(table)
    Z, expected = dae.transform(table), dae.reconstruct(table)
    empty = Layout.empty

    def fit_and_empty(layout, n_rows):
        monkeypatch.undo()
        dae.fit(other)
        return empty(layout, n_rows)

    monkeypatch.setattr(Layout, "empty", fit_and_empty)
    np.testing.assert_allclose(dae.inverse_transform(Z), expected, rtol=1e-4)
    assert dae.n_features_in_ == 3


@pytest.mark.parametrize("method", ["fit", "partial_fit"])
def test_a_transformer_is_the_same_until_a_fit_ends(table, other, method):
    dae, seen = small().fit(table), []
    expected, names = dae.transform(table), dae.get_feature_names_out()

    class Use(Callback):
        def on_epoch_end(self, net, **kwargs):
            np.testing.assert_array_equal(dae.transform(table), expected)
            assert dae.get_feature_names_out().tolist() == names.tolist()
            seen.append((dae.n_features_in_, dae.n_iter_, len(dae.loss_curve_)))

    dae.set_params(callbacks=[Use()])
    getattr(dae, method)(other if method == "fit" else table)
    assert set(seen) == {(5, 5, 5)}


def test_results_of_many_threads_are_those_of_one_of_two_fits(table, other):
    dae = small(max_iter=1)
    tables = [table, other * 7, other]
    expected = [dae.fit(X).transform(X) for X in tables]
    ends = []

    def use(k):
        n_results = 0
        while not ends:
            try:
                Z = dae.transform(tables[k])
            except ValueError as error:
                # The last fit was on a table with another number of columns.
                assert "features, but" in str(error)  # noqa: PT017
                continue
            # Two tables have the same columns, and may be read by the fit on the other.
            if k == 0:
                np.testing.assert_array_equal(Z, expected[0])
            n_results += 1
        return n_results

    with ThreadPoolExecutor(4) as threads:
        users = [threads.submit(use, k) for k in (0, 0, 1, 2)]
        try:
            for _ in range(15):
                for X in tables:
                    dae.fit(X)
        finally:
            ends.append(True)
        assert sum(user.result() for user in users) > 0
