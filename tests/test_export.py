"""to_torch: the modules compute what the methods compute."""

import copy

import numpy as np
import pandas as pd
import pytest
import torch
from sklearn.exceptions import NotFittedError
from sklearn.pipeline import make_pipeline

from sklearn_dae import ConvNetwork, DenoisingAutoencoderTransformer, to_torch

from .helpers import mixed, small, tiny_network

METHODS = ["transform", "reconstruct", "score_samples", "impute"]


def tensors_of(module, X):
    """Make the inputs of a module from a table, as the user guide says."""
    X = pd.DataFrame(X)
    numbers = X[module.numeric_columns].to_numpy(float, na_value=np.nan)
    codes = np.full((len(X), len(module.categorical_columns)), -1)
    pairs = zip(module.categorical_columns, module.level_codes, strict=True)
    for k, (name, of_level) in enumerate(pairs):
        codes[:, k] = [of_level.get(level, -1) for level in X[name].astype(object)]
    return torch.tensor(numbers), torch.tensor(codes)


def table_of(module, output):
    """Make a table of objects from the output of `reconstruct` or `impute`."""
    numbers, codes = output
    columns = dict(zip(module.numeric_columns, numbers.numpy().T, strict=True))
    pairs = zip(module.categorical_columns, module.level_codes, strict=True)
    for k, (name, of_level) in enumerate(pairs):
        # The first level of a code stands for it.
        names = {code: level for level, code in reversed(of_level.items())}
        columns[name] = [names[code] for code in codes[:, k].tolist()]
    return pd.DataFrame(columns, dtype=object)


def assert_equal(dae, method, X):
    module = to_torch(dae, method)
    expected = getattr(dae, method)(X)
    with torch.no_grad():
        output = module(*tensors_of(module, X))
    if method in ("transform", "score_samples"):
        assert output.dtype == torch.float32
        np.testing.assert_allclose(output, expected, rtol=1e-6, atol=1e-6)
        return
    assert (output[0].dtype, output[1].dtype) == (torch.float64, torch.int64)
    expected = pd.DataFrame(expected).astype(object)
    repaired = table_of(module, output)[list(expected.columns)]
    numeric = module.numeric_columns
    np.testing.assert_allclose(
        repaired[numeric].astype(float), expected[numeric].astype(float), rtol=1e-6
    )
    categorical = module.categorical_columns
    assert repaired[categorical].equals(expected[categorical].reset_index(drop=True))


@pytest.mark.parametrize("representation", ["stack", "latent"])
@pytest.mark.parametrize("scaling", ["standard", "minmax", None])
@pytest.mark.parametrize("method", METHODS)
def test_numbers(holes, method, scaling, representation):
    dae = small(scaling=scaling, representation=representation).fit(holes)
    assert_equal(dae, method, holes)
    assert_equal(dae, method, np.full((1, 5), np.nan))


@pytest.mark.parametrize(
    "params",
    [
        {"loss": "log_loss", "scaling": "minmax"},
        {"network": tiny_network},
        {"network": ConvNetwork((1, 1, 5), channels=(3, 4))},
    ],
)
@pytest.mark.parametrize("method", METHODS)
def test_other_networks_and_losses(holes, method, params):
    assert_equal(small(**params).fit(holes), method, holes)


@pytest.mark.parametrize("columns", [slice(None), ["city", "code", "size"]])
@pytest.mark.parametrize("method", METHODS)
def test_categories(method, columns):
    X = mixed().loc[:, columns]
    assert_equal(small().fit(X), method, X)


def test_outliers_and_numbers_of_any_size(small):
    X = np.random.default_rng(0).normal(size=(100, 3)) * [1e-200, 1.0, 1e200]
    dae = small().fit(X)
    for method in METHODS:
        assert_equal(dae, method, np.vstack([X, X * 1e100, -X * 1e100]))


def test_whole_numbers_of_an_array_are_filled_by_whole_numbers():
    X = np.random.default_rng(0).poisson(5, (80, 3)).astype(float)
    X[::5, 1] = np.nan
    assert_equal(small().fit(X), "impute", X)


def test_a_constant_whose_mean_is_not_exact():
    X = np.random.default_rng(0).normal(size=(49, 2))
    X = np.column_stack([X, np.full(49, 1e20 / 3)])
    dae = small().fit(X)
    assert dae._model.codec.statistics_.mean[2] != X[0, 2]
    assert_equal(dae, "score_samples", X)


def test_codes_without_a_level_are_filled():
    X = mixed()[["time", "city"]]
    module = to_torch(small().fit(X), "impute")
    numbers, codes = tensors_of(module, X)
    filled = module(numbers, torch.full_like(codes, -1))[1]
    expected = to_torch(small().fit(X), "reconstruct")(numbers, codes * 0 - 1)[1]
    assert torch.equal(filled, expected)
    assert (filled >= 0).all()


def test_rare_levels_have_codes_of_their_own():
    X = mixed()[["time", "city"]]
    (codes,) = to_torch(small(max_categories=3).fit(X)).level_codes
    assert sorted(codes.values()) == [0, 1, 2, 3, 4]
    assert (
        next(level for level, code in codes.items() if code == 0)
        == (X["city"].mode()[0])
    )


def test_a_column_without_a_value_has_no_levels():
    X = mixed()[["time", "city"]].assign(empty=pd.Series([None] * 150, dtype=object))
    dae = small().fit(X)
    module = to_torch(dae)
    assert {} in module.level_codes
    assert_equal(dae, "transform", X)


def test_columns_without_names_have_positions():
    X = np.random.default_rng(0).integers(0, 3, (60, 3)).astype(float)
    module = to_torch(small(categorical_features=[1]).fit(X))
    assert (module.numeric_columns, module.categorical_columns) == ([0, 2], [1])


def test_fine_tuning_changes_the_module_and_not_the_transformer(table):
    dae = small().fit(table)
    before = dae.transform(table)
    module = to_torch(dae)
    inputs = tensors_of(module, table)
    optimizer = torch.optim.SGD(module.parameters(), 0.1)
    module(*inputs).square().mean().backward()
    optimizer.step()
    assert abs(module(*inputs).detach().numpy() - before).max() > 1e-3
    np.testing.assert_array_equal(dae.transform(table), before)


@pytest.mark.parametrize("method", METHODS)
def test_torch_export_takes_any_number_of_rows(method):
    X = mixed()
    module = to_torch(small().fit(X), method)
    rows = torch.export.Dim("n", min=2, max=2**31)
    program = torch.export.export(
        module, tensors_of(module, X[:7]), dynamic_shapes=({0: rows}, {0: rows})
    )
    inputs = tensors_of(module, X)
    torch.testing.assert_close(program.module()(*inputs), module(*inputs))


def test_a_module_can_be_copied_and_saved(table, tmp_path):
    module = to_torch(small().fit(table))
    inputs = tensors_of(module, table)
    torch.save(module, tmp_path / "module.pt")
    loaded = torch.load(tmp_path / "module.pt", weights_only=False)
    for other in (copy.deepcopy(module), loaded):
        assert torch.equal(other(*inputs), module(*inputs))


def test_errors_of_the_estimator(table):
    with pytest.raises(NotFittedError, match="is not fitted yet"):
        to_torch(small())
    with pytest.raises(
        TypeError, match=r"Got a Pipeline\. Pass the transformer inside"
    ):
        to_torch(make_pipeline(small()).fit(table))
    with pytest.raises(ValueError, match=r"'method' must be one of .* Got 'score'"):
        to_torch(small().fit(table), "score")
    quantile = small(scaling="quantile").fit(table)
    with pytest.raises(ValueError, match="'standard', 'minmax' or None"):
        to_torch(quantile)


def test_a_method_of_a_subclass_is_refused(table):
    class Halved(DenoisingAutoencoderTransformer):
        def transform(self, X):
            return super().transform(X) / 2

    dae = Halved(max_iter=1).fit(table)
    with pytest.raises(ValueError, match="Halved overrides the method 'transform'"):
        to_torch(dae)
    assert to_torch(dae, "score_samples") is not None
