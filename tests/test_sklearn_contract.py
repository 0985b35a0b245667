"""All checks of scikit-learn, and its tools that use an estimator."""

import pickle
import subprocess
import sys
from copy import deepcopy
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import sklearn
from joblib import Parallel, delayed, parallel_config
from sklearn import set_config
from sklearn.base import clone
from sklearn.cluster import KMeans
from sklearn.compose import make_column_transformer
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import make_pipeline, make_union
from sklearn.preprocessing import StandardScaler
from sklearn.utils import estimator_checks, estimator_html_repr
from sklearn.utils.estimator_checks import parametrize_with_checks

from sklearn_dae import DenoisingAutoencoderTransformer
from sklearn_dae._compat import as_tuple

from .helpers import small, tiny_network

FAST = partial(small, max_iter=3)
ESTIMATORS = [
    DenoisingAutoencoderTransformer(max_iter=2),
    FAST(noise="swap"),
    FAST(noise="masking"),
    FAST(noise="zero"),
    FAST(noise="salt_and_pepper"),
    FAST(noise="gaussian"),
    FAST(noise=["masking", "gaussian"]),
    FAST(noise=None),
    FAST(loss="absolute_error"),
    FAST(loss="log_loss", scaling="minmax", noise="gaussian"),
    FAST(representation="latent"),
    FAST(scaling="minmax"),
    FAST(scaling="quantile"),
    FAST(scaling=None),
    FAST(early_stopping=True),
    FAST(hidden_layer_sizes=(), activation="tanh", random_state=None),
    FAST(network=tiny_network),
]


@parametrize_with_checks(ESTIMATORS)
def test_scikit_learn_check(estimator, check):
    check(estimator)


UNLISTED_CHECKS = [
    "check_param_validation",
    "check_set_output_transform",
    "check_set_output_transform_pandas",
    "check_set_output_transform_polars",
    "check_global_output_transform_pandas",
    "check_global_set_output_transform_polars",
    "check_transformer_get_feature_names_out",
    "check_transformer_get_feature_names_out_pandas",
    "check_get_feature_names_out_error",
    "check_dataframe_column_names_consistency",
    "check_inplace_ensure_writeable",
]


# Four of these checks fit on a DataFrame and then pass an array.
@pytest.mark.filterwarnings("ignore:X (has|does not have valid) feature names")
@pytest.mark.parametrize("name", UNLISTED_CHECKS)
def test_check_that_check_estimator_does_not_list(name):
    estimator = FAST()
    getattr(estimator_checks, name)(type(estimator).__name__, estimator)


def test_fitted_copies_give_bit_equal_features(digits):
    X, X_test, *_ = digits
    dae = small().fit(X)
    expected = dae.transform(X_test)
    for copy in (
        pickle.loads(pickle.dumps(dae)),
        deepcopy(dae),
        clone(dae).fit(X),
    ):
        np.testing.assert_array_equal(copy.transform(X_test), expected)


def features_of(X, X_test):
    """Fit a transformer on `X` and compute the features of `X_test`."""
    return small().fit(X).transform(X_test)


def test_grid_search_in_two_processes_over_a_cached_pipeline(digits, tmp_path):
    X, _, y, _ = digits
    pipeline = make_pipeline(
        small(), LogisticRegression(max_iter=2000), memory=str(tmp_path)
    )
    grid = {"denoisingautoencodertransformer__noise_factor": [0.1, 0.3]}
    search = GridSearchCV(pipeline, grid, cv=2, n_jobs=2).fit(X, y)
    sequential = GridSearchCV(clone(pipeline), grid, cv=2).fit(X, y)
    # The solver of the classifier rounds differently with another number of threads.
    # This can change a few of the 300 predictions.
    np.testing.assert_allclose(
        search.cv_results_["mean_test_score"],
        sequential.cv_results_["mean_test_score"],
        atol=0.02,
    )
    assert search.best_score_ > 0.6


def test_features_of_another_process_are_the_same_bits(digits):
    X, X_test, *_ = digits
    expected = features_of(X, X_test)
    with parallel_config("loky", n_jobs=2):
        for features in Parallel()([delayed(features_of)(X, X_test)] * 2):
            np.testing.assert_array_equal(features, expected)


NOTEBOOK = """
import sys, cloudpickle, joblib, numpy as np, torch
from sklearn.model_selection import cross_validate
from sklearn.pipeline import make_union
from sklearn_dae import DenoisingAutoencoderTransformer

class Encoder(torch.nn.Module):
    def __init__(self, n_inputs, n_components):
        super().__init__()
        self.layer = torch.nn.Linear(n_inputs, n_components)

    def forward(self, inputs):
        return self.layer(inputs).relu()

def network(n_inputs, n_components):
    return Encoder(n_inputs, n_components), torch.nn.Linear(n_components, n_inputs)

def noise(X, noise_factor, rng):
    return X + 1.0

if __name__ == "__main__":
    X = np.random.default_rng(0).normal(size=(60, 4))
    dae = DenoisingAutoencoderTransformer(
        4, network=network, noise=["swap", noise], max_iter=2, random_state=0
    )
    Z = dae.fit_transform(X)
    union = make_union(dae, dae, n_jobs=2).fit(X)
    assert (union.transform(X)[:, :8] == Z).all()
    found = cross_validate(dae, X, cv=2, n_jobs=2, return_estimator=True)
    assert all(np.isfinite(e.transform(X)).all() for e in found["estimator"])
    with open(sys.argv[1], "wb") as file:
        cloudpickle.dump((dae.partial_fit(X), X, dae.transform(X)), file)
"""


def test_a_network_of_a_notebook_works_in_several_processes_and_files(tmp_path):
    script, path = tmp_path / "notebook.py", tmp_path / "file"
    script.write_text(NOTEBOOK)
    read = (
        "import pickle, sys; dae, X, Z = pickle.load(open(sys.argv[1], 'rb')); "
        "assert (dae.transform(X) == Z).all(); assert dae.partial_fit(X).n_iter_ == 4"
    )
    for command in ([str(script)], ["-c", read]):
        subprocess.run([sys.executable, *command, str(path)], check=True)


def test_search_without_labels_uses_score(digits):
    X = digits[0]
    search = GridSearchCV(small(), {"noise": ["swap", "masking"]}, cv=2).fit(X)
    assert len(set(search.cv_results_["mean_test_score"])) == 2


def test_feature_union_and_column_transformer(table):
    frame = pd.DataFrame(table, columns=list("abcde"))
    union = make_union(StandardScaler(), small())
    assert union.fit_transform(frame).shape == (120, 5 + 35 + 24)
    columns = make_column_transformer(
        (small(), ["a", "c", "d"]), remainder="passthrough"
    )
    out = columns.set_output(transform="pandas").fit_transform(frame)
    assert out.shape == (120, 21 + 24 + 2)
    np.testing.assert_array_equal(out["remainder__b"], frame["b"])


def test_global_pandas_output_changes_the_container_and_no_number(table):
    plain = small().fit_transform(table)
    set_config(transform_output="pandas")
    try:
        frame = small().fit_transform(table)
    finally:
        set_config(transform_output="default")
    assert isinstance(frame, pd.DataFrame)
    assert list(frame.columns[:2]) == ["input_x0", "input_x1"]
    np.testing.assert_array_equal(frame, plain)


def test_clusterer_and_classifier_after_the_transformer(digits):
    X, _, y, _ = digits
    assert make_pipeline(small(), KMeans(3, n_init=1)).fit_predict(X).shape == (300,)
    pipeline = make_pipeline(small(), LogisticRegression(max_iter=2000))
    assert cross_val_score(pipeline, X, y.astype(str), cv=2).mean() > 0.6


def test_repr_shows_only_changed_parameters():
    dae = DenoisingAutoencoderTransformer(noise="masking")
    assert repr(dae) == "DenoisingAutoencoderTransformer(noise='masking')"
    assert "DenoisingAutoencoderTransformer" in dae._repr_html_()


def test_the_html_representation_links_to_the_documentation(table):
    dae = small().fit(table)
    page = "generated/sklearn_dae.DenoisingAutoencoderTransformer.html"
    html = estimator_html_repr(dae)
    assert page in html
    scikit_learn = as_tuple(sklearn.__version__)
    if scikit_learn >= (1, 8):
        for name in dae.get_params():
            assert f"{page}#:~:text={name},-" in html
    if scikit_learn >= (1, 9):
        for name in ("loss_curve_", "net_"):
            assert f"{page}#:~:text={name},-" in html
        assert "Validation loss of the weights with" in html
    api = (Path(__file__).parent.parent / "docs" / "api.rst").read_text()
    assert ":toctree: generated/" in api
