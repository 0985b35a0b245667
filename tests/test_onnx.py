"""Export to ONNX: the models compute what the transformer computes."""

import re
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pandas as pd
import pytest
import skl2onnx
from skl2onnx.common.data_types import (
    DoubleTensorType,
    FloatTensorType,
    Int64TensorType,
    StringTensorType,
)
from sklearn.compose import make_column_transformer
from sklearn.datasets import load_breast_cancer
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import MinMaxScaler, StandardScaler

from sklearn_dae import ConvNetwork, _graph
from sklearn_dae.onnx import to_onnx

from .helpers import small, tiny_network

METHODS = ["transform", "reconstruct", "score_samples"]


def run(model, feed):
    """Run a model after checking it. Return its outputs."""
    onnx.checker.check_model(model, full_check=True)
    return session_of(model).run(None, feed)


def session_of(model):
    return onnxruntime.InferenceSession(
        model.SerializeToString(), providers=["CPUExecutionProvider"]
    )


def feed_of(model, X):
    """Make the inputs of a model from a DataFrame, as the user guide says."""
    feed = {}
    for given in model.graph.input:
        column = X[[given.name]]
        if given.type.tensor_type.elem_type == onnx.TensorProto.STRING:
            feed[given.name] = column.astype(object).fillna("").to_numpy()
        else:
            feed[given.name] = column.to_numpy(dtype=np.float64, na_value=np.nan)
    return feed


def assert_close(output, expected):
    """Compare within 1e-5 of the standard deviation of each column."""
    expected = np.asarray(expected, dtype=np.float64)
    unit = np.maximum(expected.std(axis=0), 1.0)
    np.testing.assert_allclose(output / unit, expected / unit, rtol=0, atol=1e-5)


def mixed(n_rows=150, seed=0):
    """Make a table with columns of all kinds, and missing cells."""
    rng = np.random.default_rng(seed)
    number = rng.normal(size=n_rows)
    X = pd.DataFrame(
        {
            "time": 1.7e9 + number,
            "city": rng.choice(["Rome", "Oslo", "Łódź", "x", "y"], n_rows),
            "count": pd.array(rng.poisson(3, n_rows), dtype="Int64"),
            "is_new": number > 0,
            "code": pd.Categorical(rng.choice([7, 3, 2**40], n_rows)),
            "sold": pd.array(rng.random(n_rows) < 0.5, dtype="boolean"),
            "size": pd.Categorical(rng.choice([0.1, 2.5, -1.0], n_rows)),
            "constant": 4.0,
        }
    )
    # The booleans of NumPy cannot be missing.
    holes = rng.random(X.shape) < 0.1
    holes[:, X.columns.get_loc("is_new")] = False
    return X.mask(holes).astype({"is_new": bool})


@pytest.fixture(scope="module")
def dae():
    return small(max_categories=4).fit(mixed())


@pytest.mark.parametrize("scaling", ["standard", "minmax", None])
@pytest.mark.parametrize("representation", ["stack", "latent"])
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
    ],
)
@pytest.mark.parametrize("method", METHODS)
def test_other_networks_and_losses(holes, params, method):
    dae = small(**params).fit(holes)
    (output,) = run(to_onnx(dae, method), {"X": holes})
    assert_close(output, getattr(dae, method)(holes))


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
    model = to_onnx(dae)
    names = [given.name for given in model.graph.input]
    assert names == list(X.columns)
    for rows in (X, X[:1], new, mixed(1000, 1)):
        assert_close(run(model, feed_of(model, rows))[0], dae.transform(rows))


def test_scores_of_a_mixed_table(dae):
    X = mixed(300, 1)
    model = to_onnx(dae, "score_samples")
    (scores,) = run(model, feed_of(model, X))
    assert scores.shape == (300,)
    np.testing.assert_allclose(scores, dae.score_samples(X), rtol=1e-5, atol=1e-6)


def test_a_repaired_mixed_table(dae):
    X = mixed(300, 1)
    model = to_onnx(dae, "reconstruct")
    names = [output.name for output in model.graph.output]
    assert names == [f"repaired_{name}" for name in X.columns]
    repaired = dae.reconstruct(X)
    outputs = run(model, feed_of(model, X))
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
    assert_close(run(model, feed_of(model, X))[0], dae.transform(X))


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


@pytest.mark.parametrize("opset", [13, 17, 20])
def test_opsets_of_skl2onnx(table, opset):
    dae = small().fit(table)
    model = skl2onnx.to_onnx(dae, table[:1], target_opset=opset)
    assert_close(run(model, {"X": table})[0], dae.transform(table))


def test_the_versions_of_a_model(dae):
    model = to_onnx(dae)
    assert model.ir_version == 8
    assert {o.domain: o.version for o in model.opset_import} == {
        "": 17,
        "ai.onnx.ml": 3,
    }


def test_two_transformers_in_one_graph(table):
    pipeline = make_pipeline(small(representation="latent"), small()).fit(table)
    model = skl2onnx.to_onnx(pipeline, table[:1])
    assert_close(run(model, {"X": table})[0], pipeline.transform(table))


def test_errors_of_the_estimator(table):
    with pytest.raises(NotFittedError, match="is not fitted yet"):
        to_onnx(small())
    with pytest.raises(NotFittedError, match="is not fitted yet"):
        skl2onnx.to_onnx(small(), table[:1])
    with pytest.raises(TypeError, match=r"Got a Pipeline. Convert a Pipeline by skl2"):
        to_onnx(make_pipeline(small()).fit(table))
    with pytest.raises(ValueError, match=r"'method' must be one of .* Got 'impute'"):
        to_onnx(small().fit(table), "impute")
    quantile = small(scaling="quantile").fit(table)
    with pytest.raises(ValueError, match="'standard', 'minmax' or None"):
        to_onnx(quantile)
    with pytest.raises(ValueError, match="Only network='mlp' and ConvNetwork can be"):
        to_onnx(small(network=tiny_network).fit(table))


def test_levels_that_onnx_does_not_know():
    X = mixed()[["time", "city"]].assign(kind=[(1, 2), (3, 4)] * 75)
    dae = small(categorical_features=["city", "kind"]).fit(X)
    with pytest.raises(
        ValueError, match="levels of column 'kind' are neither all text"
    ):
        to_onnx(dae)


def test_errors_of_inputs(dae):
    types = {name: DoubleTensorType([None, 1]) for name in mixed().columns}
    types["city"] = StringTensorType([None, 1])
    X = mixed()
    model = skl2onnx.to_onnx(dae, initial_types=list(types.items()))
    assert_close(run(model, feed_of(to_onnx(dae), X))[0], dae.transform(X))
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
    with pytest.raises(ValueError, match=r"'target_opset' must be at least 13. Got 12"):
        skl2onnx.to_onnx(dae, initial_types=list(types.items()), target_opset=12)


def test_errors_of_other_libraries_name_the_cause(dae):
    feed = feed_of(to_onnx(dae), mixed())
    session = session_of(to_onnx(dae))
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
    outputs = run(model, feed_of(model, X))
    if method == "reconstruct":
        for output, name in zip(outputs, X.columns, strict=True):
            assert output[:, 0].tolist() == expected[name].tolist()
    else:
        assert_close(outputs[0], expected)


def test_the_guide_lists_all_operators():
    package = Path(_graph.__file__).parent
    source = (package / "onnx.py").read_text() + (package / "_graph.py").read_text()
    calls = r'(?:add|_convolve|make_node)\((?:\s*graph,)?\s*"(\w+)"'
    used = set(re.findall(calls, source)) | set(_graph.OPERATORS.values())
    guide = package.parent / "docs" / "user_guide" / "serving.rst"
    listed = re.search(r"The operators are:(.*?)\.\n", guide.read_text(), re.DOTALL)
    assert set(re.findall(r"[A-Z]\w+", listed[1])) == used
