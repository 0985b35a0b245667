"""The estimator: its features, reconstructions, scores, losses and output."""

import numpy as np
import pandas as pd
import polars as pl
import pytest
import torch
from scipy import sparse
from sklearn import config_context
from sklearn.datasets import load_digits
from sklearn.decomposition import PCA
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, cross_validate
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler
from skorch.callbacks import Callback, EpochScoring

from sklearn_dae import DenoisingAutoencoderTransformer


@pytest.mark.parametrize("loss", ["squared_error", "absolute_error"])
def test_features_are_inputs_and_layers_or_the_latent_layer(small, table, loss):
    Z = small(loss=loss).fit_transform(table)
    # Five columns: one number and six bins for each.
    assert Z.shape == (120, 5 * 7 + 16 + 8)
    assert Z.dtype == np.float32
    scaled = StandardScaler().fit_transform(table)
    ratio = Z[:, :5] / (scaled / np.sqrt(1 + scaled**2 / 100))
    np.testing.assert_allclose(ratio, ratio[0, 0], rtol=1e-4)
    latent = small(representation="latent").fit_transform(table)
    assert latent.shape == (120, 8)
    # The latent layer is rectified in the stack, and linear without the stack.
    assert Z[:, 35:].min() == 0
    assert latent.min() < 0


@pytest.mark.parametrize("scaling", ["standard", "minmax", None])
def test_inputs_and_layers_have_the_same_mean_variance(small, holes, scaling):
    Z = small(scaling=scaling).fit_transform(holes * 1e3)
    variances = Z.var(axis=0)
    blocks = np.split(variances, [35, 35 + 16])
    np.testing.assert_allclose([b.sum() for b in blocks], Z.shape[1] / 3, rtol=1e-3)


def test_more_than_1024_inputs_are_left_out_of_the_features(small):
    X = np.random.default_rng(0).normal(size=(20, 1025))
    assert small().fit_transform(X[:, :1024]).shape == (20, 1024 + 24)
    dae = small().fit(X)
    Z = dae.transform(X)
    assert Z.shape == (20, 24)
    np.testing.assert_allclose(
        dae.inverse_transform(Z), dae.reconstruct(X), rtol=1e-4, atol=1e-5
    )


def test_hidden_layer_sizes_may_be_one_number(small, table):
    np.testing.assert_array_equal(
        small(hidden_layer_sizes=16).fit_transform(table),
        small(hidden_layer_sizes=(16,)).fit_transform(table),
    )


def test_default_network_is_three_layers_of_256(table):
    dae = DenoisingAutoencoderTransformer(max_iter=1).fit(table)
    assert dae.transform(table).shape == (120, 35 + 768)
    assert dae.get_feature_names_out()[-1] == "latent255"


@pytest.mark.parametrize(
    ("n_rows", "n_updates_an_epoch", "n_updates"),
    [(100, 4, 1000), (4000, 40, 1000), (6000, 40, 1500), (20_000, 79, 2000)],
)
def test_automatic_epochs_make_one_to_two_thousand_updates(
    n_rows, n_updates_an_epoch, n_updates
):
    X = np.random.default_rng(0).normal(size=(n_rows, 2))
    dae = DenoisingAutoencoderTransformer(n_components=2, hidden_layer_sizes=())
    assert dae.fit(X).n_iter_ == np.ceil(n_updates / n_updates_an_epoch)


@pytest.mark.parametrize("representation", ["stack", "latent"])
@pytest.mark.parametrize("scaling", ["standard", "minmax", "quantile", None])
def test_inverse_transform_is_reconstruct(small, holes, representation, scaling):
    dae = small(representation=representation, scaling=scaling).fit(holes)
    Z = dae.transform(holes)
    expected = dae.reconstruct(holes)
    np.testing.assert_allclose(dae.inverse_transform(Z), expected, rtol=1e-4, atol=1e-5)
    latent = dae.inverse_transform(Z[:, -8:])
    np.testing.assert_allclose(latent, expected, rtol=1e-4, atol=1e-5)


def test_network_without_noise_learns_to_copy_its_input(digits):
    X = digits[0]
    dae = DenoisingAutoencoderTransformer(
        noise=None, hidden_layer_sizes=(64,), n_components=64, random_state=0
    ).fit(X)
    error = np.square(dae.reconstruct(X) - X).mean()
    assert error < 0.05 * X.var(axis=0).mean()


def test_log_loss_keeps_reconstructions_within_the_training_range(small, table):
    dae = small(loss="log_loss", scaling="minmax", max_iter=50).fit(table)
    values = dae.reconstruct(table * 3)
    assert (values >= table.min(axis=0) - 1e-6).all()
    assert (values <= table.max(axis=0) + 1e-6).all()


def test_denoising_beats_the_identity_and_the_column_means():
    X = load_digits().data
    X, X_test = X[:1200], X[1200:]
    dae = DenoisingAutoencoderTransformer(
        hidden_layer_sizes=(128,),
        n_components=64,
        noise_factor=0.3,
        max_iter=120,
        random_state=0,
    ).fit(X)
    rng = np.random.default_rng(0)
    donors = X[rng.integers(len(X), size=X_test.shape), np.arange(X.shape[1])]
    noisy = np.where(rng.random(X_test.shape) < 0.3, donors, X_test)
    scale = StandardScaler().fit(X).scale_

    def error(values):
        return np.square((values - X_test) / scale).mean()

    repaired = error(dae.reconstruct(noisy))
    assert repaired < 0.85 * error(noisy)
    assert repaired < 0.65 * error(X.mean(axis=0))
    assert dae.loss_curve_[-1] < 0.5 < dae.loss_curve_[0] <= 1.2


def test_score_is_above_that_of_principal_components(digits):
    X, X_test, *_ = digits
    n_components = 16
    dae = DenoisingAutoencoderTransformer(
        n_components, hidden_layer_sizes=(128,), representation="latent", random_state=0
    ).fit(X)

    scaler = StandardScaler().fit(X)
    pca = PCA(n_components, random_state=0).fit(scaler.transform(X))
    target = scaler.transform(X_test)
    groups = np.random.RandomState(0).randint(5, size=X_test.shape)
    predicted = np.empty_like(target)
    for group in range(5):
        hidden = groups == group
        codes = pca.transform(np.where(hidden, 0.0, target))
        predicted[hidden] = pca.inverse_transform(codes)[hidden]
    pca_score = 1 - np.square(predicted - target).sum() / np.square(target).sum()
    assert pca_score > 0.2
    assert dae.score(X_test) > pca_score + 0.05


def test_score_is_zero_for_columns_that_do_not_depend_on_each_other(digits):
    X, X_test, *_ = digits
    rng = np.random.default_rng(0)
    shuffled = [rng.permuted(part, axis=0) for part in (X, X_test)]
    params = {"hidden_layer_sizes": (64,), "n_components": 64, "random_state": 0}
    dae = DenoisingAutoencoderTransformer(noise="masking", **params)
    assert dae.fit(X).score(X_test) > 0.35
    assert dae.fit(shuffled[0]).score(shuffled[1]) < 0.05


def test_score_is_zero_for_categories_that_do_not_depend_on_each_other(small):
    X = np.random.default_rng(0).integers(4, size=(300, 4))
    related = np.column_stack([X[:, 0], X[:, 0], 3 - X[:, 0], X[:, 0] // 2])
    dae = small(max_iter=100, noise="masking", categorical_features=range(4))
    assert dae.fit(related[:200]).score(related[200:]) > 0.9
    assert -0.2 < dae.fit(X[:200]).score(X[200:]) < 0.05


def test_score_is_not_best_with_the_least_noise(digits):
    X, X_test, *_ = digits
    scores = [
        DenoisingAutoencoderTransformer(
            hidden_layer_sizes=(64,),
            n_components=64,
            noise_factor=factor,
            max_iter=200,
            random_state=0,
        )
        .fit(X)
        .score(X_test)
        for factor in (0.0, 0.05, 0.3)
    ]
    assert scores == sorted(scores)
    assert scores[-1] > scores[0] + 0.1


def test_filled_and_repaired_numbers_stay_in_the_training_range(small, table):
    X = pd.DataFrame(table, columns=list("abcde"))
    far = X * 9
    low, high = X.min().to_numpy(), X.max().to_numpy()
    far.loc[::2, "a"] = np.nan
    bounded = small(max_iter=100).fit(X)
    unbounded = small(max_iter=100, min_value=-np.inf, max_value=np.inf).fit(X)
    ours = small(max_iter=100, min_value={"b": 0.0}, max_value={"b": 1.0}).fit(X)
    for repaired in (
        bounded.reconstruct(far),
        bounded.inverse_transform(bounded.transform(far)),
    ):
        assert ((repaired >= low) & (repaired <= high)).all(axis=None)
    assert bounded.impute(far)["a"][::2].between(low[0], high[0]).all()
    wild = unbounded.reconstruct(far)
    assert (wild < low).any(axis=None)
    assert (wild > high).any(axis=None)
    assert ours.reconstruct(far)["b"].between(0, 1).all()
    pd.testing.assert_frame_equal(
        ours.reconstruct(far)[["a", "c"]], bounded.reconstruct(far)[["a", "c"]]
    )


def test_whole_numbers_are_rounded_to_the_inside_of_the_bounds(small):
    table = pd.DataFrame({"x": [0, 1, 2] * 20, "y": [0.5, 1.5, 2.5] * 20})
    dae = small(min_value=0.4, max_value={"x": 1.7}).fit(table)
    assert set(dae.reconstruct(table)["x"]) == {1}
    assert dae.reconstruct(table)["y"].min() >= 0.5


def test_score_does_not_depend_on_scale_or_missing_cells(small, holes):
    scores = [small().fit(holes * scale).score(holes * scale) for scale in (1, 1000)]
    np.testing.assert_allclose(*scores, rtol=1e-3)
    assert small().fit(holes).score(np.full((3, 5), np.nan)) == 0.0


def test_anomalous_rows_and_cells_have_larger_errors(digits):
    X, X_test, *_ = digits
    dae = DenoisingAutoencoderTransformer(
        hidden_layer_sizes=(64,), n_components=64, random_state=0
    ).fit(X)
    odd = X_test.copy()
    odd[np.arange(200), 28] = 16 - odd[np.arange(200), 28]
    assert (dae.score_samples(odd) < dae.score_samples(X_test)).mean() > 0.8
    errors = dae.cell_errors(odd)
    assert errors.shape == odd.shape
    assert errors[:, 28].mean() > 2 * np.delete(errors, 28, axis=1).mean()
    parts = dae.cell_errors(odd, part="column"), dae.cell_errors(odd, part="row")
    np.testing.assert_allclose(np.add(*parts), errors, rtol=1e-5)
    assert dae.score_samples(np.full((1, 64), np.nan)) == [0.0]


def test_errors_of_numbers_are_surprises_above_their_means(small, holes):
    dae = small(noise="masking", max_iter=50).fit(holes)
    std = np.nanstd(holes, axis=0)
    whole, surprises = dae.reconstruct(holes), []
    for j in range(holes.shape[1]):
        hidden = holes.copy()
        hidden[:, j] = np.nan
        x, from_rest = holes[:, j], dae.impute(hidden)[:, j]
        in_row = [_surprise((x - y) / std[j]) for y in (from_rest, whole[:, j])]
        low, median, high = np.nanquantile(x, [0.25, 0.5, 0.75])
        spread = np.sqrt((high - low) / 1.349 * std[j])
        in_column = 2 * np.log1p(np.square((x - median) / spread) / 3)
        surprises.append([in_column, np.mean(in_row, axis=0)])
    expected = np.array(surprises).transpose(1, 2, 0)
    expected = expected - np.nanmean(expected, axis=1, keepdims=True)
    for part, of_part in zip(("column", "row"), expected, strict=True):
        errors = dae.cell_errors(holes, part=part)
        np.testing.assert_allclose(errors, np.maximum(of_part, 0), atol=1e-3)
    squares = np.square(np.maximum(expected[1], 0))
    squares = np.where(np.isnan(holes), np.nan, squares)
    scores = -np.sqrt(np.nanmean(squares, axis=1))
    np.testing.assert_allclose(dae.score_samples(holes), scores, atol=1e-3)


def _surprise(errors):
    """Compute -log of a t-distribution with the scale of the errors."""
    return 2 * np.log1p(np.square(errors) / np.nanmean(np.square(errors)) / 3)


def test_constant_columns_of_large_numbers_have_no_infinite_scores(small):
    table = np.c_[np.full(3, 9.86469463686003e29), [1.0, 2.0, 4.0]]
    dae = small().fit(table)
    assert (dae.cell_errors(table)[:, 0] < 1e-3).all()
    assert np.isfinite(dae.score_samples(table)).all()
    odd = table + np.array([1e29, 0.0])
    assert (dae.cell_errors(odd)[:, 0] > 100).all()


def test_errors_of_categories_are_surprises_above_their_means(small):
    levels = np.random.default_rng(0).choice(["a", "b", "c"], 300, p=[0.5, 0.3, 0.2])
    table = pd.DataFrame({"x": levels, "copy": levels})
    dae = small(noise="masking", max_iter=300).fit(table)
    share = table["x"].map(table["x"].value_counts(normalize=True)).astype(float)
    rare = np.maximum(-np.log(share) + np.log(share).mean(), 0)
    in_column = dae.cell_errors(table, part="column")
    np.testing.assert_allclose(in_column["x"], rare, rtol=1e-5)
    assert (dae.cell_errors(table, part="row") < 0.1).all(axis=None)
    odd = table.assign(copy=np.where(levels == "a", "b", "a"))
    errors = dae.cell_errors(odd, part="row")
    assert (errors > 3).all(axis=None)
    # The frequency of the level has a part of 5% in its probability.
    assert (errors["copy"] < -np.log(0.05 * 0.3)).all()


def test_a_level_that_was_seen_once_or_never_is_odd(small):
    levels = np.array([*"ab" * 100, "typo"])
    table = pd.DataFrame({"x": levels, "copy": levels})
    dae = small(noise="masking", max_iter=100).fit(table)
    later = pd.DataFrame({"x": ["a", "typo", "new"], "copy": ["a", "a", "a"]})
    errors = dae.cell_errors(later)["x"].to_numpy()
    assert errors[0] < 0.5 < 5 < errors[1] <= errors[2]
    # In its column, and in its row, it has the frequency of one of 202 cells.
    parts = [dae.cell_errors(later, part=p)["x"][2] for p in ("column", "row")]
    assert parts[0] == pytest.approx(np.log(202) - np.log(2), abs=0.2)
    assert parts[1] > 4


@pytest.mark.parametrize("part", ["cell", None, 1])
def test_parts_of_errors_are_checked(small, table, part):
    with pytest.raises(ValueError, match="'part' must be 'both', 'column' or 'row'"):
        small().fit(table).cell_errors(table, part=part)


def test_columns_of_a_group_are_hidden_at_the_same_time(small):
    X = np.random.default_rng(0).normal(size=(50, 1)) + np.zeros((1, 12))
    X += np.random.default_rng(1).normal(size=X.shape)
    dae = small(noise="masking", max_iter=50).fit(X)
    expected = dae._explain(X)[0]
    odd = X.copy()
    odd[:, 10] += 5
    changed = (dae._explain(odd)[0] != expected).any(axis=0)
    np.testing.assert_array_equal(changed, [j not in (0, 10) for j in range(12)])


def test_impute_fills_missing_cells_better_than_the_mean(table, holes):
    dae = DenoisingAutoencoderTransformer(
        noise="masking", hidden_layer_sizes=(64,), n_components=64, random_state=0
    )
    filled = dae.fit(holes).impute(holes)
    missing = np.isnan(holes)
    np.testing.assert_array_equal(filled[~missing], holes[~missing])
    assert np.isfinite(filled).all()
    error = np.square(filled - table)[missing].mean()
    by_mean = np.square(np.nanmean(holes, axis=0) - table)[missing].mean()
    assert error < 0.5 * by_mean


@pytest.mark.parametrize("kind", ["pandas", "polars"])
def test_dataframes_give_dataframes(small, holes, kind):
    names = ["a", "b", "c", "d", "e"]
    if kind == "pandas":
        frame = pd.DataFrame(holes, columns=names, index=np.arange(120) * 10)
        frame["n"] = np.arange(120)
    else:
        frame = pl.DataFrame(holes, schema=names).with_columns(n=pl.arange(120))
    dae = small().fit(frame)
    for table in (
        dae.reconstruct(frame),
        dae.impute(frame),
        dae.inverse_transform(dae.transform(frame)),
    ):
        assert type(table) is type(frame)
        assert list(table.columns) == [*names, "n"]
        assert list(table.dtypes) == list(frame.dtypes)
    errors = dae.cell_errors(frame)
    assert list(errors.columns) == [*names, "n"]
    if kind == "pandas":
        assert dae.impute(frame).index.equals(frame.index)
        assert errors.index.equals(frame.index)
    features = dae.set_output(transform=kind).transform(frame)
    assert list(features.columns) == dae.get_feature_names_out().tolist()
    assert type(dae.inverse_transform(features)) is type(frame)


def test_losses_fall_and_do_not_depend_on_the_units(small, table):
    dae = small(max_iter=40).fit(table)
    assert dae.n_iter_ == len(dae.loss_curve_) == 40
    assert dae.best_loss_ == min(dae.loss_curve_)
    assert dae.validation_loss_curve_ == []
    assert 0.8 < dae.loss_curve_[0] < 1.5
    assert dae.loss_curve_[-1] < 0.9 * dae.loss_curve_[0]
    scaled = small(max_iter=40).fit(table * 1e6 - 5)
    np.testing.assert_allclose(scaled.loss_curve_, dae.loss_curve_, rtol=1e-3)


@pytest.mark.parametrize("loss", ["squared_error", "log_loss"])
@pytest.mark.parametrize("scaling", [None, "minmax"])
def test_gaussian_noise_keeps_the_range_of_pixels(small, loss, scaling):
    seen = []

    class Encoder(torch.nn.Identity):
        def forward(self, x):
            if len(x) == 50:  # `fit` tries the network on other rows first.
                seen.append(x.detach().clone())
            return x

    def network(n_inputs, n_components):
        return Encoder(), torch.nn.Linear(n_inputs, n_inputs)

    X = np.random.default_rng(0).uniform(0, 1, (200, 5))
    small(
        n_components=5,
        network=network,
        noise="gaussian",
        noise_factor=2.0,
        scaling=scaling,
        loss=loss,
        batch_size=50,
    ).fit(X)
    # Inputs are numbers minus the means of the columns.
    inputs = torch.cat(seen).numpy() + X.mean(0)
    assert inputs.min() > -0.02
    assert inputs.max() < 1.02
    assert (inputs < 0.02).mean() > 0.1
    assert (inputs > 0.98).mean() > 0.1


def test_early_stopping_restores_the_best_weights(small, table):
    weights = {}

    class Keep(Callback):
        def on_epoch_end(self, net, **kwargs):
            state = net.module_.state_dict()
            weights[len(net.history)] = {k: v.clone() for k, v in state.items()}

    dae = small(
        early_stopping=True,
        n_iter_no_change=5,
        max_iter=500,
        learning_rate_init=0.05,
        tol=0.0,
        callbacks=[Keep()],
    ).fit(table)
    curve = dae.validation_loss_curve_
    best = int(np.argmin(curve))
    assert len(curve) == dae.n_iter_ == best + 1 + 5 < 500
    assert dae.best_loss_ == curve[best]
    restored = dict(dae.net_.module_.named_parameters())
    assert all((v == weights[best + 1][k]).all() for k, v in restored.items())
    assert any((v != weights[best][k]).any() for k, v in restored.items())


def test_validation_rows_of_the_user_only_decide_when_to_stop(small, table):
    params = {"max_iter": 6, "n_iter_no_change": 99}
    other = np.random.default_rng(0).normal(size=(40, 5))
    dae = small(early_stopping=True, **params).fit(table, X_val=table[:40])
    unrelated = small(early_stopping=True, **params).fit(table, X_val=other)
    # All rows of X are training rows, and nothing is learned from X_val.
    losses = small(**params).fit(table).loss_curve_
    assert dae.loss_curve_ == unrelated.loss_curve_ == losses
    assert len(dae.validation_loss_curve_) == 6
    assert min(unrelated.validation_loss_curve_) > max(dae.validation_loss_curve_)


def test_validation_rows_of_the_user_stop_the_training(small, table):
    other = np.random.default_rng(0).normal(size=(40, 5))
    dae = small(early_stopping=True, max_iter=500, n_iter_no_change=3)
    dae.fit(table, X_val=other)
    best = int(np.argmin(dae.validation_loss_curve_))
    assert dae.n_iter_ == best + 1 + 3 < 500
    assert dae.best_loss_ == dae.validation_loss_curve_[best]


@pytest.mark.parametrize("library", [pd, pl])
def test_validation_rows_may_hold_unseen_levels_and_missing_cells(small, library):
    X = library.DataFrame({"x": np.arange(40.0), "k": list("abcd") * 10})
    X_val = library.DataFrame({"x": [1.0, None, 3.0], "k": ["a", "new", None]})
    dae = small(early_stopping=True, max_iter=3).fit(X, X_val=X_val)
    assert np.isfinite(dae.validation_loss_curve_).all()
    assert len(dae.validation_loss_curve_) == 3


def test_a_sparse_table_has_sparse_validation_rows(small, table):
    dense = small(early_stopping=True, max_iter=3).fit(table, X_val=table[:20])
    csr = sparse.csr_array(table)
    dae = small(early_stopping=True, max_iter=3).fit(csr, X_val=csr[:20])
    np.testing.assert_allclose(
        dae.validation_loss_curve_, dense.validation_loss_curve_, rtol=1e-4
    )


def test_a_pipeline_transforms_the_validation_rows(small, table):
    class Keep(Callback):
        def on_train_begin(self, net, X=None, y=None, **kwargs):
            _, valid = net.get_split_datasets(X)
            self.rows = valid.cells.numeric

    keep = Keep()
    dae = small(early_stopping=True, max_iter=2, scaling=None, callbacks=[keep])
    with config_context(enable_metadata_routing=True):
        dae.set_fit_request(X_val=True)
        steps = [("scale", StandardScaler()), ("dae", dae)]
        model = Pipeline(steps, transform_input=["X_val"])
        model.fit(table, X_val=table[:20])
    expected = StandardScaler().fit(table).transform(table[:20])
    assert len(model["dae"].validation_loss_curve_) == 2
    np.testing.assert_allclose(keep.rows, expected, rtol=1e-5)


def test_warm_start_continues_from_the_weights_of_the_previous_fit(small, table):
    dae = small(warm_start=True, max_iter=30).fit(table)
    first = list(dae.loss_curve_)
    dae.fit(table)
    assert dae.n_iter_ == 60
    assert dae.loss_curve_[:30] == first
    assert dae.loss_curve_[30] < 0.8 * first[0]
    dae.set_params(warm_start=False).fit(table)
    assert dae.loss_curve_ == first


def test_warm_start_keeps_the_scales(small, table):
    dae = small(warm_start=True).fit(table)
    dae.set_params(learning_rate_init=1e-12).fit(table[:50] * 100)
    again = small().fit(table)
    np.testing.assert_allclose(
        dae.reconstruct(table), again.reconstruct(table), atol=1e-6
    )


def test_losses_of_a_warm_start_are_relative_to_its_rows(small, table):
    dae = small(warm_start=True, max_iter=30).fit(table)
    far = 3 * table - 2 * table.mean(axis=0)
    dae.set_params(learning_rate_init=1e-12).fit(far)
    # Relative to the variance of the first rows, the loss would be nine times as large.
    assert dae.loss_curve_[30] < 2 * dae.loss_curve_[29]


def test_skorch_callbacks_are_called_and_the_list_is_not_changed(small, table):
    class Count(Callback):
        def initialize(self):
            self.epochs = 0
            return self

        def on_epoch_end(self, net, **kwargs):
            self.epochs += 1

    count = Count()
    callbacks = [count, ("extra", EpochScoring(lambda net, X, y: 0.0, name="zero"))]
    dae = small(callbacks=callbacks).fit(table)
    assert count.epochs == 5
    assert dae.callbacks is callbacks
    assert len(callbacks) == 2


@pytest.mark.parametrize("on_train", [False, True])
def test_an_epoch_scoring_runs_every_epoch_and_changes_nothing(small, table, on_train):
    scores = []

    def score(net, X, y=None):
        scores.append((len(X), net.predict(X).std()))
        return scores[-1][1]

    scoring = EpochScoring(score, on_train=on_train)
    frozen = {"learning_rate_init": 1e-30, "early_stopping": True}
    dae = small(callbacks=[scoring], **frozen).fit(table)
    assert len(scores) == 5
    assert scores[0][0] == (108 if on_train else 12)
    assert len(set(scores)) == 1
    assert dae.loss_curve_ == small(**frozen).fit(table).loss_curve_


def test_callback_may_stop_training_without_a_warning(small, table):
    class Stop(Callback):
        def on_epoch_end(self, net, **kwargs):
            if len(net.history) == 3:
                raise KeyboardInterrupt

    assert small(callbacks=[Stop()]).fit(table).n_iter_ == 3


def test_nothing_is_printed_without_verbose(small, table, capsys):
    small(early_stopping=True).fit(table)
    assert capsys.readouterr() == ("", "")


@pytest.mark.parametrize("early_stopping", [False, True])
def test_verbose_1_shows_one_live_line(small, table, capsys, early_stopping):
    dae = small(early_stopping=early_stopping, verbose=1).fit(table)
    out, err = capsys.readouterr()
    assert out == ""
    assert err.count("\n") == 1  # The line is overwritten until training ends.
    line = err.split("\r")[-1]
    assert "5/5" in line
    losses = dae.validation_loss_curve_ if early_stopping else dae.loss_curve_
    assert f"best={min(losses):.3g}" in line
    assert f"loss={dae.loss_curve_[-1]:.3g}" in line
    assert ("validation_loss=" in line) == early_stopping


def test_the_live_line_ends_when_training_fails(small, table, capsys):
    class Fail(Callback):
        def on_epoch_end(self, net, **kwargs):
            raise RuntimeError("no more")

    with pytest.raises(RuntimeError, match="no more") as caught:
        small(verbose=1, callbacks=[Fail()]).fit(table)
    # The exception holds the callback. So the line must be closed, not collected.
    assert caught.value.__traceback__ is not None
    assert capsys.readouterr().err.endswith("\n")


def test_verbose_2_prints_a_line_every_epoch(small, table, capsys):
    small(early_stopping=True, verbose=2).fit(table)
    lines = capsys.readouterr().out.splitlines()
    assert "train_loss" in lines[0]
    assert "valid_loss" in lines[0]
    assert len(lines) >= 2 + 5


@pytest.mark.parametrize(
    ("noise", "factor"),
    [
        ({"a": "swap", "c": ["masking", "gaussian"]}, 0.3),
        ({0: "swap", 2: None}, {"a": 0.2, "c": 0.1}),
        (["masking", lambda X, factor, rng: X + factor], [0.1, 0.2, 0.0, 0.3, 0.1]),
    ],
)
def test_noise_by_column_as_a_list_and_as_a_callable(small, table, noise, factor):
    frame = pd.DataFrame(table, columns=list("abcde"))
    dae = small(noise=noise, noise_factor=factor).fit(frame)
    assert np.isfinite(dae.transform(frame)).all()


def test_noise_dict_corrupts_the_named_columns_only(small, table):
    seen = []

    class See(Callback):
        def on_batch_begin(self, net, batch, training, **kwargs):
            _, (_, weights) = batch
            is_row = weights.numeric.any(1)  # Other rows are padding.
            seen.append((weights.numeric[is_row] > 0.5).float().mean(0).numpy())

    noise = {"b": "swap", "d": ["masking", "gaussian"], "e": None}
    factor = {"b": 0.5, "d": 0.25, "a": 0.9, "e": 0.9}
    frame = pd.DataFrame(table, columns=list("abcde"))
    small(noise=noise, noise_factor=factor, max_iter=60, callbacks=[See()]).fit(frame)
    np.testing.assert_allclose(np.mean(seen, axis=0), [0, 0.5, 0, 1, 0], atol=0.03)


def test_callable_noise_changes_what_is_learned(small, table):
    def hide_all_but_one(X, noise_factor, rng):
        X[:, 1:] = np.nan
        return X

    only_first = np.c_[table[:, :1], np.full((120, 4), np.nan)]

    def error(noise):
        dae = small(noise=noise, max_iter=200).fit(table)
        return np.square(dae.reconstruct(only_first) - table).mean()

    assert error(hide_all_but_one) < 0.9 * error(None)


@pytest.mark.parametrize("activation", ["relu", "tanh", "logistic", "gelu", "silu"])
@pytest.mark.parametrize("loss", ["squared_error", "log_loss"])
def test_result_of_a_row_does_not_depend_on_its_place(small, activation, loss):
    X = np.random.default_rng(0).random((57, 7))
    dae = small(activation=activation, loss=loss, scaling="minmax").fit(X)
    order = np.random.default_rng(1).permutation(57)
    for method in (dae.transform, dae.reconstruct, dae.score_samples):
        np.testing.assert_array_equal(method(X[order]), method(X)[order])
        np.testing.assert_array_equal(method(X[:3]), method(X)[:3])


def test_names_tell_what_a_feature_is(small):
    rng = np.random.default_rng(0)
    city = rng.choice(["Rome", "Oslo", "Bern", "Pisa"], 60, p=[0.5, 0.3, 0.1, 0.1])
    X = pd.DataFrame({"city": city, "age": rng.normal(40, 9, 60)})
    dae = small(max_categories=3).set_output(transform="pandas").fit(X)
    Z = dae.transform(X)
    rare = "infrequent"
    bins = [f"bin{number}_age" for number in range(1, 7)]
    cities = ["input_city=Rome", "input_city=Oslo", f"input_city={rare}"]
    layers = [f"layer1_{unit}" for unit in range(16)]
    latent = [f"latent{unit}" for unit in range(8)]
    assert list(Z.columns) == ["input_age", *bins, *cities, *layers, *latent]
    assert np.corrcoef(Z["input_age"], X["age"])[0, 1] > 0.99
    above = X["age"] > X["age"].median()
    assert (Z.loc[above, "bin1_age"] == Z["bin1_age"].max()).all()
    assert (Z.loc[~above, "bin6_age"] == Z["bin6_age"].min()).all()
    assert ((Z["input_city=Oslo"] > 0) == (X["city"] == "Oslo")).all()
    assert ((Z[f"input_city={rare}"] > 0) == X["city"].isin(["Bern", "Pisa"])).all()
    assert list(dae.set_params(representation="latent").fit(X).transform(X)) == latent


def test_names_of_columns_without_names_and_of_many_inputs(small):
    X = np.random.default_rng(0).normal(size=(20, 1025))
    names = small().fit(X).get_feature_names_out()
    assert names[0] == "layer1_0"
    assert len(set(names)) == 24
    names = small().fit(X[:, :3]).get_feature_names_out()
    assert list(names[:4]) == ["input_x0", "input_x1", "input_x2", "bin1_x0"]


@pytest.mark.parametrize("output", ["pandas", "polars"])
def test_levels_that_print_alike_have_different_names(small, output):
    X = pd.DataFrame({"code": pd.Series([1, "1", 2] * 20, dtype=object)})
    X["number"] = np.arange(60.0)
    Z = small().set_output(transform=output).fit(X).transform(X)
    assert len(set(Z.columns)) == Z.shape[1]


def test_zero_repairs_cells_that_masking_leaves_wrong(small):
    X = load_digits().data / 16
    black = np.where(np.random.default_rng(0).random(X.shape) < 0.5, 0.0, X)
    errors = {}
    for noise in ("zero", "masking"):
        dae = small(noise=noise, noise_factor=0.5, scaling=None, max_iter=40)
        dae.set_params(n_components=64).fit(X)
        errors[noise] = np.mean((dae.reconstruct(black) - X) ** 2)
    assert errors["zero"] < 0.8 * errors["masking"]


def test_a_frozen_transformer_is_fitted_once(small, digits):
    X, X_new, y, y_new = digits
    dae = small().fit(np.vstack([X, X_new]))
    net, expected = dae.net_, dae.transform(X)
    model = make_pipeline(FrozenEstimator(dae), LogisticRegression(max_iter=1000))
    grid = {"logisticregression__C": [0.01, 1.0]}
    search = GridSearchCV(model, grid, cv=3).fit(X, y)
    found = cross_validate(model, X, y, cv=3, return_estimator=True)["estimator"]
    for fitted in (search.best_estimator_, *found):
        assert fitted[0].estimator is dae
    assert dae.net_ is net
    np.testing.assert_array_equal(dae.transform(X), expected)
    assert search.score(X_new, y_new) > 0.8


def test_principal_components_of_the_features_keep_the_accuracy(digits):
    X, X_new, y, y_new = digits
    dae = DenoisingAutoencoderTransformer(max_iter=5, random_state=0)
    pca = PCA(128, svd_solver="randomized", random_state=0)
    compact = make_pipeline(dae, pca).fit(X)
    assert compact.transform(X).shape == (300, 128)
    accuracy = [
        LogisticRegression(max_iter=1000)
        .fit(features.transform(X), y)
        .score(features.transform(X_new), y_new)
        for features in (compact, compact[:1])
    ]
    assert accuracy[0] > accuracy[1] - 0.02
