"""DenoisingOutlierDetector: scores, thresholds, p-values, errors of cells, repairs."""

import pickle

import numpy as np
import pandas as pd
import polars as pl
import pytest
import skops.io
from scipy import sparse
from sklearn.base import clone
from sklearn.metrics import average_precision_score
from sklearn.model_selection import GridSearchCV, StratifiedKFold
from sklearn.utils.estimator_checks import (
    check_param_validation,
    parametrize_with_checks,
)
from skorch.callbacks import Callback

from sklearn_dae import DenoisingOutlierDetector
from sklearn_dae._folds import FoldFits

from .helpers import small

OURS = [
    "sklearn_dae._detector.DenoisingOutlierDetector",
    "sklearn_dae._transformer.DenoisingAutoencoderTransformer",
]


def fast(contamination="auto", **params):
    """Make a detector of small networks."""
    params = {"max_iter": 10, "hidden_layer_sizes": (32,), **params}
    return DenoisingOutlierDetector(small(**params), contamination=contamination)


@pytest.fixture
def related():
    """Make 400 rows of four numbers that depend on each other. The last 20 do not."""
    rng = np.random.default_rng(0)
    z = rng.normal(size=(400, 1))
    X = z + 0.2 * rng.normal(size=(400, 4))
    X[-20:] = rng.permuted(X[-20:], axis=0) * [1, -1, 1, -1]
    return X


@pytest.fixture
def cities():
    """Make a table of text in which one column determines the other, with 10 typos."""
    rng = np.random.default_rng(0)
    names = np.array(["Oslo", "Rome", "Lima", "Cairo", "Kyoto"])
    lands = np.array(["Norway", "Italy", "Peru", "Egypt", "Japan"])
    code = rng.integers(5, size=300)
    clean = pd.DataFrame(
        {"city": names[code], "land": lands[code], "tax": code + rng.random(300) / 4}
    )
    dirty = clean.copy()
    for row in range(0, 100, 10):
        text = dirty.loc[row, "city"]
        dirty.loc[row, "city"] = text[: row % 3 + 1] + "x" + text[row % 3 + 2 :]
    return dirty, clean


@parametrize_with_checks([fast(), fast(0.1, representation="latent", noise="masking")])
def test_scikit_learn_check(estimator, check):
    check(estimator)


def test_parameters_are_validated():
    check_param_validation("DenoisingOutlierDetector", fast())


def test_rows_that_break_the_relation_of_columns_are_outliers(related):
    is_odd = np.arange(400) >= 380
    detector = fast(0.05, max_iter=150).fit(related)
    scores = detector.score_samples(related)
    assert average_precision_score(is_odd, -scores) > 0.7
    assert (detector.predict(related) == -1).sum() == 20
    np.testing.assert_array_equal(detector.training_scores_, scores)
    np.testing.assert_array_equal(
        detector.decision_function(related), scores - detector.offset_
    )
    later = detector.score_samples(related[:50].astype(np.float32))
    np.testing.assert_allclose(later, scores[:50], atol=1e-3)


def test_no_row_is_judged_by_a_network_that_learned_it(related):
    settings = small(max_iter=1)
    fits = FoldFits(settings, np.vstack([related, related[:100]]), 3, None)
    learned = []

    class Record(Callback):
        def on_train_begin(self, net, X, y, **kwargs):
            learned.append(X.cells.numeric.numpy())

    settings.set_params(callbacks=[Record()])
    fits.fit(1.0)
    cells = fits._codec.encode(fits.table).numeric.numpy()
    for fold, rows in enumerate(learned):
        seen = {row.tobytes() for row in rows}
        of_fold = cells[100:400][fits.folds[100:400] == fold]
        assert len(of_fold) > 50
        assert not any(row.tobytes() in seen for row in of_fold)
        # Of two equal rows one is learned, as if folds were drawn from all rows.
        twins = cells[:100][fits.folds[:100] == fold]
        assert all(row.tobytes() in seen for row in twins)


@pytest.mark.parametrize("cv", [2, 4])
def test_results_have_the_same_bits_for_all_numbers_of_threads(related, cv):
    detector = clone(fast()).set_params(cv=cv)
    alone = detector.fit(related).score_samples(related)
    together = clone(detector).set_params(n_jobs=3).fit(related)
    np.testing.assert_array_equal(together.score_samples(related), alone)
    assert len(together.estimators_) == 2 * cv


def test_p_values_of_new_normal_rows_are_uniform():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(4000, 1)) + 0.3 * rng.normal(size=(4000, 3))
    p = fast().fit(X[:2000]).p_values(X[2000:])
    assert (p > 0).all()
    assert (p <= 1).all()
    for level in (0.05, 0.2, 0.5):
        assert (p < level).mean() == pytest.approx(level, abs=0.025)


def test_wrong_cells_are_found_and_repaired(cities):
    dirty, clean = cities
    detector = fast(max_iter=60).fit(dirty)
    wrong = (dirty != clean).to_numpy()
    errors = detector.cell_errors(dirty)
    assert errors.columns.tolist() == ["city", "land", "tax"]
    assert average_precision_score(wrong.ravel(), errors.to_numpy().ravel()) > 0.9
    repaired, changed = detector.repair(dirty, threshold=5)
    assert changed.index.equals(dirty.index)
    assert changed.dtypes.unique().tolist() == [bool]
    assert (changed.to_numpy() & wrong).sum() == wrong.sum()
    pd.testing.assert_frame_equal(
        repaired.where(~changed, dirty).where(~wrong), dirty.where(~wrong)
    )
    assert (repaired["city"] == clean["city"]).mean() > 0.99
    assert repaired.dtypes.equals(dirty.dtypes)


def test_cells_that_are_missing_stay_missing_in_a_repair(cities):
    dirty, _ = cities
    dirty.loc[5:8, "land"] = None
    repaired, changed = fast().fit(dirty).repair(dirty, threshold=4)
    assert repaired["land"].isna().sum() == 4
    assert not changed.loc[5:8, "land"].any()
    same, changed = fast().fit(dirty).repair(dirty, threshold=1e9)
    pd.testing.assert_frame_equal(same, dirty)
    assert not changed.to_numpy().any()


def test_a_wrong_cell_is_replaced_but_not_its_neighbours(related):
    X = related[:380]
    detector = fast(max_iter=60).fit(X)
    odd = X[:50].copy()
    odd[:, 2] += 30
    repaired, changed = detector.repair(odd)
    assert changed[:, 2].all()
    assert changed[:, [0, 1, 3]].mean() < 0.05
    assert np.abs(repaired - X[:50]).max() < 2


@pytest.mark.parametrize(
    "make", [sparse.csr_matrix, sparse.csr_array, sparse.coo_array]
)
def test_sparse_tables(related, make):
    X = np.where(related > 0, related, 0.0)
    detector = fast().fit(make(X))
    scores = detector.score_samples(make(X))
    assert np.isfinite(scores).all()
    repaired, changed = detector.repair(make(X), threshold=3)
    assert sparse.issparse(repaired)
    assert changed.any()
    kept = np.where(changed, 0.0, repaired.toarray())
    np.testing.assert_array_equal(kept, np.where(changed, 0.0, X))


def test_polars_and_missing_cells(cities):
    table = pl.from_pandas(cities[0]).with_columns(
        tax=pl.when(pl.col("tax") > 4).then(None).otherwise("tax")
    )
    detector = fast().fit(table)
    assert np.isfinite(detector.score_samples(table)).all()
    errors = detector.cell_errors(table)
    assert isinstance(errors, pl.DataFrame)
    assert errors["tax"].is_nan().sum() == table["tax"].null_count() > 0
    repaired, changed = detector.repair(table, threshold=4)
    assert repaired.schema == table.schema
    assert isinstance(changed, pl.DataFrame)
    assert repaired["tax"].null_count() == table["tax"].null_count()


def test_saved_detectors_give_the_same_scores(cities):
    dirty, _ = cities
    detector = fast().fit(dirty)
    expected = detector.score_samples(dirty)
    for copy in (
        pickle.loads(pickle.dumps(detector)),
        skops.io.loads(skops.io.dumps(detector), trusted=OURS),
    ):
        np.testing.assert_array_equal(copy.score_samples(dirty), expected)
        np.testing.assert_array_equal(copy.predict(dirty), detector.predict(dirty))
    untrusted = skops.io.get_untrusted_types(data=skops.io.dumps(detector))
    assert sorted(untrusted) == OURS


def test_a_search_reaches_the_parameters_of_the_networks(related):
    is_odd = np.arange(400) >= 380

    def score(detector, X, y):
        return average_precision_score(y, -detector.score_samples(X))

    grid = {"transformer__noise_factor": [0.1, 0.5]}
    folds = StratifiedKFold(2, shuffle=True, random_state=0)
    search = GridSearchCV(fast(max_iter=60), grid, scoring=score, cv=folds).fit(
        related, is_odd
    )
    assert search.best_score_ > 0.3
    chosen = search.best_estimator_.estimators_[0].noise_factor
    assert chosen == search.best_params_["transformer__noise_factor"]


def test_an_error_in_a_fit_changes_nothing(related):
    class Interrupt(Callback):
        def on_batch_begin(self, net, **kwargs):
            raise KeyboardInterrupt

    detector = fast().fit(related)
    expected, before = detector.score_samples(related), vars(detector).copy()
    detector.transformer.set_params(callbacks=[Interrupt()])
    with pytest.raises(KeyboardInterrupt):
        detector.fit(related[:, :3])
    detector.transformer.set_params(callbacks=None)
    assert vars(detector) == before
    np.testing.assert_array_equal(detector.score_samples(related), expected)


def test_random_state_is_that_of_the_transformer_unless_it_is_given(related):
    first, same = (fast(random_state=3).fit(related) for _ in range(2))
    np.testing.assert_array_equal(first.training_scores_, same.training_scores_)
    other = fast(random_state=3).set_params(random_state=4).fit(related)
    assert (other.training_scores_ != first.training_scores_).any()


@pytest.mark.parametrize("threshold", [0, -1.0, "auto", True, np.nan])
def test_thresholds_of_repairs_are_checked(related, threshold):
    with pytest.raises(ValueError, match="'threshold' must be a number above 0"):
        fast().fit(related).repair(related, threshold=threshold)


def test_few_rows_equal_rows_and_rows_without_cells():
    X = np.array([[1.0, 2.0], [1.0, 2.0]])
    detector = fast().fit(X)
    assert np.isfinite(detector.score_samples(X)).all()
    X = np.vstack([np.tile([[0.0, 1.0]], (60, 1)), np.arange(40.0).reshape(20, 2)])
    scores = fast().fit(X).score_samples(np.vstack([X, [[np.nan, np.nan]]]))
    assert scores[-1] == 0.0
    # The most frequent row is normal.
    assert scores[0] > np.median(scores[60:-1])
