"""Export to ONNX: the models compute what the transformer computes."""

import re
from functools import cache
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from sklearn.compose import make_column_transformer
from sklearn.datasets import load_breast_cancer
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import MinMaxScaler, StandardScaler
from torch import nn

import sklearn_dae
from sklearn_dae import ConvNetwork, DenoisingAutoencoderTransformer
from sklearn_dae._networks.autoencoder import ACTIVATIONS

from .helpers import OLD_TORCH, mixed, small, tiny_network

if OLD_TORCH:
    pytest.skip(OLD_TORCH, allow_module_level=True)

import onnx
import onnxruntime
import skl2onnx
from skl2onnx.common.data_types import (
    DoubleTensorType,
    FloatTensorType,
    Int64TensorType,
    StringTensorType,
)

from sklearn_dae.onnx import initial_types, to_onnx

METHODS = ["transform", "reconstruct", "score_samples"]


def run(model, feed):
    """Run a model after checking it. Return its outputs."""
    onnx.checker.check_model(model, full_check=True)
    return session_of(model).run(None, feed)


def session_of(model):
    return onnxruntime.InferenceSession(
        model.SerializeToString(), providers=["CPUExecutionProvider"]
    )


class Gated(nn.Linear):
    """A layer whose code depends on the numbers that it computes."""

    def forward(self, x):
        y = super().forward(x)
        return y if y.sum() > 0 else 2 * y


def gated_network(n_inputs, n_components):
    return Gated(n_inputs, n_components), nn.Linear(n_components, n_inputs)


def feed_of(dae, X):
    """Make the inputs of a model from a DataFrame, as the user guide says."""
    feed = {}
    for name, kind in initial_types(dae):
        column = X[[name]]
        if isinstance(kind, StringTensorType):
            feed[name] = column.astype(object).fillna("").to_numpy()
        else:
            feed[name] = column.to_numpy(dtype=np.float64, na_value=np.nan)
    return feed


@cache
def exported(dae, method="transform"):
    """Export a transformer that several tests share."""
    return to_onnx(dae, method)


def assert_close(output, expected):
    """Compare within 1e-5 of the standard deviation of each column."""
    expected = np.asarray(expected, dtype=np.float64)
    unit = np.maximum(expected.std(axis=0), 1.0)
    np.testing.assert_allclose(output / unit, expected / unit, rtol=0, atol=1e-5)


@pytest.fixture(scope="module")
def dae():
    return small(max_categories=4).fit(mixed())


@pytest.mark.parametrize(
    ("scaling", "representation"), [("standard", "stack"), ("minmax", "latent")]
)
@pytest.mark.parametrize("method", METHODS)
def test_numbers(holes, scaling, representation, method):
    dae = small(scaling=scaling, representation=representation).fit(holes)
    model = to_onnx(dae, method)
    for X in (holes, holes[:1], np.full((1, 5), np.nan)):
        (output,) = run(model, {"X": X})
        assert_close(output, getattr(dae, method)(X))


@pytest.mark.parametrize(
    "params",
    [
        {"loss": "log_loss", "scaling": "minmax"},
        {"hidden_layer_sizes": (), "n_components": 3},
        {"network": ConvNetwork((1, 1, 5), channels=(3, 4))},
        {"network": tiny_network, "scaling": None},
    ],
)
@pytest.mark.parametrize("method", METHODS)
def test_other_networks_and_losses(holes, params, method):
    dae = small(**params).fit(holes)
    (output,) = run(to_onnx(dae, method), {"X": holes})
    assert_close(output, getattr(dae, method)(holes))


@pytest.mark.parametrize("activation", set(ACTIVATIONS) - {"relu"})
def test_activations(holes, activation):
    dae = small(activation=activation).fit(holes)
    (output,) = run(to_onnx(dae), {"X": holes})
    assert_close(output, dae.transform(holes))


@pytest.mark.parametrize(
    ("shape", "kernel_size", "pool_size"), [((2, 5, 7), 3, 2), ((1, 8, 8), 2, 3)]
)
def test_convolutions_and_averages_over_uneven_fields(shape, kernel_size, pool_size):
    X = np.random.default_rng(0).normal(size=(40, np.prod(shape)))
    network = ConvNetwork(
        shape, channels=(4, 5), kernel_size=kernel_size, pool_size=pool_size
    )
    dae = small(network=network).fit(X)
    assert_close(run(to_onnx(dae), {"X": X})[0], dae.transform(X))


def test_modules_that_depend_on_values_are_refused(table):
    dae = small(network=gated_network).fit(table)
    with pytest.raises(ValueError, match="cannot export the modules that 'network'"):
        to_onnx(dae)


def test_real_numbers_and_any_number_of_rows():
    X = load_breast_cancer().data
    dae = small().fit(X)
    session = session_of(to_onnx(dae))
    for rows in (X[:1], np.tile(X, (20, 1))):
        assert_close(session.run(None, {"X": rows})[0], dae.transform(rows))


def test_float32_tables_are_float_inputs(table):
    dae = small().fit(table.astype(np.float32))
    X = table.astype(np.float32)
    assert_close(run(to_onnx(dae), {"X": X})[0], dae.transform(X))


def test_outliers_and_numbers_of_any_size(small):
    rng = np.random.default_rng(0)
    X = rng.normal(size=(100, 3)) * [1e-200, 1.0, 1e200]
    dae = small().fit(X)
    rows = np.vstack([X, X * 1e100, -X * 1e100])
    assert_close(run(to_onnx(dae), {"X": rows})[0], dae.transform(rows))


def test_more_columns_than_the_stack_holds_and_no_bins(small):
    X = np.random.default_rng(0).normal(size=(30, 1030))
    dae = small(max_iter=1).fit(X)
    assert dae.transform(X).shape[1] < 1030
    assert_close(run(to_onnx(dae), {"X": X})[0], dae.transform(X))


def test_a_mixed_table(dae):
    X = mixed()
    new = X[:3].assign(
        city=["Paris", "", None], code=[5, 2**41, None], size=0.100001, constant=9.0
    )
    model = exported(dae)
    names = [given.name for given in model.graph.input]
    assert names == list(X.columns)
    for rows in (X, X[:1], new, mixed(1000, 1)):
        assert_close(run(model, feed_of(dae, rows))[0], dae.transform(rows))


def test_scores_of_a_mixed_table(dae):
    X = mixed(300, 1)
    model = exported(dae, "score_samples")
    (scores,) = run(model, feed_of(dae, X))
    assert scores.shape == (300,)
    np.testing.assert_allclose(scores, dae.score_samples(X), rtol=1e-5, atol=1e-6)


def test_a_repaired_mixed_table(dae):
    X = mixed(300, 1)
    model = exported(dae, "reconstruct")
    names = [output.name for output in model.graph.output]
    assert names == [f"repaired_{name}" for name in X.columns]
    repaired = dae.reconstruct(X)
    outputs = run(model, feed_of(dae, X))
    for (name, expected), output in zip(repaired.items(), outputs, strict=True):
        assert output.shape == (300, 1)
        if name in ("time", "constant"):
            assert_close(output[:, 0], expected)
        else:
            assert output[:, 0].tolist() == expected.tolist(), name


def test_reconstruct_rounds_as_the_method_does(small):
    rng = np.random.default_rng(0)
    X = pd.DataFrame(
        {
            "count": rng.integers(0, 100, 60).astype(np.int8),
            "number": rng.normal(size=60),
            "flag": rng.random(60) < 0.5,
        }
    )
    dae = small(categorical_features=None).fit(X)
    far = X.astype(float).assign(count=1e6)
    (repaired,) = run(to_onnx(dae, "reconstruct"), {"X": far.to_numpy()})
    assert_close(repaired, dae.reconstruct(far).astype(float))


def test_categories_of_an_array(small):
    rng = np.random.default_rng(0)
    X = np.column_stack([rng.normal(size=80), rng.integers(0, 4, 80), rng.random(80)])
    X[3, 1] = np.nan
    dae = small(categorical_features=[1]).fit(X)
    model = to_onnx(dae)
    assert [given.name for given in model.graph.input] == ["x0", "x1", "x2"]
    (output,) = run(model, {f"x{j}": X[:, [j]] for j in range(3)})
    assert_close(output, dae.transform(X))


def test_levels_that_no_double_holds(small):
    X = pd.DataFrame({"id": [2**53, 2**53 + 1, 2**53 + 2] * 20, "x": np.arange(60.0)})
    dae = small().fit(X.astype({"id": "category"}))
    feed = {"id": X[["id"]].to_numpy(), "x": X[["x"]].to_numpy()}
    assert_close(run(to_onnx(dae), feed)[0], dae.transform(X))


def test_a_column_without_a_value(small):
    X = mixed()[["time", "city"]].assign(empty=pd.Series([None] * 150, dtype=object))
    with np.errstate(all="raise"):
        dae = small().fit(X)
    model = to_onnx(dae)
    assert_close(run(model, feed_of(dae, X))[0], dae.transform(X))


def test_a_pipeline_of_numbers(digits):
    X, X_new, y, _ = digits
    pipeline = make_pipeline(MinMaxScaler(), small(), LogisticRegression()).fit(X, y)
    model = skl2onnx.to_onnx(pipeline, X[:1].astype(np.float32))
    labels, _ = session_of(model).run(None, {"X": X_new.astype(np.float32)})
    np.testing.assert_array_equal(labels, pipeline.predict(X_new))


@pytest.mark.parametrize("reorder", [False, True])
def test_a_pipeline_of_a_mixed_table(reorder):
    X = mixed().dropna()
    # skl2onnx knows the dtypes of NumPy.
    X = X.astype({"count": int, "sold": bool, "code": int, "size": float})
    y = X["is_new"]
    dae = small(categorical_features=["city", "is_new", "code", "sold", "size"])
    pipeline = make_pipeline(dae, LogisticRegression(C=0.01)).fit(X, y)
    given = X[X.columns[::-1]] if reorder else X
    model = skl2onnx.to_onnx(pipeline, given[:1], options={"zipmap": False})
    onnx.checker.check_model(model, full_check=True)
    feed = {name: X[[name]].to_numpy() for name in X.columns}
    feed["city"] = feed["city"].astype(object)
    labels, probabilities = session_of(model).run(None, feed)
    assert labels.tolist() == pipeline.predict(X).tolist()
    np.testing.assert_allclose(probabilities, pipeline.predict_proba(X), atol=1e-5)


def test_inside_a_column_transformer(table):
    y = table[:, 0] > 3
    both = make_column_transformer((small(), [0, 1, 2]), (StandardScaler(), [3, 4]))
    pipeline = make_pipeline(both, LogisticRegression()).fit(table, y)
    model = skl2onnx.to_onnx(pipeline, table[:1], options={"zipmap": False})
    labels, probabilities = session_of(model).run(None, {"X": table})
    assert labels.tolist() == pipeline.predict(table).tolist()
    np.testing.assert_allclose(probabilities, pipeline.predict_proba(table), atol=1e-5)


@pytest.mark.parametrize("opset", [18, 21])
def test_opsets_of_skl2onnx(table, opset):
    dae = small().fit(table)
    model = skl2onnx.to_onnx(dae, table[:1], target_opset=opset)
    assert_close(run(model, {"X": table})[0], dae.transform(table))


def test_the_versions_of_a_model(dae):
    model = exported(dae)
    assert model.ir_version == 8
    assert {o.domain: o.version for o in model.opset_import} == {
        "": 18,
        "ai.onnx.ml": 2,
    }


def test_a_model_holds_no_lines_of_source_files(dae):
    data = exported(dae, "reconstruct").SerializeToString()
    assert str(Path(sklearn_dae.__file__).parent).encode() not in data
    assert b"stack_trace" not in data


def test_the_exporter_says_nothing(table, capfd):
    to_onnx(small().fit(table))
    assert capfd.readouterr() == ("", "")


def test_two_transformers_in_one_graph(table):
    pipeline = make_pipeline(small(representation="latent"), small()).fit(table)
    model = skl2onnx.to_onnx(pipeline, table[:1])
    assert_close(run(model, {"X": table})[0], pipeline.transform(table))


def test_errors_of_the_estimator(table):
    with pytest.raises(NotFittedError, match="is not fitted yet"):
        to_onnx(small())
    with pytest.raises(NotFittedError, match="is not fitted yet"):
        skl2onnx.to_onnx(small(), table[:1])
    with pytest.raises(TypeError, match=r"Convert a Pipeline to ONNX by skl2"):
        to_onnx(make_pipeline(small()).fit(table))
    with pytest.raises(TypeError, match="Pass the transformer inside of it"):
        initial_types(make_pipeline(small()).fit(table))
    with pytest.raises(ValueError, match=r"'method' must be one of .* Got 'impute'"):
        to_onnx(small().fit(table), "impute")
    quantile = small(scaling="quantile").fit(table)
    with pytest.raises(ValueError, match="'standard', 'minmax' or None"):
        to_onnx(quantile)


def test_a_method_of_a_subclass_is_refused(table):
    class Halved(DenoisingAutoencoderTransformer):
        def transform(self, X):
            return super().transform(X) / 2

    dae = Halved(max_iter=1).fit(table)
    with pytest.raises(ValueError, match="Halved overrides the method 'transform'"):
        to_onnx(dae)


def test_levels_that_onnx_does_not_know():
    X = mixed()[["time", "city"]].assign(kind=[(1, 2), (3, 4)] * 75)
    dae = small(categorical_features=["city", "kind"]).fit(X)
    with pytest.raises(
        ValueError, match="levels of column 'kind' are neither all text"
    ):
        to_onnx(dae)


@pytest.mark.parametrize(
    "levels",
    [[0, 1, 2, "n/a"], ["1", "2", 7], [1, 2, 2**64], [0.5, 2, 10**400], [1, (2, 3)]],
)
def test_rare_levels_that_onnx_does_not_know(levels):
    rare = levels[-1]
    kind = pd.Series(levels[:-1] * 30 + [rare], dtype=object)
    X = pd.DataFrame({"kind": kind, "x": np.arange(float(len(kind)))})
    dae = small(max_categories=2, categorical_features=["kind"]).fit(X)
    with pytest.raises(ValueError, match="levels of column 'kind' are neither"):
        to_onnx(dae)


def test_rare_numbers_between_integers():
    kind = pd.Series([1, 2] * 30 + [2.5] * 2 + [3.5], dtype=object)
    X = pd.DataFrame({"kind": kind, "x": np.arange(63.0)})
    dae = small(max_categories=3, categorical_features=["kind"]).fit(X)
    for method in ("transform", "reconstruct"):
        outputs = run(to_onnx(dae, method), feed_of(dae, X))
        expected = np.asarray(getattr(dae, method)(X), dtype=float)
        assert_close(np.hstack(outputs), expected)


@pytest.mark.parametrize(
    ("names", "outputs"),
    [
        (["features", ""], ["features_"]),
        (["", "x0"], ["features"]),
        (["dae", "dae_node_cat"], ["features"]),
    ],
)
def test_names_of_columns_that_onnx_or_the_model_use(names, outputs):
    X = mixed()[["city", "time"]].set_axis(names, axis=1)
    dae = small().fit(X)
    model = to_onnx(dae)
    inputs = [given.name for given in model.graph.input]
    assert [output.name for output in model.graph.output] == outputs
    assert inputs == {"": ["x0_", "x0"]}.get(names[0], [names[0], names[1] or "x1"])
    feed = feed_of(dae, X.set_axis(inputs, axis=1))
    assert_close(run(model, feed)[0], dae.transform(X))


def test_names_of_repaired_columns_are_unique():
    X = mixed()[["city", "time"]].set_axis(["c", "repaired_c"], axis=1)
    dae = small().fit(X)
    model = to_onnx(dae, "reconstruct")
    names = [output.name for output in model.graph.output]
    assert names == ["repaired_c_", "repaired_repaired_c"]
    run(model, feed_of(dae, X))


def test_initial_types_of_nullable_columns_and_missing_text():
    X = mixed().assign(price=pd.array([None, *range(149)], dtype="Float64"))
    X["paid"] = pd.Series([None, *[True, False] * 74, True], dtype=object)
    X.loc[0, "city"] = None
    pipeline = make_pipeline(small(), LogisticRegression(C=0.01)).fit(X, X["is_new"])
    types = initial_types(pipeline[0])
    assert [name for name, _ in types] == list(X.columns)
    model = skl2onnx.to_onnx(pipeline, initial_types=types, options={"zipmap": False})
    probabilities = run(model, feed_of(pipeline[0], X))[1]
    np.testing.assert_allclose(probabilities, pipeline.predict_proba(X), atol=1e-5)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_initial_types_of_numbers(table, dtype):
    ((name, kind),) = initial_types(small().fit(table.astype(dtype)))
    assert (name, kind.shape) == ("X", [None, 5])
    assert isinstance(
        kind, FloatTensorType if dtype == np.float32 else DoubleTensorType
    )


def test_booleans_with_missing_cells_as_objects():
    X = mixed()[["time"]].assign(paid=pd.Series([True, False, None] * 50, dtype=object))
    dae = small().fit(X)
    with pytest.raises(ValueError, match=r"'paid' held numbers .* initial_types"):
        skl2onnx.to_onnx(dae, X[:1])


def test_text_beside_numbers_after_a_column_transformer():
    X = mixed()[["time", "city"]].dropna()
    before = make_column_transformer(
        (StandardScaler(), ["time"]), remainder="passthrough"
    )
    before.set_output(transform="pandas")
    pipeline = make_pipeline(before, small()).fit(X)
    with pytest.raises(
        ValueError, match="Fit a Pipeline without the ColumnTransformer"
    ):
        skl2onnx.to_onnx(pipeline, X[:1])


def test_columns_of_text_after_a_column_transformer():
    X = mixed()[["city"]].dropna().assign(other=lambda X: X["city"].str[:1])
    before = make_column_transformer(("passthrough", ["other", "city"]))
    pipeline = make_pipeline(before.set_output(transform="pandas"), small()).fit(X)
    model = skl2onnx.to_onnx(pipeline, X[:1])
    feed = {name: X[[name]].to_numpy(object) for name in X}
    assert_close(run(model, feed)[0], pipeline.transform(X))


def test_errors_of_inputs(dae):
    types = {name: DoubleTensorType([None, 1]) for name in mixed().columns}
    types["city"] = StringTensorType([None, 1])
    X = mixed()
    model = skl2onnx.to_onnx(dae, initial_types=list(types.items()))
    assert_close(run(model, feed_of(dae, X))[0], dae.transform(X))
    less = [(name, kind) for name, kind in types.items() if name != "sold"]
    with pytest.raises(ValueError, match=r"have 7. Missing: \['sold'\]"):
        skl2onnx.to_onnx(dae, initial_types=less)
    for name, kind, message in (
        ("city", Int64TensorType([None, 1]), "'city' held text in fit, .* type INT64"),
        ("time", StringTensorType([None, 1]), "'time' held numbers in fit"),
    ):
        wrong = list({**types, name: kind}.items())
        with pytest.raises(ValueError, match=message):
            skl2onnx.to_onnx(dae, initial_types=wrong)
    with pytest.raises(ValueError, match=r"'target_opset' must be at least 18. Got 17"):
        skl2onnx.to_onnx(dae, initial_types=list(types.items()), target_opset=17)


def test_errors_of_other_libraries_name_the_cause(dae):
    feed = feed_of(dae, mixed())
    session = session_of(exported(dae))
    with pytest.raises(ValueError, match="city"):
        session.run(None, {name: x for name, x in feed.items() if name != "city"})
    with pytest.raises(Exception, match=r"expected: .tensor.double"):
        session.run(None, {**feed, "time": feed["time"].astype(np.float32)})

    class Unknown(StandardScaler):
        pass

    X = feed["time"]
    pipeline = make_pipeline(Unknown(), small()).fit(X)
    types = [("X", FloatTensorType([None, 1]))]
    with pytest.raises(Exception, match="Unknown"):
        skl2onnx.to_onnx(pipeline, initial_types=types)


@pytest.mark.parametrize("method", METHODS)
def test_a_table_of_categories_only(small, method):
    X = mixed()[["city", "code", "size"]]
    dae = small().fit(X)
    model = to_onnx(dae, method)
    expected = getattr(dae, method)(X)
    outputs = run(model, feed_of(dae, X))
    if method == "reconstruct":
        for output, name in zip(outputs, X.columns, strict=True):
            assert output[:, 0].tolist() == expected[name].tolist()
    else:
        assert_close(outputs[0], expected)


@pytest.mark.parametrize("method", METHODS)
def test_the_guide_lists_all_operators(dae, method):
    guide = Path(__file__).parent.parent / "docs" / "user_guide" / "serving.rst"
    listed = re.search(r"operators\s+are:(.*?)\.\n", guide.read_text(), re.DOTALL)
    used = {node.op_type for node in exported(dae, method).graph.node}
    assert used <= set(re.findall(r"[A-Z]\w+", listed[1]))
