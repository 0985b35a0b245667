"""Bad input: an error with name, value, rule and remedy, or a documented result."""

import os
import signal

import numpy as np
import pandas as pd
import polars as pl
import pytest
from scipy import sparse
from sklearn.exceptions import ConvergenceWarning, NotFittedError
from skorch.callbacks import (
    BatchScoring,
    Callback,
    Checkpoint,
    EarlyStopping,
    EpochScoring,
    Freezer,
    LRScheduler,
    ParamMapper,
)

from sklearn_dae import ConvNetwork, RepairedCellsDisplay
from sklearn_dae._parameters import NOISE_NAMES

from .helpers import tiny_network

FRAME = pd.DataFrame(np.random.default_rng(0).random((30, 3)), columns=list("abc"))


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"n_components": 0}, r"'n_components' .* range \[1, inf\). Got 0"),
        ({"hidden_layer_sizes": (8, 0)}, r"'hidden_layer_sizes' .* Got \(8, 0\)"),
        ({"hidden_layer_sizes": [[8], 8]}, r"must hold integers .* Got \[\[8\], 8\]"),
        ({"hidden_layer_sizes": (True,)}, "'hidden_layer_sizes' must hold integers"),
        ({"hidden_layer_sizes": (8.5,)}, "'hidden_layer_sizes' must hold integers"),
        ({"activation": "swish"}, "'activation' .* Got 'swish'"),
        ({"representation": "all"}, "'representation' .* Got 'all'"),
        ({"noise": "dropout"}, "'noise' .* Got 'dropout'"),
        ({"noise": ["swap", "blur"]}, r"'noise' must be one of .*swap.* Got 'blur'"),
        (
            {"noise": {"z": "swap"}},
            r"'noise' contains the column 'z', .*\['a', 'b', 'c'\]",
        ),
        ({"noise": {3: "swap"}}, "'noise' contains the column 3, but .* from 0 to 2"),
        ({"noise": {"a": "blur"}}, "'noise' for column 'a' .* None. Got 'blur'"),
        (
            {"noise": {"a": "swap", 0: None}},
            "'noise' contains .* twice, as 'a' and as 0",
        ),
        ({"noise_factor": -0.1}, "'noise_factor' .* Got -0.1"),
        ({"noise_factor": 1.5}, "'swap' .* at most 1. Got 1.5. Only 'gaussian'"),
        ({"noise_factor": [0.1, 0.2]}, r"each of the 3 columns.* shape \(2,\)"),
        ({"noise_factor": [0.1, 0.2, np.nan]}, "'noise_factor' must be finite"),
        ({"noise_factor": {0: 0.1, "a": 0.5}}, "'noise_factor' contains .* twice"),
        ({"noise_factor": {"q": 0.5}}, "'noise_factor' contains the column 'q'"),
        ({"noise_factor": ["a", 0.1, 0.2]}, "'noise_factor' must hold numbers"),
        ({"noise_factor": {0: "x"}}, "'noise_factor' must hold numbers"),
        ({"min_value": "low"}, "'min_value' .* Got 'low'"),
        ({"min_value": np.nan}, "'min_value' .* Got nan"),
        ({"max_value": [0.1, 0.2]}, r"'max_value' .* each of the 3 .* shape \(2,\)"),
        ({"max_value": {"q": 0.5}}, "'max_value' contains the column 'q'"),
        ({"min_value": 2, "max_value": {"b": 1}}, "Got 2.0 and 1.0 for column 'b'"),
        ({"emphasis": 0.0}, r"'emphasis' .* \(0.0, 1.0\]. Got 0.0"),
        ({"emphasis": 1.0, "noise": None}, "emphasis=1.0 .* smaller 'emphasis'"),
        ({"emphasis": 1.0, "noise_factor": 0.0}, "emphasis=1.0 .* 'noise_factor'"),
        ({"loss": "mse"}, "'loss' .* Got 'mse'"),
        ({"loss": "log_loss"}, "scaling='standard' .* Set scaling='minmax'"),
        ({"scaling": "robust"}, "'scaling' .* Got 'robust'"),
        ({"learning_rate_init": 0.0}, "'learning_rate_init' .* Got 0.0"),
        ({"batch_size": 0}, "'batch_size' .* Got 0"),
        ({"max_iter": 0}, "'max_iter' .* Got 0"),
        ({"weight_decay": -1.0}, "'weight_decay' .* Got -1.0"),
        ({"validation_fraction": 1.0}, "'validation_fraction' .* Got 1.0"),
        ({"callbacks": "print"}, "'callbacks' .* Got 'print'"),
        ({"callbacks": [print]}, "'callbacks' must hold skorch callbacks"),
        ({"callbacks": [("a", "b", Callback())]}, "'callbacks' must hold skorch"),
        ({"callbacks": [LRScheduler()]}, "the learning rate.*Got <.*LRScheduler"),
        (
            {"callbacks": [("a", Freezer("*"))]},
            "cannot freeze.* Remove the callback. Got .'a', <",
        ),
        ({"callbacks": [ParamMapper("*")]}, "cannot freeze or set parameters"),
        (
            {"callbacks": [BatchScoring("r2")]},
            "cannot score batches.* Use an EpochScoring",
        ),
        ({"callbacks": [EpochScoring("r2")]}, r"scoring\(net, X, y=None\).* Got 'r2'"),
        (
            {"callbacks": [EarlyStopping()]},
            "monitors 'valid_loss', .*or .*'train_loss'",
        ),
        ({"callbacks": [Checkpoint()]}, "'valid_loss_best', .*or .*'train_loss_best'"),
        ({"device": "meta"}, "'device' .* such as 'cpu'. Got 'meta'"),
        ({"device": "abacus"}, "'device' .* such as 'cpu'. Got 'abacus'"),
        ({"device": "hpu"}, "'device' .* Got 'hpu': .* Set device='cpu'"),
        ({"device": "privateuseone"}, "Got 'privateuseone': No module.* Set device="),
        ({"random_state": -1}, "'random_state' .* Got -1"),
    ],
)
def test_wrong_parameters_are_named_with_the_rule(small, params, message):
    dae = small(**params)
    with pytest.raises(ValueError, match=message):
        dae.fit(FRAME)
    assert not hasattr(dae, "net_")


def test_column_names_in_parameters_need_a_table_with_names(small):
    with pytest.raises(ValueError, match="a table without names"):
        small(noise={"a": "swap"}).fit(FRAME.to_numpy())


def test_log_loss_outside_the_unit_range_names_column_and_remedy(small):
    X = FRAME.to_numpy().copy()
    X[3, 1] = 1.25
    dae = small(loss="log_loss", scaling=None)
    with pytest.raises(ValueError, match=r"column 1 .* to 1.25. Set scaling='minmax'"):
        dae.fit(X)
    assert np.isfinite(dae.fit(FRAME.to_numpy()).loss_curve_[-1])


@pytest.mark.parametrize(
    "make",
    [
        np.asarray,
        sparse.csr_array,
        lambda X: pd.DataFrame(X, columns=list("abc")),
        lambda X: pd.DataFrame(X, columns=list("abc")).assign(d="x"),
        lambda X: pl.DataFrame(X, schema=list("abc")),
    ],
)
def test_infinity_is_refused(small, make):
    X = FRAME.to_numpy().copy()
    X[4, 1] = np.inf
    name = "'b'" if hasattr(make(X), "columns") else 1
    message = rf"Column {name} of X contains infinity, .* Replace it by a finite number"
    with pytest.raises(ValueError, match=message):
        small().fit(make(X))
    dae = small().fit(make(FRAME.to_numpy()))
    with pytest.raises(ValueError, match=message):
        dae.transform(make(X))


@pytest.mark.parametrize(
    ("X", "message"),
    [
        (np.empty((0, 3)), r"0 sample\(s\) .* minimum of 2"),
        (np.ones((1, 3)), r"1 sample\(s\) .* minimum of 2"),
        (np.empty((5, 0)), r"0 feature\(s\)"),
        (np.ones(5), "Expected 2D array"),
        (
            [["a", 1.0], ["b", 2.0]],
            "Column 0 .*could not convert .*'a'. Name .* 'categorical_features'",
        ),
        (pd.DataFrame(index=range(5)), r"0 feature\(s\). Pass a table with columns"),
        ([{"a": 1.0}, {"a": 2.0}], r"of type dict.* Pass pandas.DataFrame\(X\)"),
        ({"a": [1.0, 2.0]}, r"X is a dict, .* Pass pandas.DataFrame\(X\)"),
        ([[1.0, 2.0], [3.0]], "must have one length, .* from 1 to 2. Fill short rows"),
        (np.array([["2020"], ["2021"]], "datetime64[D]"), "Convert dates to numbers"),
    ],
)
def test_tables_that_cannot_be_fitted(small, X, message):
    with pytest.raises((TypeError, ValueError), match=message):
        small().fit(X)


METHODS = [
    "fit",
    "partial_fit",
    "transform",
    "inverse_transform",
    "reconstruct",
    "impute",
    "score",
    "score_samples",
    "cell_errors",
]


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("categories", [False, True])
def test_a_lazy_frame_is_refused_by_all_methods(small, method, categories):
    frame = pl.DataFrame({"a": [1.0, 2.0, 4.0], "b": [3.0, 1.0, 2.0]})
    if categories:
        frame = frame.with_columns(c=pl.Series(["x", "y", "x"]))
    dae = small() if method == "fit" else small().fit(frame)
    with pytest.raises(
        TypeError, match=r"X is a LazyFrame of polars.* Pass X.collect\(\)"
    ):
        getattr(dae, method)(frame.lazy())


def test_a_display_refuses_a_lazy_frame(small):
    frame = pl.DataFrame({"a": [1.0, 2.0, 4.0], "b": [3.0, 1.0, 2.0]})
    with pytest.raises(TypeError, match=r"Pass X.collect()"):
        RepairedCellsDisplay.from_estimator(small().fit(frame), frame.lazy())


@pytest.mark.parametrize("library", [pd, pl])
def test_text_in_a_column_of_numbers_names_it(small, library):
    frame = library.DataFrame({"a": [1.0, 2.0], "b": [1.0, 3.0]})
    text = library.DataFrame({"a": [1.0, 2.0], "b": ["1", "q"]})
    with pytest.raises(ValueError, match="Column 'b' must hold numbers, as in fit"):
        small().fit(frame).transform(text)


def test_validation_rows_must_leave_training_rows(small):
    dae = small(early_stopping=True, validation_fraction=0.99)
    with pytest.raises(ValueError, match=r"=0.99 leaves none of 30 rows to train on"):
        dae.fit(FRAME)


@pytest.mark.parametrize(
    ("params", "X_val", "message"),
    [
        ({}, FRAME, "X_val holds validation rows for early stopping, but early_sto"),
        ({"early_stopping": True}, FRAME.iloc[:, :2], "X_val cannot be used: .*feat"),
        ({"early_stopping": True}, FRAME.iloc[:0], "X_val cannot be used: .*0 sample"),
        ({"early_stopping": True}, FRAME + np.inf, "X_val cannot be used: .*infinity"),
        (
            {"early_stopping": True, "loss": "log_loss", "scaling": "minmax"},
            FRAME + 1e6,
            "X_val cannot be used: loss='log_loss' needs values in",
        ),
    ],
)
def test_validation_rows_that_cannot_be_used(small, params, X_val, message):
    dae = small().fit(FRAME)
    before = dae.transform(FRAME)
    dae.set_params(**params)
    with pytest.raises(ValueError, match=message):
        dae.fit(FRAME, X_val=X_val)
    assert (dae.transform(FRAME) == before).all()


def test_column_names_must_be_unique(small):
    frame = FRAME.set_axis(["a", "b", "a"], axis=1)
    with pytest.raises(
        ValueError, match=r"names must be unique. Got \['a', 'b', 'a'\]"
    ):
        small().fit(frame)


@pytest.mark.parametrize("n_columns", [2, 4])
@pytest.mark.parametrize(
    "method",
    ["transform", "reconstruct", "impute", "score", "score_samples", "cell_errors"],
)
def test_other_number_of_columns(small, method, n_columns):
    dae = small().fit(FRAME.to_numpy())
    with pytest.raises(ValueError, match=f"X has {n_columns} features.* expecting 3"):
        getattr(dae, method)(np.ones((5, n_columns)))


def test_inverse_transform_of_another_width(small):
    with pytest.raises(ValueError, match=r"X has 5 features, .* the 45 .* the 8 "):
        small().fit(FRAME).inverse_transform(np.ones((2, 5)))


@pytest.mark.parametrize("method", [*METHODS[2:], "get_feature_names_out"])
def test_unfitted_transformers_are_refused(small, method):
    arguments = [] if method == "get_feature_names_out" else [FRAME]
    with pytest.raises(NotFittedError):
        getattr(small(), method)(*arguments)


@pytest.mark.parametrize(
    ("params", "columns", "message"),
    [
        ({"noise": lambda X, factor, rng: X[:1]}, ["a", "b", "c"], "shape"),
        ({"noise_factor": [0.1, 0.2, 0.3]}, ["a", "b"], "each of the 2 columns"),
        ({"learning_rate_init": 1e30, "max_iter": 20}, ["c", "a"], "diverged"),
    ],
)
def test_failed_refit_leaves_the_fitted_transformer(small, params, columns, message):
    dae = small(activation="identity").fit(FRAME)
    Z = dae.transform(FRAME)
    with pytest.raises((ValueError, FloatingPointError), match=message):
        dae.set_params(**params).fit(FRAME[columns])
    np.testing.assert_array_equal(dae.transform(FRAME), Z)
    assert dae.feature_names_in_.tolist() == ["a", "b", "c"]


def test_emphasis_1_is_allowed_with_a_callable_noise(small):
    params = {"noise": lambda X, factor, rng: 0 * X, "noise_factor": 0.0}
    assert small(emphasis=1.0, **params).fit(FRAME).best_loss_ > 0


def test_enormous_values_do_not_overflow(small):
    dae = small().fit(FRAME)
    odd = FRAME.assign(a=1e200)
    assert np.isfinite(dae.transform(odd)).all()
    assert (dae.score_samples(odd) < -50).all()
    assert (dae.cell_errors(odd)["a"] > 200).all()
    assert np.isfinite(dae.cell_errors(odd)).all(axis=None)


def test_objects_and_infinity_with_an_empty_list_of_categorical_columns(small):
    dae = small(categorical_features=[])
    assert dae.fit(FRAME.to_numpy(dtype=object)).n_features_in_ == 3
    X = FRAME.to_numpy().copy()
    X[0, 0] = np.inf
    with pytest.raises(ValueError, match="contains infinity"):
        dae.fit(X)


def test_one_column(small):
    X = FRAME[["a"]]
    dae = small(noise="masking", max_iter=50).fit(X)
    assert dae.transform(X).shape == (30, 7 + 24)
    assert abs(dae.score(X)) < 0.5


@pytest.mark.parametrize("scaling", ["standard", "minmax", "quantile", None])
@pytest.mark.parametrize("noise", NOISE_NAMES)
def test_constant_and_all_missing_columns(small, scaling, noise):
    X = np.c_[FRAME, np.full(30, 7.1), np.full(30, np.nan)]
    dae = small(scaling=scaling, noise=noise).fit(X)
    values = dae.reconstruct(X)
    assert (values[:, 3] == 7.1).all()
    assert (values[:, 4] == 0).all()
    other = np.c_[FRAME, np.full(30, -1e9), np.full(30, 5.0)]
    np.testing.assert_allclose(dae.transform(other), dae.transform(X), atol=1e-6)
    assert np.isfinite(dae.score(X))
    assert (dae.cell_errors(other)[:, 3] > 100).all()


def test_a_table_of_constant_columns(small):
    X = np.ones((10, 2))
    dae = small().fit(X)
    assert np.isnan(dae.loss_curve_).all()
    assert dae.n_iter_ == 5
    assert (dae.reconstruct(X) == 1).all()
    assert dae.score(X) == 0.0
    assert dae.score(X + 1) == 0.0


def test_column_with_values_in_the_last_rows_only(small):
    X = np.random.default_rng(0).normal(5, 2, size=(20_000, 2))
    X[:17_000, 1] = np.nan
    dae = small(max_iter=1, hidden_layer_sizes=(), n_components=2).fit(X)
    assert abs(dae._model.codec.statistics_.mean[1] - 5) < 0.2


@pytest.mark.parametrize("nullable", [True, False])
def test_missing_values_of_pandas_and_polars(small, holes, nullable):
    names = list("abcde")
    as_array = small().fit(holes).transform(holes)
    frame = pd.DataFrame(holes, columns=names)
    if nullable:
        frame = frame.astype("Float64")
    np.testing.assert_array_equal(small().fit(frame).transform(frame), as_array)
    frame = pl.DataFrame(holes, schema=names, nan_to_null=nullable)
    np.testing.assert_array_equal(small().fit(frame).transform(frame), as_array)


def test_divergence_names_the_learning_rate(small):
    dae = small(learning_rate_init=1e30, activation="identity", max_iter=20)
    with pytest.raises(FloatingPointError, match=r"learning_rate_init=1e\+30. Try"):
        dae.fit(FRAME)
    assert not hasattr(dae, "net_")


@pytest.mark.parametrize(
    "params", [{"activation": "tanh"}, {"representation": "latent"}]
)
def test_warm_start_with_another_activation_or_representation(small, params):
    dae = small(warm_start=True).fit(FRAME)
    with pytest.raises(ValueError, match="now describe another network"):
        dae.set_params(**params).fit(FRAME)


def test_warm_start_with_values_outside_the_range_of_the_first_fit(small):
    dae = small(loss="log_loss", scaling="minmax", warm_start=True).fit(FRAME)
    with pytest.raises(ValueError, match=r"column 'a' .* warm_start=False"):
        dae.fit(FRAME * 50)


def test_warm_start_with_other_sizes(small):
    X = FRAME.to_numpy()
    dae = small(warm_start=True).fit(X)
    with pytest.raises(ValueError, match=r"(?s)another network.*out_features=8.*=9"):
        dae.set_params(n_components=9).fit(X)
    with pytest.raises(ValueError, match="expecting 3 features"):
        dae.set_params(n_components=8).fit(X[:, :2])


class PressCtrlC(Callback):
    def __init__(self, epoch=3, training=True):
        self.epoch = epoch
        self.training = training

    def on_batch_end(self, net, training, **kwargs):
        if training == self.training and len(net.history) == self.epoch:
            os.kill(os.getpid(), signal.SIGINT)


@pytest.fixture
def sigint():
    # A process in the background may ignore the signal.
    handler = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, handler)


@pytest.mark.usefixtures("sigint")
@pytest.mark.parametrize("early_stopping", [True, False])
def test_ctrl_c_keeps_the_current_weights_and_warns(small, early_stopping):
    dae = small(callbacks=[PressCtrlC()], early_stopping=early_stopping)
    message = "interrupted by user after 2 epochs"
    with pytest.warns(ConvergenceWarning, match=message) as caught:
        dae.fit(FRAME)
    assert caught[0].filename == __file__
    assert dae.n_iter_ == len(dae.loss_curve_) == 2
    assert np.isfinite(dae.transform(FRAME)).all()


@pytest.mark.usefixtures("sigint")
@pytest.mark.parametrize("early_stopping", [True, False])
def test_ctrl_c_in_the_first_epoch(small, early_stopping):
    dae = small(callbacks=[PressCtrlC(epoch=1)], early_stopping=early_stopping)
    with pytest.warns(ConvergenceWarning, match="after 0 epochs"):
        dae.fit(FRAME)
    assert dae.n_iter_ == 0
    assert dae.loss_curve_ == dae.validation_loss_curve_ == []
    assert dae.best_loss_ == np.inf
    assert np.isfinite(dae.transform(FRAME)).all()


@pytest.mark.usefixtures("sigint")
def test_ctrl_c_before_the_validation_loss_is_known(small):
    dae = small(callbacks=[PressCtrlC(training=False)], early_stopping=True)
    with pytest.warns(ConvergenceWarning, match="after 3 epochs"):
        dae.fit(FRAME)
    assert len(dae.loss_curve_) == len(dae.validation_loss_curve_) == 3
    assert np.isnan(dae.validation_loss_curve_).tolist() == [False, False, True]
    assert dae.best_loss_ == min(dae.validation_loss_curve_[:2])


def test_an_identifier_column_gives_a_warning(small):
    n_rows = 300
    frame = pd.DataFrame({"n": np.arange(n_rows) % 7, "kind": list("ab") * 150})
    small().fit(frame)
    frame["id"] = [f"no. {i}" for i in range(n_rows)]
    with pytest.warns(
        UserWarning, match=r"'id' is categorical.*300 different.*300 rows"
    ):
        small().fit(frame)


@pytest.mark.parametrize("noise", [lambda X, noise_factor: X, lambda rows: rows])
def test_a_noise_with_other_arguments_is_refused_before_training(small, table, noise):
    with pytest.raises(ValueError, match=r"must take \(X, noise_factor, rng\).*Got"):
        small(noise=noise).fit(table)


def test_an_array_after_a_fit_on_a_dataframe_asks_for_a_dataframe(small):
    frame = pd.DataFrame({"n": range(20), "kind": list("ab") * 10})
    dae = small().fit(frame)
    given = frame.astype(object).to_numpy()
    given[0, 0] = "many"
    with (
        pytest.warns(UserWarning, match="valid feature names"),
        pytest.raises(ValueError, match=r"must hold numbers.*Pass a DataFrame, as in"),
    ):
        dae.transform(given)


def test_inverse_transform_refuses_a_table(small):
    frame = pd.DataFrame({"n": range(20), "kind": list("ab") * 10})
    dae = small().fit(frame)
    with pytest.raises(ValueError, match="X has 2 features, but inverse_transform"):
        dae.inverse_transform(frame)


@pytest.mark.parametrize("network", ["mlp", tiny_network])
@pytest.mark.parametrize(
    "name", ["network__channels", "noise__p", "hidden_layer_sizes__n"]
)
def test_parameters_of_what_has_none_are_refused(small, network, name):
    outer = name.partition("__")[0]
    dae = small(network=network)
    with pytest.raises(ValueError, match=f"'{name}' cannot be set, because {outer}="):
        dae.set_params(**{name: 1})
    with pytest.raises(ValueError, match="Invalid parameter 'unknown'"):
        dae.set_params(unknown__p=1)


def test_parameters_of_a_network_may_be_set_together_with_it(small):
    network = ConvNetwork((1, 1, 3))
    dae = small().set_params(network__channels=(4,), network=network)
    assert dae.network.channels == (4,)
    with pytest.raises(ValueError, match=r"because network='mlp' has no parameters"):
        dae.set_params(network="mlp", network__channels=(4,))


@pytest.mark.parametrize("method", ["predict", "predict_proba", "forward"])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_the_net_refuses_rows_of_a_table(small, table, method, dtype):
    net = small().fit(table).net_
    with pytest.raises(TypeError, match=r"scaled cells.*transform, reconstruct"):
        getattr(net, method)(table.astype(dtype))


@pytest.mark.parametrize("network", [int, str, dict, list, object])
def test_a_class_of_python_is_no_network(small, table, network):
    with pytest.raises((TypeError, ValueError), match="'network' must take two argum"):
        small(network=network).fit(table)


@pytest.mark.parametrize("value", [3e38, -3e38])
@pytest.mark.parametrize(
    "params",
    [
        {},
        {"scaling": "minmax"},
        {"scaling": None},
        {"scaling": "quantile"},
        {"representation": "latent"},
        {"network": tiny_network},
    ],
)
def test_huge_features_are_refused_and_large_ones_are_decoded(small, value, params):
    frame = FRAME.assign(n=range(30), kind=["x", "y"] * 15)
    dae = small(**params).fit(frame)
    features = dae.transform(frame).astype(np.float64)
    features[3] = np.where(np.arange(features.shape[1]) % 2, value, -value)
    with pytest.raises(ValueError, match="Row 3 of X holds numbers so large that no"):
        dae.inverse_transform(features)
    features[3] = 1e300
    with pytest.raises(ValueError, match="Input X contains infinity or a value too"):
        dae.inverse_transform(features)
    features[3] = value / 1e26
    back = dae.inverse_transform(features)
    assert np.isfinite(back[list("abc")].to_numpy()).all()
    assert back["n"].dtype == np.int64
    assert back["n"].min() > np.iinfo(np.int64).min


def test_huge_features_of_a_deep_network_are_refused(small):
    dae = small(representation="latent").fit(FRAME)
    features = np.where(np.arange(8) % 2, 3e38, -3e38) * np.ones((5, 1))
    with pytest.raises(ValueError, match="Row 0 of X holds numbers so large"):
        dae.inverse_transform(features)


def test_a_row_without_observed_cells_scores_zero_without_a_sign(small):
    dae = small().fit(FRAME)
    scores = dae.score_samples(FRAME.assign(a=np.nan, b=np.nan, c=np.nan))
    assert scores.tolist() == [0.0] * 30
    assert not np.signbit(scores).any()


def test_rows_are_checked_when_they_are_an_array(small):
    X = np.random.default_rng(0).normal(size=(20, 3)).astype("f4")
    dae = small().fit(X)
    with pytest.raises(ValueError, match=r"0 sample\(s\)"):
        dae.transform(X[:0])
    with pytest.raises(TypeError, match=r"np\.matrix is not supported"):
        dae.transform(X.view(np.matrix))
    with pytest.raises(ValueError, match="'a'"):
        dae.transform(np.full((2, 3), "a"))
    named = small().fit(pd.DataFrame(X, columns=["a", "b", "c"]))
    with pytest.warns(UserWarning, match="does not have valid feature names"):
        found = named.transform(X)
    np.testing.assert_array_equal(found, dae.transform(X))
