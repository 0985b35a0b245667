"""Saved transformers: what a state holds, who can open it, and what is refused."""

import copy
import pickle
import re
import subprocess
import sys
import warnings

import joblib
import numpy as np
import pandas as pd
import polars as pl
import pytest
import skops.io
import torch
from scipy import sparse
from sklearn.base import clone
from sklearn.compose import make_column_transformer
from sklearn.exceptions import InconsistentVersionWarning
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import sklearn_dae
from sklearn_dae import ConvNetwork, DenoisingAutoencoderTransformer
from sklearn_dae._state import FORMAT, to_state

from .helpers import small, tiny_network
from .saved.write import FOLDER
from .saved.write import table as mixed

OURS = "sklearn_dae._transformer.DenoisingAutoencoderTransformer"
CONV = "sklearn_dae._networks.conv.ConvNetwork"
NUMBERS = np.random.default_rng(0).normal(size=(60, 4))
CASES = {
    "frame": (small(), mixed()),
    "array": (small(early_stopping=True), NUMBERS),
    "float32": (small(scaling=None, activation="silu"), NUMBERS.astype(np.float32)),
    "lists": (small(categorical_features=[1]), [[1.5, "a"], [2.5, "b"], [0, None]] * 9),
    "sparse": (small(), sparse.csr_matrix(np.maximum(NUMBERS, 0))),
    "quantile": (small(scaling="quantile", representation="latent"), NUMBERS),
    "log_loss": (small(scaling="minmax", loss="log_loss"), NUMBERS),
    "rare": (small(max_categories=2).set_output(transform="pandas"), mixed()),
    "images": (small(network=ConvNetwork((1, 2, 2), channels=[3])), NUMBERS),
    "polars": (small(), None),
}


def as_skops(dae):
    data = skops.io.dumps(dae)
    return skops.io.loads(data, trusted=skops.io.get_untrusted_types(data=data))


def as_pickle(dae):
    return pickle.loads(pickle.dumps(dae))


def as_memory_map(dae, path):
    joblib.dump(dae, path)
    return joblib.load(path, mmap_mode="r")


@pytest.fixture(scope="module", params=CASES)
def fitted(request):
    dae, X = CASES[request.param]
    if X is None:
        X = pl.from_pandas(mixed().drop(columns="kind"))
    return clone(dae).fit(X), X


@pytest.mark.parametrize("way", ["pickle", "skops", "deepcopy", "memory map"])
def test_a_copy_computes_the_same_bits(fitted, way, tmp_path):
    dae, X = fitted
    loaded = {
        "pickle": as_pickle,
        "skops": as_skops,
        "deepcopy": copy.deepcopy,
        "memory map": lambda dae: as_memory_map(dae, tmp_path / "dae"),
    }[way](dae)
    for method in ("transform", "reconstruct", "score_samples", "impute"):
        assert_same(getattr(loaded, method)(X), getattr(dae, method)(X))
    assert loaded.score(X) == dae.score(X)
    assert (
        loaded.get_feature_names_out().tolist() == dae.get_feature_names_out().tolist()
    )
    assert vars(loaded).keys() == vars(dae).keys()
    assert list(loaded.net_.history) == list(dae.net_.history)
    for name in ("loss_curve_", "validation_loss_curve_", "n_iter_", "best_loss_"):
        assert getattr(loaded, name) == getattr(dae, name)
    weights = loaded.net_.module_.state_dict()
    for name, tensor in dae.net_.module_.state_dict().items():
        assert weights[name].equal(tensor)
        assert not tensor.numel() or weights[name].data_ptr() != tensor.data_ptr()
    # Also what comes after training and a second copy.
    dae = as_pickle(dae).set_params(early_stopping=False)
    again = as_skops(loaded).set_params(early_stopping=False)
    assert_same(again.partial_fit(X).transform(X), dae.partial_fit(X).transform(X))
    assert_same(as_skops(again).partial_fit(X).score(X), dae.partial_fit(X).score(X))


def assert_same(found, expected):
    assert type(found) is type(expected)
    if isinstance(found, pd.DataFrame):
        pd.testing.assert_frame_equal(found, expected, check_exact=True)
    elif sparse.issparse(found):
        assert (found != expected).nnz == 0
    elif hasattr(found, "equals"):
        assert found.equals(expected)
        assert found.schema == expected.schema
    else:
        np.testing.assert_array_equal(found, expected)


PLAIN = (str, int, float, bool, type(None))


def odd_values(value):
    """Yield all values in a state that are neither arrays nor plain values."""
    if type(value) is dict:
        for key, item in value.items():
            yield from odd_values(key)
            yield from odd_values(item)
    elif type(value) in (list, tuple):
        for item in value:
            yield from odd_values(item)
    elif type(value) is np.ndarray:
        if value.dtype == object:
            yield value
    elif type(value) not in PLAIN:
        yield value


def test_a_state_holds_arrays_and_plain_values(fitted):
    state = fitted[0].__getstate__()
    odd = list(odd_values(state))
    assert all(isinstance(value, ConvNetwork) for value in odd)
    assert bool(odd) == (fitted[0].network != "mlp")


def test_skops_lists_classes_of_the_package_only():
    X = mixed().drop(columns=["kind"])
    X = X.assign(count=X["count"].astype(float)).dropna()
    both = make_column_transformer(
        (small(), ["number", "city", "flag"]), (StandardScaler(), ["time", "count"])
    )
    pipeline = make_pipeline(both, LogisticRegression()).fit(X, X["flag"])
    types = set(skops.io.get_untrusted_types(data=skops.io.dumps(pipeline)))
    # Old versions of skops do not know all classes of scikit-learn.
    assert {name for name in types if not name.startswith("sklearn.")} == {OURS}
    loaded = as_skops(pipeline)
    np.testing.assert_array_equal(loaded.predict_proba(X), pipeline.predict_proba(X))
    dae = small(network=ConvNetwork((1, 2, 2), channels=[3])).fit(NUMBERS)
    assert skops.io.get_untrusted_types(data=skops.io.dumps(dae)) == [CONV, OURS]


def test_other_attributes_and_unfitted_transformers(table):
    dae = small(noise=["swap", "masking"], scaling=None)
    dae.note = "mine"
    dae.set_output(transform="pandas")
    for loaded in (as_pickle(dae), as_skops(dae)):
        assert repr(loaded) == repr(dae)
        assert loaded.note == "mine"
        assert not hasattr(loaded, "net_")
        assert isinstance(loaded.fit_transform(table), pd.DataFrame)


class Subclass(DenoisingAutoencoderTransformer):
    """A subclass with a parameter of its own."""

    def __init__(self, own=1, **params):
        super().__init__(**params)
        self.own = own

    @classmethod
    def _get_param_names(cls):
        return sorted([*DenoisingAutoencoderTransformer._get_param_names(), "own"])


def test_a_subclass_keeps_its_parameters(table):
    dae = Subclass(own=3, n_components=4, max_iter=1, random_state=0).fit(table)
    loaded = as_pickle(dae)
    assert (type(loaded), loaded.own) == (Subclass, 3)
    assert_same(loaded.transform(table), dae.transform(table))


def test_the_network_of_fit_is_saved_not_that_of_the_parameters(table):
    network = ConvNetwork((1, 1, 5), channels=(3,))
    dae = small(network=network).fit(table)
    expected = dae.transform(table)
    dae.set_params(network__channels=(7, 7), scaling="minmax", loss="absolute_error")
    for loaded in (as_pickle(dae), as_skops(dae)):
        assert_same(loaded.transform(table), expected)
        assert loaded.network.channels == (7, 7)


class OwnConvNetwork(ConvNetwork):
    """A network of the user's own, which builds another decoder."""

    def __call__(self, n_inputs, n_components):
        encoder, _ = super().__call__(n_inputs, n_components)
        return encoder, torch.nn.Linear(n_components, n_inputs)


OWN = f"{__name__}.OwnConvNetwork"


@pytest.mark.parametrize(
    "network", [tiny_network, OwnConvNetwork((1, 1, 5), channels=(3,))]
)
def test_networks_of_the_user_are_built_again(table, network):
    dae = small(network=network).partial_fit(table)
    for loaded in (as_pickle(dae), copy.deepcopy(dae), as_skops(dae)):
        assert_same(loaded.reconstruct(table), dae.reconstruct(table))
        again = as_pickle(loaded).partial_fit(table)
        assert_same(
            again.transform(table), as_pickle(dae).partial_fit(table).transform(table)
        )
    types = skops.io.get_untrusted_types(data=skops.io.dumps(dae))
    assert set(types) - {OURS} in ({"tests.helpers.tiny_network"}, {OWN})


def test_settings_of_pytorch_do_not_matter(table):
    dae = small().fit(table)
    data = pickle.dumps(dae)
    before = torch.get_rng_state()
    with torch.device("meta"), torch.inference_mode():
        loaded = pickle.loads(data)
    assert torch.get_rng_state().equal(before)
    assert_same(loaded.transform(table), dae.transform(table))
    assert loaded.set_params(warm_start=True).fit(table).n_iter_ == 2 * dae.n_iter_


@pytest.mark.parametrize("suffix", ["pickle", "skops"])
def test_files_of_this_format_can_be_read_for_ever(suffix):
    # They were written with the oldest libraries.
    data = (FOLDER / f"format_1.{suffix}").read_bytes()
    dae = (
        pickle.loads(data)
        if suffix == "pickle"
        else skops.io.loads(data, trusted=[OURS])
    )
    expected = np.load(FOLDER / "format_1.npz")
    X = mixed()
    close = {"rtol": 1e-5, "atol": 1e-5}
    np.testing.assert_allclose(dae.transform(X), expected["features"], **close)
    np.testing.assert_allclose(dae.score_samples(X), expected["scores"], **close)
    repaired = dae.reconstruct(X)
    numbers = repaired[["number", "time"]].to_numpy(float)
    np.testing.assert_allclose(numbers, expected["numbers"], **close)
    assert repaired["kind"].cat.categories.tolist() == [3, 5, 7]
    assert [str(repaired[name].dtype) for name in ("count", "flag")] == [
        "Int64",
        "bool",
    ]
    assert dae.partial_fit(X).n_iter_ == 4
    np.testing.assert_allclose(dae.transform(X), expected["continued"], **close)


NO_PANDAS = """
import sys

class Blocker:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in ("pandas", "polars", "pyarrow"):
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)

sys.meta_path.insert(0, Blocker())
import pickle

with open(sys.argv[1], "rb") as file:
    for dae, rows, Z, scores in pickle.load(file):
        assert (dae.transform(rows) == Z).all()
        assert (dae.score_samples(rows) == scores).all()
        dae.partial_fit(rows)
        text_first = rows[:, [2, 1, 0, 3, 4, 5]]
        for method, given in ("transform", text_first), ("reconstruct", rows):
            try:
                getattr(dae, method)(given)
            except (ValueError, ImportError) as error:
                print(error)
"""


@pytest.mark.filterwarnings("ignore:X does not have valid feature names")
def test_a_model_of_a_frame_opens_without_its_library(tmp_path):
    X = mixed().assign(count=np.arange(60.0))
    rows = X.astype(object).where(X.notna(), None).to_numpy()
    saved = []
    for frame in (X, pl.from_pandas(X.astype({"kind": float}))):
        dae = small().fit(frame)
        saved.append((dae, rows, dae.transform(rows), dae.score_samples(rows)))
    path = tmp_path / "file"
    path.write_bytes(pickle.dumps(saved))
    done = subprocess.run(
        [sys.executable, "-c", NO_PANDAS, str(path)],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert not done.returncode, done.stderr
    errors = done.stdout.splitlines()
    assert len(errors) == 4
    for wrong, missing, library in (*errors[:2], "pandas"), (*errors[2:], "polars"):
        assert "must hold numbers" in wrong
        assert f"a DataFrame of {library}, which is not installed." in missing


def leaves(value, path=()):
    """Yield the paths of all dict entries in a state."""
    if isinstance(value, dict):
        for key, item in value.items():
            yield (*path, key)
            yield from leaves(item, (*path, key))
    elif isinstance(value, list):
        for number, item in enumerate(value):
            yield from leaves(item, (*path, number))


def changed(state, path, change):
    """Copy a state with a change of one entry."""
    state = copy.deepcopy(state)
    parent = state
    for key in path[:-1]:
        parent = parent[key]
    change(parent, path[-1])
    return state


def remove(parent, key):
    del parent[key]


def replace(parent, key):
    parent[key] = {"not": "expected"}


def resize(parent, key):
    if isinstance(parent[key], np.ndarray):
        array = np.atleast_1d(parent[key])
        # The last axis: it has the size of something else more often than the first.
        parent[key] = np.concatenate(
            [array, array, np.ones_like(array, shape=(*array.shape[:-1], 1))], axis=-1
        )
    elif type(parent[key]) is int:
        parent[key] = -7
    else:
        parent[key] = "no JSON"


# These may be anything, and any number.
FREE = ("parameters", "other")


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.InconsistentVersionWarning")
@pytest.mark.parametrize("change", [remove, replace, resize], ids=lambda f: f.__name__)
@pytest.mark.parametrize("case", ["frame", "images", "quantile"])
def test_a_changed_state_gives_one_error_and_changes_nothing(case, change):
    dae, X = CASES[case]
    dae = clone(dae).partial_fit(X)
    state = to_state(dae)
    attributes = vars(dae)
    paths = [path for path in leaves(state) if path[0] not in FREE]
    accepted = set()
    for path in paths:
        try:
            dae.__setstate__(changed(state, path, change))
        except ValueError as error:
            message = str(error)
        else:
            accepted.add(path[-1])
            dae.__dict__ = attributes
            continue
        assert re.search("cannot be read|format", message), path
        assert vars(dae) is attributes
    free = {
        remove: {"train_loss", "train_loss_best", "dur", "epoch"},
        replace: set(),
        # Any numbers of training, and any versions.
        resize: {
            "losses", "validation_losses", "max_epochs", "batch_size", "n_weights",
            "seed", "n_rows", "n_epochs", "sklearn_dae", "scikit-learn",
        },
    }[change]  # fmt: skip
    assert accepted <= free
    assert len(paths) > 50


@pytest.mark.parametrize(
    "state", [None, (), [], {}, {"n_components": 3}, {"format": 1}]
)
def test_a_foreign_state_is_refused(state):
    dae = small()
    with pytest.raises(ValueError, match="must be a dict with 'format' and 'versions'"):
        dae.__setstate__(state)
    assert dae.n_components == 8


def test_an_unknown_format_is_refused_by_name(table):
    state = small().fit(table).__getstate__()
    state |= {"format": FORMAT + 1, "versions": {"sklearn_dae": "9.8"}}
    with pytest.raises(ValueError, match=r"in the format 2 by .*'9.8'.* format 1 only"):
        small().__setstate__(state)


@pytest.mark.parametrize(
    ("part", "name", "message"),
    [
        ("parameters", "of_the_future", "unknown parameters ..of_the_future"),
        ("other", "transform", "'transform' among other attributes"),
        ("other", "_snapshot", "'_snapshot' among other attributes"),
        ("other", "net_", "'net_' among other attributes"),
    ],
)
def test_no_attribute_takes_the_place_of_a_method(table, part, name, message):
    state = small().fit(table).__getstate__()
    state[part][name] = print
    with pytest.raises(ValueError, match=message):
        small().__setstate__(state)


def test_a_parameter_that_is_newer_than_the_state_gets_its_default(table):
    state = small(max_categories=5).__getstate__()
    del state["parameters"]["max_categories"]
    dae = small()
    dae.__setstate__(state)
    assert dae.max_categories == 128


def test_the_state_of_a_network_for_images_is_checked():
    network = ConvNetwork((1, 2, 2))
    for state in ({"_validate_params": print}, {**vars(network), "x": 1}, None):
        with pytest.raises(ValueError, match="state of a ConvNetwork must be a dict"):
            network.__setstate__(state)
    assert vars(as_pickle(network)) == vars(network)


@pytest.mark.parametrize("library", ["sklearn_dae", "scikit-learn"])
def test_another_major_version_warns(table, library):
    state = small().fit(table).__getstate__()
    versions = state["versions"]
    state["versions"] = {**versions, library: "7.1"}
    with pytest.warns(InconsistentVersionWarning, match=f"7.1 of {library}"):
        small().__setstate__(state)
    major = versions[library].partition(".")[0]
    state["versions"] = {**versions, library: f"{major}.99"}
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        small().__setstate__(state)


def test_a_file_is_little_larger_than_the_weights(digits):
    dae = DenoisingAutoencoderTransformer(max_iter=50, random_state=0).fit(digits[0])
    tensors = dae.net_.module_.state_dict().values()
    n_bytes = sum(tensor.numel() * tensor.element_size() for tensor in tensors)
    assert len(pickle.dumps(dae)) < 1.05 * n_bytes
    assert len(skops.io.dumps(dae, compression=8)) < 1.05 * n_bytes


def test_the_version_is_that_of_the_package():
    versions = small().__getstate__()["versions"]
    assert versions["sklearn_dae"] == sklearn_dae.__version__
