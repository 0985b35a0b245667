"""Parts of a network as ONNX nodes: they compute what PyTorch computes."""

import numpy as np
import onnxruntime
import pytest
import torch
from onnx import TensorProto, helper
from torch.nn.functional import adaptive_avg_pool2d

from sklearn_dae import ConvNetwork, _graph
from sklearn_dae._networks.autoencoder import ACTIVATIONS
from sklearn_dae._networks.custom import CustomAutoencoder

from .helpers import make_cells, make_network


def run(graph, result, **inputs):
    """Compute a result of a graph with onnxruntime."""
    graph.output(result, "result")
    declared = [
        helper.make_tensor_value_info(
            name, helper.np_dtype_to_tensor_dtype(x.dtype), None
        )
        for name, x in inputs.items()
    ]
    kind = helper.make_tensor_value_info("result", TensorProto.FLOAT, None)
    model = graph.model(declared, [kind])
    session = onnxruntime.InferenceSession(
        model.SerializeToString(), providers=["CPUExecutionProvider"]
    )
    return session.run(None, inputs)[0]


@pytest.fixture
def x():
    return np.random.default_rng(0).normal(size=(20, 6)).astype(np.float32) * 3


@pytest.mark.parametrize("activation", ACTIVATIONS)
@torch.no_grad()
def test_dense_layers(x, activation):
    network = make_network(6, (), activation=activation)
    network.initialize(torch.zeros(6), torch.Generator().manual_seed(0))
    rows = torch.from_numpy(np.random.default_rng(1).normal(size=(9, 42))).float()
    graph = _graph.Graph("g")
    result = graph.concat(_graph.encode(graph, network, "x"))
    # PyTorch's blocks are padded with zeros.
    pairs = zip(network.encode(rows), network.block_sizes[1:], strict=True)
    expected = torch.cat([block[:, :size] for block, size in pairs], 1)
    np.testing.assert_allclose(run(graph, result, x=rows.numpy()), expected, atol=1e-6)


@torch.no_grad()
def test_inputs_of_the_first_layer(x):
    x[0, 0], x[1, 1], x[2, 2] = np.nan, 1e15, -1e15
    codes = np.array([[0, 2], [-1, 1], *[[1, -1]] * 18])
    network = make_network(6, (2, 3))
    cells = make_cells(x, codes)
    network.cells.fit_columns(torch.ones(6), torch.full((6,), 1e-20), cells.numeric)
    graph = _graph.Graph("g")
    inputs = _graph.encode_cells(graph, network.cells, "x", "codes", "missing")
    found = run(graph, inputs, x=x, codes=codes, missing=np.isnan(x))
    expected = network.cells(*cells)[:, : network.cells.n_inputs]
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize("shape", [(1, 8, 8), (2, 5, 7), (3, 1, 4)])
@pytest.mark.parametrize(("kernel_size", "pool_size"), [(3, 2), (2, 3)])
@torch.no_grad()
def test_convolutions(shape, kernel_size, pool_size):
    if kernel_size == 2 and shape[1] == 1:
        kernel_size = 1
    build = ConvNetwork(
        shape, channels=(4, 5), kernel_size=kernel_size, pool_size=pool_size
    )
    size = int(np.prod(shape))
    network = CustomAutoencoder(size, (), build, 6, "stack", 0)
    rows = torch.randn(7, size, generator=torch.Generator().manual_seed(0))
    blocks = network.encode(rows)
    graph = _graph.Graph("g")
    latent = _graph.encode(graph, network, "x")
    result = graph.concat([*latent, _graph.decode(graph, network, latent[-1])])
    expected = torch.cat([*blocks, network.decode(blocks[-1])], 1)
    np.testing.assert_allclose(run(graph, result, x=rows.numpy()), expected, atol=1e-5)


@pytest.mark.parametrize("size", [1, 2, 5, 7])
@pytest.mark.parametrize("n_fields", [1, 2, 3])
def test_shares_of_averages(size, n_fields):
    maps = torch.randn(1, 1, size, 1)
    expected = adaptive_avg_pool2d(maps, (n_fields, 1)).flatten()
    found = _graph._shares(size, n_fields) @ maps.flatten().numpy()
    np.testing.assert_allclose(found, expected, atol=1e-6)
