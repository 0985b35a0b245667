"""partial_fit: it continues with equal bits, and a failed call changes nothing."""

import pickle

import numpy as np
import pandas as pd
import pytest
import torch
from scipy import sparse
from sklearn.base import clone
from skorch.callbacks import Callback

from sklearn_dae import DenoisingAutoencoderTransformer
from sklearn_dae._model import _predict_hidden

from .helpers import tiny_network


@pytest.fixture
def chunks():
    """Make six chunks of 200 rows of five related columns."""
    rng = np.random.default_rng(0)
    Z = rng.normal(size=(1200, 2))
    X = Z @ rng.normal(size=(2, 5)) + 0.1 * rng.normal(size=(1200, 5)) + 3.0
    return np.split(X, 6)


def mixed(chunk):
    """Make a DataFrame of the numbers, with a category that depends on them."""
    frame = pd.DataFrame(chunk, columns=list("abcde"))
    frame["kind"] = np.where(frame["a"] > 3, "large", "small")
    return frame


def streamed(dae, chunks):
    for chunk in chunks:
        dae.partial_fit(chunk)
    return dae


def test_every_call_is_one_epoch_and_leaves_a_usable_transformer(small, chunks):
    dae = small(max_iter=50, learning_rate_init=0.01)
    scores = []
    for k, chunk in enumerate(chunks, 1):
        assert dae.partial_fit(chunk) is dae
        assert dae.n_iter_ == len(dae.loss_curve_) == k
        scores.append(dae.score(chunks[-1]))
        assert np.isfinite(dae.transform(chunk)).all()
    assert dae.loss_curve_[-1] < 0.9 * dae.loss_curve_[0]
    assert scores[-1] > scores[0] + 0.1
    assert dae.best_loss_ == min(dae.loss_curve_)
    assert dae.validation_loss_curve_ == []


def test_later_calls_keep_the_columns_of_the_first_call(small, chunks):
    first = mixed(chunks[0]).assign(constant=1.0)
    other = mixed(chunks[1] * 100).assign(constant=[1.0, 2.0] * 100, kind="unseen")
    dae = small().partial_fit(first)
    scales, names = dae._model.codec.statistics_, dae._model.layout.levels_[0].names
    dae.partial_fit(other.assign(kind=["large", "unseen"] * 100))
    np.testing.assert_array_equal(dae._model.codec.statistics_, scales)
    assert dae._model.layout.levels_[0].names is names
    assert (dae.reconstruct(other)["constant"] == 1.0).all()


@pytest.mark.parametrize(
    "params",
    [
        {},
        {"noise": ["masking", "gaussian"], "scaling": "quantile"},
        {"noise": "salt_and_pepper", "representation": "latent"},
        {"noise": ["zero", "masking"], "scaling": "minmax"},
        {"network": tiny_network},
        {"random_state": np.random.RandomState(3)},
    ],
    ids=str,
)
def test_a_pickled_copy_continues_with_equal_bits(small, chunks, params):
    tables = [mixed(chunk) for chunk in chunks]
    dae = streamed(small(**params), tables[:3])
    copy = pickle.loads(pickle.dumps(dae))
    expected = streamed(dae, tables[3:]).transform(tables[0])
    again = streamed(copy, tables[3:])
    np.testing.assert_array_equal(again.transform(tables[0]), expected)
    assert again.loss_curve_ == dae.loss_curve_


def test_equal_seeds_give_equal_bits_and_global_generators_do_not_change(small, chunks):
    numpy_state, torch_state = np.random.get_state(), torch.get_rng_state()
    first, second = (streamed(small(), chunks).transform(chunks[0]) for _ in range(2))
    assert pickle.dumps(numpy_state) == pickle.dumps(np.random.get_state())
    assert torch.equal(torch_state, torch.get_rng_state())
    np.testing.assert_array_equal(first, second)
    other = streamed(small(random_state=1), chunks).transform(chunks[0])
    assert not np.array_equal(first, other)


def test_without_a_seed_only_the_first_call_draws_one(small, chunks):
    dae = small(random_state=None).partial_fit(chunks[0])
    state = pickle.dumps(np.random.get_state())
    dae.partial_fit(chunks[1])
    assert pickle.dumps(np.random.get_state()) == state


def test_the_optimizer_continues(small, chunks):
    dae = streamed(small(batch_size=50), chunks[:2])
    assert dae._progress.optimizer["step"] == 8
    moments = dae._progress.optimizer["exp_avg"].clone()
    dae.partial_fit(chunks[2])
    assert dae._progress.optimizer["step"] == 12
    assert not torch.equal(dae._progress.optimizer["exp_avg"], moments)


def test_every_call_draws_new_noise(small, chunks):
    dae = streamed(small(learning_rate_init=1e-12), chunks[:1] * 4)
    assert len(set(dae.loss_curve_)) == 4


def test_losses_of_all_calls_are_relative_to_the_first_rows(small, chunks):
    far = 3 * chunks[0] - 2 * chunks[0].mean(axis=0)
    dae = streamed(small(learning_rate_init=1e-12), [chunks[0], far])
    assert dae.loss_curve_[1] > 5 * dae.loss_curve_[0]


def test_the_learning_rate_is_constant(small, chunks):
    rates = []

    class Note(Callback):
        def on_batch_end(self, net, **kwargs):
            rates.extend(group["lr"] for group in net.optimizer_.param_groups)

    streamed(small(callbacks=[Note()]), chunks)
    assert set(rates) == {0.002}


def test_the_weights_are_averaged_and_training_continues_from_the_last_ones(
    small, chunks
):
    dae = small(batch_size=200)
    last_weights = []
    for chunk in chunks:
        dae.partial_fit(chunk)
        used = torch.cat([p.flatten() for p in dae.net_.module_.parameters()])
        last_weights.append(dae._progress.optimizer["weights"])
        if len(last_weights) == 1:
            average = last_weights[0]
        weight = 5 / (len(last_weights) + 4)
        average = average + weight * (last_weights[-1] - average)
        torch.testing.assert_close(used.detach(), average)


def test_fit_starts_anew_and_partial_fit_continues_after_fit(small, chunks):
    X = np.vstack(chunks)
    fitted = small().fit(X)
    dae = streamed(small(), chunks).fit(X)
    np.testing.assert_array_equal(dae.transform(X), fitted.transform(X))
    before = dae.score(X)
    dae.partial_fit(chunks[0] + 100)
    assert dae.n_iter_ == 6
    assert dae.loss_curve_[:5] == fitted.loss_curve_
    np.testing.assert_array_equal(
        dae._model.codec.statistics_, fitted._model.codec.statistics_
    )
    assert streamed(clone(dae).fit(X), chunks).score(X) > before
    fitted.partial_fit(chunks[0] + 100)
    np.testing.assert_array_equal(dae.transform(X), fitted.transform(X))


def test_fit_with_warm_start_continues_after_partial_fit(small, chunks):
    dae = small(warm_start=True, learning_rate_init=0.01)
    streamed(dae, chunks).fit(chunks[0])
    assert dae.n_iter_ == 6 + 5
    assert dae.loss_curve_[6] < 0.9 * dae.loss_curve_[0]


@pytest.mark.parametrize("start", ["partial_fit", "fit"])
def test_a_chunk_of_one_row_after_the_first_call(small, chunks, start):
    dae = getattr(small(), start)(chunks[0])
    spreads = dae.net_.module_.spreads.clone()
    streamed(dae, [chunks[1][i : i + 1] for i in range(3)] + [chunks[1][3:5]])
    changed = dae.net_.module_.spreads / spreads
    assert ((changed > 0.8) & (changed < 1.25)).all()
    with pytest.raises(ValueError, match="minimum of 2 is required"):
        small().partial_fit(chunks[0][:1])


def test_features_vary_by_one_on_average_after_every_call(small, chunks):
    dae = small(learning_rate_init=0.02)
    for chunk in np.split(np.vstack(chunks), 2):
        variances = dae.partial_fit(chunk).transform(chunk).var(axis=0)
        assert variances.mean() == pytest.approx(1.0, rel=0.25)


@pytest.mark.parametrize(
    "table",
    [
        pytest.param(sparse.csr_matrix, id="sparse"),
        pytest.param(mixed, id="categories"),
        pytest.param(lambda X: np.where(X > 5, np.nan, X), id="holes"),
        pytest.param(lambda X: np.asfortranarray(X, dtype=np.float32), id="float32"),
    ],
)
def test_any_kind_of_table(small, chunks, table):
    tables = [table(chunk) for chunk in chunks]
    dae = streamed(small(), tables * 3)
    assert dae.loss_curve_[-1] < 0.8 * dae.loss_curve_[0]
    assert dae.score(tables[0]) > 0.2


def test_there_is_no_partial_fit_with_early_stopping(small, chunks):
    dae = small(early_stopping=True)
    assert not hasattr(dae, "partial_fit")
    with pytest.raises(AttributeError, match="has no attribute 'partial_fit'") as info:
        dae.partial_fit(chunks[0])
    cause = str(info.value.__cause__)
    assert "early_stopping=True" in cause
    assert "Set early_stopping=False" in cause
    assert not hasattr(dae, "net_")
    assert hasattr(dae.set_params(early_stopping=False), "partial_fit")


class Fail(Callback):
    """Raise an error after some batches of a chunk, if `armed`."""

    def __init__(self, error):
        self.error, self.armed = error, False

    def on_batch_end(self, net, **kwargs):
        if self.armed and net.optimizer_.progress["step"] % 7 == 5:
            raise self.error


BAD_CHUNKS = {
    "missing column": (lambda X: X.drop(columns="c"), "- c"),
    "renamed column": (lambda X: X.rename(columns={"c": "f"}), "- f"),
    "extra column": (lambda X: X.assign(f=1.0), "- f"),
    "text for numbers": (lambda X: X.assign(c="seven"), "Column 'c' must hold numbers"),
    "dates for numbers": (lambda X: X.assign(c=pd.Timestamp("2024-01-01")), "'c'"),
    "numbers for text": (
        lambda X: X.assign(kind=X["a"]),
        "Column 'kind' has dtype flo",
    ),
    "infinity": (lambda X: X.assign(c=np.inf), "Column 'c' of X contains infinity"),
}


@pytest.mark.parametrize("categories", [True, False], ids=["mixed", "numbers"])
@pytest.mark.parametrize("kind", BAD_CHUNKS)
def test_a_bad_chunk_is_named_and_changes_nothing(small, chunks, kind, categories):
    make_bad, message = BAD_CHUNKS[kind]
    tables = [mixed(chunk) for chunk in chunks]
    if not categories:
        if kind == "numbers for text":
            pytest.skip("there is no column of text")
        tables = [table.drop(columns="kind") for table in tables]
    dae = streamed(small(), tables[:2])
    before = pickle.dumps(dae)
    with pytest.raises(ValueError, match=message):
        dae.partial_fit(make_bad(tables[2]))
    assert pickle.dumps(dae) == before
    expected = streamed(small(), tables).transform(tables[0])
    np.testing.assert_array_equal(
        streamed(dae, tables[2:]).transform(tables[0]), expected
    )


def test_a_bad_first_chunk_changes_nothing(small, chunks):
    dae = small()
    with pytest.raises(ValueError, match="'c' of X contains infinity"):
        dae.partial_fit(mixed(chunks[0]).assign(c=np.inf))
    assert vars(dae) == vars(small())


@pytest.mark.parametrize("error", [KeyboardInterrupt(), RuntimeError("out of memory")])
def test_an_error_in_a_call_leaves_the_transformer_unchanged(small, chunks, error):
    fail = Fail(error)
    dae = streamed(small(callbacks=[fail]), chunks[:2])
    before = dae.transform(chunks[0])
    expected = streamed(small(), chunks).transform(chunks[0])
    fail.armed = True
    with pytest.raises(type(error)):
        dae.partial_fit(chunks[2])
    fail.armed = False
    assert dae.n_iter_ == 2
    np.testing.assert_array_equal(dae.transform(chunks[0]), before)
    np.testing.assert_array_equal(
        streamed(dae, chunks[2:]).transform(chunks[0]), expected
    )


def test_a_diverging_chunk_leaves_the_transformer_unchanged(small, chunks):
    dae = streamed(small(scaling=None), chunks[:2])
    before = dae.transform(chunks[0])
    with pytest.raises(FloatingPointError, match="diverged"):
        dae.set_params(learning_rate_init=1e30).partial_fit(chunks[2])
    np.testing.assert_array_equal(dae.transform(chunks[0]), before)


def test_a_chunk_may_miss_all_cells_of_a_categorical_column(small, chunks):
    tables = [mixed(chunk) for chunk in chunks]
    dae = small().partial_fit(tables[0])
    dae.partial_fit(tables[1].assign(kind=np.nan)).partial_fit(tables[2].assign(a=None))
    assert dae.n_iter_ == 3


def test_another_network_is_refused(small, chunks):
    dae = small().partial_fit(chunks[0])
    with pytest.raises(ValueError, match="partial_fit continue with the network"):
        dae.set_params(n_components=9).partial_fit(chunks[1])
    dae = small(network=tiny_network).partial_fit(chunks[0])
    with pytest.raises(ValueError, match="now describe another network"):
        dae.set_params(network=wider_network).partial_fit(chunks[1])


def wider_network(n_inputs, n_components):
    return torch.nn.Linear(n_inputs, n_components), torch.nn.Linear(
        n_components, n_inputs
    )


def test_numbers_outside_the_first_range_and_log_loss(small, chunks):
    dae = small(scaling="minmax", loss="log_loss").partial_fit(chunks[0])
    with pytest.raises(ValueError, match=r"column 0 .*clip the column"):
        dae.partial_fit(chunks[1] * 100)
    dae.partial_fit(chunks[1].clip(chunks[0].min(axis=0), chunks[0].max(axis=0)))


def test_a_pickle_holds_no_row(small, chunks):
    dae = streamed(
        DenoisingAutoencoderTransformer(8, hidden_layer_sizes=8, random_state=0), chunks
    )
    pickled = pickle.dumps(dae)
    for chunk in chunks:
        scaled = (
            chunk - dae._model.codec.statistics_.mean
        ) / dae._model.codec.statistics_.std
        for rows in (chunk, chunk.astype(np.float32), scaled.astype(np.float32)):
            assert all(row[:4].tobytes() not in pickled for row in rows)


def test_parameters_are_checked_at_every_call(small, table):
    dae = small().partial_fit(table)
    with pytest.raises(ValueError, match="'weight_decay' parameter"):
        dae.set_params(weight_decay=-1.0).partial_fit(table)


def test_another_loss_is_refused(small, table):
    dae = small().partial_fit(table)
    with pytest.raises(ValueError, match=r"loss='squared_error'.*'absolute_error'"):
        dae.set_params(loss="absolute_error").partial_fit(table)


def test_a_column_constant_in_the_first_rows_does_not_count_in_the_score(small, table):
    constant = np.c_[table, np.zeros(len(table))]
    moving = np.c_[table, 1000 * np.random.default_rng(0).normal(size=len(table))]
    dae = small().partial_fit(constant).partial_fit(moving)
    assert dae.score(moving) == pytest.approx(dae.score(constant))


def test_unseen_levels_of_the_same_type_are_allowed(small):
    frame = pd.DataFrame({"n": np.arange(40) % 7, "code": pd.Series([1, 2] * 20)})
    frame["code"] = frame["code"].astype("category")
    dae = small().partial_fit(frame)
    one = frame.iloc[:1].assign(code=9)
    together = pd.concat([one, frame.astype({"code": int})])
    np.testing.assert_array_equal(dae.transform(one), dae.transform(together)[:1])
    with pytest.raises(ValueError, match=r"'code'.*none of the categories seen in fit"):
        dae.partial_fit(frame.assign(code=["x", "y"] * 20))


def test_other_names_of_the_device_do_not_restart_the_generator(small, table):
    drawn = []

    def record(X, noise_factor, rng):
        drawn.append(rng.random())
        return X

    dae = small(noise=record, emphasis=0.5)
    for device in ("cpu", "cpu:0", "cpu", "cpu:0"):
        dae.set_params(device=device).partial_fit(table[:32])
    assert len(set(drawn)) == len(drawn) == 4


def test_the_calibration_comes_from_several_calls(small, chunks):
    dae = streamed(small(learning_rate_init=0.01), chunks)
    before = dae._model.calibration
    # One odd row has an error that is thousands of times as large as the usual one. It
    # changes the mean over previous rows, but does not replace it.
    odd = chunks[0][:1] + np.array([900, 0, 0, 0, 0])
    after = pickle.loads(pickle.dumps(dae)).partial_fit(odd)
    codec = after._model.codec
    _, row = after._read(odd)
    numeric, _ = _predict_hidden(codec, after.net_, row)
    error = np.square(codec.standardize(row.numeric) - codec.predicted(numeric))[0]
    n_rows = 32 * len(chunks)
    expected = (n_rows * before.squared_error[0] + error) / (n_rows + 1)
    found = after._model.calibration
    np.testing.assert_allclose(found.squared_error[0], expected, rtol=1e-4)
    assert found.counts.tolist() == [n_rows + 1] * 5
    center = (n_rows * before.center + codec.standardize(row.numeric)[0]) / (n_rows + 1)
    np.testing.assert_allclose(found.center, center)
    assert before.counts.tolist() == [n_rows] * 5


def test_previous_rows_count_up_to_a_thousand(small, chunks, monkeypatch):
    monkeypatch.setattr("sklearn_dae._model.CALIBRATION_ROWS", 40)
    dae = streamed(small(), chunks[:2])
    assert dae._model.calibration.counts.tolist() == [40] * 5


def total_variances(blocks):
    return [block.var(axis=0).sum() for block in blocks]


def test_spreads_come_from_the_last_thousand_rows(small):
    rng = np.random.default_rng(0)
    first, second, third = (
        scale * rng.normal(size=(n_rows, 5))
        for scale, n_rows in ((1, 3000), (2, 1000), (4, 400))
    )
    # Later calls do not change the weights. The blocks are the inputs and the latent
    # layer.
    dae = small(hidden_layer_sizes=()).partial_fit(first)
    dae.set_params(learning_rate_init=1e-12).partial_fit(second)

    def blocks(rows):
        return np.split(dae.transform(rows), [35], axis=1)

    np.testing.assert_allclose(total_variances(blocks(second)), 43 / 2, rtol=1e-3)
    # The third call has 400 rows. So the rows of the second one count as 600.
    before = [
        np.vstack([np.repeat(of_second, 3, axis=0), np.repeat(of_third, 5, axis=0)])
        for of_second, of_third in zip(blocks(second), blocks(third), strict=True)
    ]
    dae.partial_fit(third)
    ratios = [
        np.linalg.norm(old[:3000]) / np.linalg.norm(np.repeat(new, 3, axis=0))
        for old, new in zip(before, blocks(second), strict=True)
    ]
    expected = np.sqrt(np.divide(total_variances(before), 43 / 2))
    np.testing.assert_allclose(ratios, expected, rtol=1e-3)
