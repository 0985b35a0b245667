"""Saved transformers: what a state holds, who can open it, and what is refused."""

import contextlib
import copy
import datetime
import functools
import io
import json
import pickle
import re
import subprocess
import sys
import uuid
import warnings
from decimal import Decimal
from operator import getitem

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
from sklearn_dae._state import FORMAT, READABLE, checksum, to_state

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
    assert recorded(loaded) == recorded(dae)
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


def recorded(dae):
    """List what was recorded by epoch, without the seconds, which are not saved."""
    return [
        {name: value for name, value in epoch.items() if name != "dur"}
        for epoch in dae.net_.history
    ]


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


@pytest.mark.parametrize("format", READABLE)
@pytest.mark.parametrize("suffix", ["pickle", "skops"])
def test_files_of_all_formats_can_be_read_for_ever(suffix, format):
    # They were written with the oldest libraries.
    data = (FOLDER / f"format_{format}.{suffix}").read_bytes()
    dae = (
        pickle.loads(data)
        if suffix == "pickle"
        else skops.io.loads(data, trusted=[OURS])
    )
    expected = np.load(FOLDER / f"format_{format}.npz")
    X = mixed()
    close = {"rtol": 1e-5, "atol": 1e-5}
    np.testing.assert_allclose(dae.transform(X), expected["features"], **close)
    if format == 1:
        with pytest.raises(ValueError, match="an earlier version of"):
            dae.score_samples(X)
    else:
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


def sealed(state):
    """Give a state that was changed the right checksum, as an attacker can."""
    return {**state, "checksum": checksum(state.get("fitted"))}


def opened(dae, state):
    """Open a state. Return the error, or None. An error must change nothing."""
    attributes = vars(dae)
    try:
        dae.__setstate__(state)
    except ValueError as error:
        raised = error
    else:
        dae.__dict__ = attributes
        return None
    assert vars(dae) is attributes
    assert re.search("cannot be read|format", str(raised))
    assert len(str(raised)) < 1000
    return raised


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.InconsistentVersionWarning")
@pytest.mark.parametrize("change", [remove, replace, resize], ids=lambda f: f.__name__)
@pytest.mark.parametrize("case", ["frame", "images", "quantile"])
def test_a_changed_state_gives_one_error_and_changes_nothing(case, change):
    dae, X = CASES[case]
    dae = clone(dae).partial_fit(X)
    state = to_state(dae)
    paths = [path for path in leaves(state) if path[0] not in FREE]
    accepted, unnoticed = set(), set()
    for path in paths:
        damaged = changed(state, path, change)
        if opened(dae, damaged) is None:
            unnoticed.add(path[-1])
        if path[0] == "fitted" and opened(dae, sealed(damaged)) is None:
            accepted.add(path[-1])
    # A state without a checksum is one of an older version.
    free = {"checksum"} if change is remove else {"sklearn_dae", "scikit-learn"}
    assert unnoticed <= (set() if change is replace else free)
    free = {
        remove: {"train_loss", "train_loss_best", "epoch"},
        replace: set(),
        # Any numbers of training.
        resize: {
            "losses", "validation_losses", "max_epochs", "batch_size", "n_weights",
            "seed",
        },
    }[change]  # fmt: skip
    assert accepted <= free
    assert len(paths) > 50


def fuzz(value, rng):
    """Change a value of a state at random, but keep its type most of the time."""
    if isinstance(value, np.ndarray) and value.size:
        value = value.copy()
        place = np.unravel_index(rng.integers(value.size), value.shape)
        edge = rng.choice([0, 1, 250, value[place]])
        value[place] = edge if value.dtype.kind == "u" else -edge
        whole = value.ndim == 0 or rng.random() < 0.6
        return value if whole else value[: rng.integers(len(value) + 1)]
    if isinstance(value, str) and value:
        place = rng.integers(len(value))
        return value[:place] + rng.choice(list('[]{}",019azT/')) + value[place + 1 :]
    if type(value) is int:
        return int(rng.choice([-1, 0, 1, 2, 17, 10**6, 2**40, 2**62]))
    return [None, {}, [], 1.5, "x", True, float("nan")][rng.integers(7)]


def fuzzed(state, rng):
    """Change a value, drop it, or swap it with another one."""
    paths = [path for path in leaves(state) if path[0] == "fitted"]
    path, other = (paths[k] for k in rng.integers(len(paths), size=2))
    state, kind = copy.deepcopy(state), rng.integers(4)
    parent, second = (functools.reduce(getitem, p[:-1], state) for p in (path, other))
    if kind == 0:
        del parent[path[-1]]
    elif kind == 1:
        values = parent[path[-1]], second[other[-1]]
        second[other[-1]], parent[path[-1]] = copy.deepcopy(values)
    else:
        parent[path[-1]] = fuzz(parent[path[-1]], rng)
    return state


LARGEST_FUZZED = 2**20


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("case", ["frame", "images", "quantile", "polars"])
def test_a_fuzzed_state_gives_one_error_or_a_transformer(case, monkeypatch):
    dae, X = CASES[case]
    X = pl.from_pandas(mixed().drop(columns="kind")) if X is None else X
    dae = clone(dae).partial_fit(X)
    expected, state = dae.transform(X), to_state(dae)
    made = torch.empty

    def limited(*sizes, **settings):
        tensor = made(*sizes, device="meta")
        assert tensor.numel() < LARGEST_FUZZED
        return made(*sizes, **settings)

    # The weights of PyTorch's layers are made by this function.
    monkeypatch.setattr(torch, "empty", limited)
    rng, n_opened = np.random.default_rng(0), 0
    for _ in range(150):
        damaged = fuzzed(state, rng)
        error = opened(dae, damaged)
        assert "AssertionError" not in str(error)
        if error is None:
            copied = copy.copy(dae)
            copied.__setstate__(damaged)
            assert_same(copied.transform(X), expected)
        # Where the checksum is right, only use tells whether numbers make sense.
        error = opened(dae, sealed(damaged))
        assert "AssertionError" not in str(error)
        if error is None:
            copied = clone(dae)
            copied.__setstate__(sealed(damaged))
            n_opened += 1
            with contextlib.suppress(ValueError, TypeError):
                assert copied.transform(X).shape[0] == len(expected)
                copied.reconstruct(X)
    assert 0 < n_opened < 100


MANY = 16_000


@pytest.mark.parametrize(
    ("case", "path", "value", "message"),
    [
        ("array", ("net", "network", "hidden_layer_sizes"), [MANY, 1], "shape|layers"),
        ("array", ("net", "network", "hidden_layer_sizes"), [1] * 10**6, "layers"),
        ("array", ("net", "network", "hidden_layer_sizes"), [MANY], "weight of shape"),
        ("array", ("net", "n_components"), MANY**2, "weight of shape"),
        ("array", ("net", "history", "n_epochs"), 20_000_000, "20000000 epochs"),
        ("images", ("net", "n_components"), MANY**2, "components|weight of shape"),
        ("images", ("net", "network", "encoder_sizes"), [MANY] * 2, "blocks of"),
        ("images", ("net", "network", "encoder_sizes"), [1] * 10**6, "layers"),
        (
            "images", ("net", "network", "network"),
            ConvNetwork((1, 2, 2), channels=[3], kernel_size=6001), "weight of shape",
        ),
        (
            "images", ("net", "network", "network"),
            ConvNetwork((1, 2, 2), channels=[3] * 10**6), "many layers",
        ),
        ("array", ("net", "device"), "meta", "a device without memory"),
        (
            "frame", ("net", "weights", "cells.offsets"), np.array([0, 3, 10**9]),
            "other positions",
        ),
    ],
)  # fmt: skip
def test_sizes_are_checked_before_anything_is_built(
    monkeypatch, case, path, value, message
):
    dae, X = CASES[case]
    dae = clone(dae).fit(X)

    def build(*args, **kwargs):
        raise AssertionError("built")

    if not re.search("blocks|device|positions", message):
        monkeypatch.setattr(torch.nn.Module, "__init__", build)
    state = changed(to_state(dae), ("fitted", *path), lambda p, k: p.update({k: value}))
    assert re.search(message, str(opened(dae, sealed(state))))


@pytest.mark.parametrize("field", ["dtypes", "label_dtypes"])
@pytest.mark.parametrize(
    "dtype",
    [
        {"name": "read_csv", "arguments": {"source": "http://127.0.0.1:9/"}},
        {"name": "Datetime", "arguments": {"time_unit": "us", "time_zone": "../x"}},
        {"kind": "arrow", "schema": "AAAA"},
        {"kind": "arrow", "type": "extension<arrow.py_extension_type<x>>"},
        "read_csv", "__builtins__", "datetime64[ns, dateutil//etc/passwd]",
        "S2000000000", "i4,i4",
    ],
    ids=str,
)  # fmt: skip
@pytest.mark.parametrize("library", ["pandas", "polars"])
def test_a_file_makes_no_dtypes_but_those_of_tables(library, dtype, field, monkeypatch):
    X = mixed()[["number", "time"]]
    X = pl.from_pandas(X) if library == "polars" else X
    dae = small(max_iter=1).fit(X)
    monkeypatch.setattr(pl, "read_csv", lambda **arguments: pytest.fail("called"))
    monkeypatch.setattr(pd, "read_csv", lambda **arguments: pytest.fail("called"))
    state = to_state(dae)
    template = json.loads(state["fitted"]["layout"]["template"])
    template[field] = [dtype] * len(template.get(field, "x"))
    state["fitted"]["layout"]["template"] = json.dumps(template)
    # A file of skops, whose only type that must be trusted is the transformer.
    monkeypatch.setattr(
        DenoisingAutoencoderTransformer, "__getstate__", lambda _: sealed(state)
    )
    data = skops.io.dumps(dae)
    with pytest.raises(ValueError, match="cannot be read"):
        skops.io.loads(data, trusted=[OURS]).reconstruct(X)


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
    with pytest.raises(ValueError, match=r"the format 3 by .*'9.8'.* formats \(1, 2\)"):
        small().__setstate__(state)


@pytest.mark.parametrize(
    ("part", "name", "message"),
    [
        ("parameters", "of_the_future", "unknown parameters ..of_the_future"),
        ("other", "transform", "'transform' among other attributes"),
        ("other", "_read", "'_read' among other attributes"),
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


def as_joblib(dae):
    file = io.BytesIO()
    joblib.dump(dae, file)
    file.seek(0)
    return joblib.load(file)


def mixed_levels(*levels):
    """Make a table whose column "level" holds objects of any type."""
    cells = pd.Series([levels[row % len(levels)] for row in range(60)], dtype=object)
    return mixed()[["number"]].assign(level=cells)


DAYS = pd.to_datetime(["2020-01-01", "2021-05-05"])
ZONED = DAYS.tz_localize("Europe/Rome")
PERIODS = pd.PeriodIndex(["2020", "2021"], freq="M")
LEVELS = {
    "timestamps": [*DAYS, ZONED[0]],
    "timedeltas": [pd.Timedelta("1D"), pd.Timedelta(3)],
    "periods": list(PERIODS),
    "intervals": list(pd.interval_range(0, 2)),
    "dates": [datetime.date(2020, 1, 1), datetime.datetime(2020, 1, 1)],
    "times": [datetime.time(3), datetime.time(4, 5, 6, 7)],
    "durations": [datetime.timedelta(1), datetime.timedelta(2)],
    "complex": [1j, 2.0 + 1j],
    "bytes": [b"a", b"b"],
    "Decimals": [Decimal("1.5"), "a"],
    "tuples": [(1, "a"), (2, DAYS[0]), frozenset("a")],
    "UUIDs": [uuid.UUID(int=1), uuid.UUID(int=2)],
    "NumPy": [np.int64(1), np.float32(0.1), "x", np.datetime64("2020")],
    "large": [2**70, "x"],
}  # fmt: skip
SERIES = {
    "datetime64": pd.Series(DAYS),
    "datetime64 with a zone": pd.Series(ZONED),
    "timedelta64": pd.Series(DAYS - DAYS[0]),
    "period": pd.Series(PERIODS),
    "interval": pd.Series(pd.interval_range(0, 2)),
    "cut": pd.cut(pd.Series([0.1, 0.9]), 2),
    "categories of days": pd.Series(pd.Categorical(DAYS)),
    "categories of periods": pd.Series(pd.Categorical(PERIODS)),
    "complex": pd.Series([1j, 2j]),
    "Arrow days": pd.Series(DAYS).astype("timestamp[us][pyarrow]"),
    "Arrow text": pd.Series(["a", "b"]).astype("string[pyarrow]"),
    "nullable": pd.Series([1, 2], dtype="Int8"),
}
POLARS = {
    "dates": [datetime.date(2020, 1, 1), datetime.date(2020, 1, 2)],
    "datetimes": [datetime.datetime(2020, 1, 1), datetime.datetime(2020, 1, 2)],
    "durations": [datetime.timedelta(1), datetime.timedelta(2)],
    "times": [datetime.time(1), datetime.time(2)],
    "bytes": [b"a", b"b"],
}
NAMES = {
    "timestamps": DAYS,
    "timestamps with a zone": ZONED,
    "timedeltas": DAYS - DAYS[0],
    "periods": PERIODS,
    "intervals": pd.interval_range(0, 2),
    "dates": pd.Index([datetime.date(2020, 1, 1), datetime.date(2021, 1, 1)]),
    "complex": pd.Index([1j, 2j]),
    "integers": pd.Index([20, 10]),
    "small integers": pd.Index([20, 10], dtype="uint8"),
    "NaN": pd.Index([np.nan, 1.5]),
    "NaT": pd.Index([DAYS[0], pd.NaT]),
    "levels": pd.MultiIndex.from_arrays([["a", "b"], DAYS], names=["x", DAYS[0]]),
    "bytes": pd.Index([b"a", b"b"]),
    "Arrow": pd.Index(["a", "b"], dtype="string[pyarrow]"),
}
TEXT = pd.DataFrame({"b": np.arange(60.0), "t": list("xyz") * 20, "a": [1.0, 2] * 30})
PARAMETERS = {
    "index": {"categorical_features": TEXT.select_dtypes(exclude="number").columns},
    "names": {"categorical_features": pd.Series(["t"], index=[7])},
    "mask": {"categorical_features": TEXT.nunique().sort_values() == 3},
    "mask without labels": {"categorical_features": pd.Series([False, True, False])},
    "nullable mask": {"categorical_features": pd.array([False, True, False])},
    "array of objects": {"categorical_features": np.array(["t"], dtype=object)},
    "polars": {"categorical_features": pl.Series(["t"])},
    "factors": {"noise_factor": pd.Series({"t": 0.3, "a": 0.1})},
    "factors without labels": {"noise_factor": pd.Series([0.1, 0.2, 0.3])},
    "factors of polars": {"noise_factor": pl.Series([0.1, 0.2, 0.3])},
    "Decimals": {"noise_factor": [Decimal("0.1"), 0.2, 0.3]},
    "dict": {"noise_factor": {np.str_("a"): np.float32(0.1), np.int64(1): 0.2}},
    "bounds": {"min_value": pd.Series({"a": 1.5, "b": -1.0})},
    "bounds with holes": {"max_value": [None, np.nan, 1.5]},
    "layers": {"hidden_layer_sizes": pd.Index([16, 8])},
    "layers with labels": {"hidden_layer_sizes": pd.Series([16], index=["first"])},
    "range": {"hidden_layer_sizes": range(7, 9)},
    "NumPy": {"n_components": np.int64(8), "early_stopping": np.bool_(True)},
}


def check_saved(dae, X):
    """Check that three kinds of files open, and that equal fits give equal files."""
    dae = dae.fit(X)
    for way in (as_skops, as_pickle, as_joblib):
        loaded = way(dae)
        assert_same(loaded.transform(X), dae.transform(X))
        assert_same(loaded.reconstruct(X), dae.reconstruct(X))
        assert_same(loaded.impute(X[::-1]), dae.impute(X[::-1]))
        assert_same(loaded.fit(X).transform(X), dae.transform(X))
    assert skops.io.get_untrusted_types(data=skops.io.dumps(dae)) == [OURS]
    assert not list(odd_values(dae.__getstate__()))
    again = clone(dae).fit(X)
    assert joblib.hash(again) == joblib.hash(dae)
    assert pickle.dumps(again) == pickle.dumps(dae)


@pytest.mark.parametrize("name", LEVELS)
def test_levels_of_every_type_are_saved(name):
    check_saved(small(categorical_features=["level"]), mixed_levels(*LEVELS[name]))


@pytest.mark.parametrize("name", SERIES)
def test_columns_of_every_dtype_are_saved(name):
    column = SERIES[name].iloc[np.arange(60) % 2].reset_index(drop=True)
    X = mixed()[["number"]].assign(level=column)
    check_saved(small(categorical_features=["level"]), X)


@pytest.mark.parametrize("name", POLARS)
def test_columns_of_every_dtype_of_polars_are_saved(name):
    X = pl.DataFrame({"number": np.sin(np.arange(60)), "level": POLARS[name] * 30})
    check_saved(small(categorical_features=["level"]), X)


@pytest.mark.parametrize("name", NAMES)
def test_names_of_every_type_are_saved(name):
    X = mixed()[["number", "time"]]
    X.columns = NAMES[name]
    check_saved(small(), X)


@pytest.mark.parametrize("name", PARAMETERS)
def test_parameters_of_every_type_are_saved(name):
    check_saved(small(**PARAMETERS[name]), TEXT)


def test_labelled_parameters_of_a_network_are_saved():
    network = ConvNetwork(pd.Index([1, 2, 2]), channels=pd.Series([3], index=["x"]))
    dae = small(network=network).fit(NUMBERS)
    assert_same(as_skops(dae).transform(NUMBERS), dae.transform(NUMBERS))


@pytest.mark.parametrize("levels", [[int, str], [range(2), range(3)], [..., 1]])
def test_levels_that_cannot_be_saved_are_refused_in_fit(levels):
    with pytest.raises(ValueError, match=r"'level' .*a saved transformer cannot hold"):
        small(categorical_features=["level"]).fit(mixed_levels(*levels))


def test_names_that_cannot_be_saved_are_refused_in_fit():
    X = mixed()[["number", "time"]]
    X.columns = [int, str]
    with pytest.raises(ValueError, match=r"names .* cannot hold .*Rename the columns"):
        small().fit(X)
    X = pl.DataFrame({"x": [1.5, 2], "list": [[1], [2]]})
    with pytest.raises(ValueError, match=r"'list' of dtype List.*could not hold"):
        small(categorical_features=["list"]).fit(X)


@pytest.mark.filterwarnings("ignore:X does not have valid feature names")
def test_a_model_with_labels_of_pandas_opens_without_it(tmp_path):
    saved = []
    for name in ("timestamps", "intervals", "periods"):
        X = mixed_levels("x", *LEVELS[name])
        dae = small(categorical_features=["level"]).fit(X)
        rows = np.array([[0.5, "x"], [1.0, None]], dtype=object)
        if name == "timestamps":
            rows[1, 1] = datetime.datetime(2020, 1, 1)
        saved.append((dae, rows, dae.transform(rows), dae.reconstruct(X)[:1]))
    path, again = tmp_path / "file", tmp_path / "again"
    path.write_bytes(pickle.dumps([item[:3] for item in saved]))
    code = NO_PANDAS.partition("with open")[0] + OPEN_AND_SAVE
    done = subprocess.run(
        [sys.executable, "-c", code, str(path), str(again)],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert not done.returncode, done.stderr
    for dae, (_, _, Z, repaired) in zip(
        pickle.loads(again.read_bytes()), saved, strict=True
    ):
        rows = mixed_levels("x", "y")[:1]
        assert repaired.shape == rows.shape
        assert dae.transform(saved[0][1][:1]).shape[1] == Z.shape[1]


OPEN_AND_SAVE = """
daes = []
with open(sys.argv[1], "rb") as file:
    for dae, rows, Z in pickle.load(file):
        assert (dae.transform(rows) == Z).all()
        daes.append(dae)
with open(sys.argv[2], "wb") as file:
    pickle.dump(daes, file)
"""
