"""Snapshots: what a fit changes does not change the estimator."""

from sklearn_dae._validation import snapshot

from .helpers import small


def test_a_snapshot_keeps_its_own_attributes(table):
    dae = small().fit(table)
    copy = snapshot(dae)
    assert vars(copy) == vars(dae)
    copy.n_iter_ = 0
    assert type(copy) is type(dae)
    assert dae.n_iter_ == 5
