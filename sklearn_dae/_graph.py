"""ONNX graphs: nodes and constants, and what a network computes as such nodes.

The graph is built node by node. PyTorch's exporters trace a run of the network instead,
and lose what is written into a part of a tensor.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import numpy as np
from onnx import ModelProto, TensorProto, ValueInfoProto, helper, numpy_helper
from torch import Tensor, nn

from ._networks.autoencoder import (
    LARGEST_RATIO,
    Autoencoder,
    CellsEncoder,
    DenoisingAutoencoder,
)
from ._networks.conv import ConvEncoder

# onnxruntime 1.20, of 2024, runs these versions.
OPSET, ML_OPSET, IR_VERSION = 17, 3, 8
ML = "ai.onnx.ml"
OPERATORS = {"logistic": "Sigmoid", "tanh": "Tanh", "relu": "Relu"}


class Graph:
    """Nodes and constants of an ONNX graph. Each result has a name of its own."""

    def __init__(self, prefix: str):
        self.prefix = prefix
        self.nodes: list[Any] = []
        self.constants: list[TensorProto] = []

    def add(self, kind: str, *inputs: Any, domain: str = "", **attributes: Any) -> str:
        """Add a node and return the name of its result.

        An input is the name of a result, or a constant: a number or an array.
        """
        names = [i if isinstance(i, str) else self._constant(i) for i in inputs]
        output = f"{self.prefix}_{kind}_{len(self.nodes)}"
        self.nodes.append(
            helper.make_node(
                kind, names, [output], name=output, domain=domain, **attributes
            )
        )
        return output

    def _constant(self, value: Any) -> str:
        name = f"{self.prefix}_constant_{len(self.constants)}"
        self.constants.append(numpy_helper.from_array(np.asarray(value), name))
        return name

    def concat(self, blocks: Sequence[str]) -> str:
        """Put blocks side by side."""
        return self.add("Concat", *blocks, axis=1) if len(blocks) > 1 else blocks[0]

    def columns(self, block: str, start: int, stop: int) -> str:
        """Select neighbouring columns of a block."""
        bounds = (np.array([place], dtype=np.int64) for place in (start, stop, 1))
        return self.add("Slice", block, *bounds)

    def reshape(self, x: str, *shape: int) -> str:
        """Change the shape of each row."""
        return self.add("Reshape", x, np.array([0, *shape], dtype=np.int64))

    def output(self, result: str, name: str) -> None:
        """Give a result the name of an output."""
        self.nodes.append(helper.make_node("Identity", [result], [name], name=name))

    def model(
        self, inputs: Sequence[ValueInfoProto], outputs: Sequence[ValueInfoProto]
    ) -> ModelProto:
        """Make a model with these inputs and outputs."""
        graph = helper.make_graph(
            self.nodes, "sklearn_dae", inputs, outputs, self.constants
        )
        opsets = [helper.make_opsetid("", OPSET), helper.make_opsetid(ML, ML_OPSET)]
        return helper.make_model(
            graph,
            opset_imports=opsets,
            ir_version=IR_VERSION,
            producer_name="sklearn_dae",
        )


def encode_cells(
    graph: Graph, cells: CellsEncoder, numeric: Any, codes: Any, missing: Any
) -> str:
    """Compute the inputs of the first layer from cells.

    Parameters
    ----------
    graph : Graph
    cells : CellsEncoder
    numeric, missing : str or None
        Names of the scaled numbers, float, and of the mask of the missing ones. None if
        there are no numeric columns.
    codes : str or None
        Name of the codes, int64, -1 where there is no level. None if there are no
        categorical columns.
    """
    blocks = []
    if numeric is not None:
        distances = graph.add("Sub", numeric, array(cells.center))
        blocks.append(_clip_smoothly(graph, cells, distances, missing))
        if cells.bins:
            blocks.append(_fill_bins(graph, cells, distances, missing))
    if codes is not None:
        blocks.append(one_hot(graph, cells.n_levels, codes))
    return graph.concat(blocks)


def _clip_smoothly(
    graph: Graph, cells: CellsEncoder, distances: str, missing: str
) -> str:
    """Compute x / sqrt(1 + (x / limit)^2) of the distances x from the center."""
    limit, largest = array(cells.limit), np.float32(LARGEST_RATIO)
    ratios = graph.add("Clip", graph.add("Div", distances, limit), -largest, largest)
    squares = graph.add("Add", graph.add("Mul", ratios, ratios), np.float32(1))
    clipped = graph.add("Mul", ratios, limit)
    clipped = graph.add("Div", clipped, graph.add("Sqrt", squares))
    return graph.add("Where", missing, np.float32(0), clipped)


def _fill_bins(graph: Graph, cells: CellsEncoder, distances: str, missing: str) -> str:
    """Compute the encoding of the bins from the distances from the center."""
    axis = np.array([1], dtype=np.int64)
    distances, missing = (graph.add("Unsqueeze", x, axis) for x in (distances, missing))
    filled = graph.add("Mul", distances, array(cells.slopes))
    filled = graph.add("Add", filled, array(cells.shifts))
    filled = graph.add("Min", filled, array(cells.highest))
    filled = graph.add("Max", filled, array(cells.lowest))
    filled = graph.add("Where", missing, np.float32(0), filled)
    return graph.reshape(filled, cells.shifts.numel())


def one_hot(graph: Graph, n_levels: Sequence[int], codes: str) -> str:
    """Compute the one-hot codes of all categorical columns side by side."""
    column_of = np.repeat(np.arange(len(n_levels)), n_levels)
    level_of = np.concatenate([np.arange(size) for size in n_levels])
    repeated = graph.add("Gather", codes, column_of, axis=1)
    equal = graph.add("Equal", repeated, level_of[None])
    return graph.add("Cast", equal, to=TensorProto.FLOAT)


def stack(graph: Graph, network: Autoencoder, inputs: str) -> str:
    """Compute the stack: all blocks side by side, each divided by its spread."""
    blocks = encode(graph, network, inputs)
    if len(network.block_sizes) > len(blocks):
        blocks.insert(0, inputs)
    spreads = array(network.spreads)
    return graph.concat(
        [graph.add("Div", block, s) for block, s in zip(blocks, spreads, strict=True)]
    )


def encode(graph: Graph, network: Autoencoder, inputs: str) -> list[str]:
    """Compute the blocks of the encoder, the latent layer last."""
    if isinstance(network, DenoisingAutoencoder):
        activations = network.encoder_activations
        return _run_dense(graph, inputs, network.encoder, activations)
    encoder: ConvEncoder = network.encoder  # type: ignore[assignment]
    maps = graph.reshape(inputs, *encoder.image.unflattened_size)
    blocks = []
    for layer, sizes, grid in zip(
        encoder.layers, pairwise(encoder.sizes), encoder.grids, strict=True
    ):
        maps = graph.add("Relu", _convolve(graph, "Conv", maps, layer))
        blocks.append(_average(graph, maps, sizes[1], grid))
    return [*blocks, _dense(graph, graph.add("Flatten", maps), encoder.latent)]


def decode(graph: Graph, network: Autoencoder, latent: str) -> str:
    """Compute the output from the latent layer."""
    if isinstance(network, DenoisingAutoencoder):
        activations = network.decoder_activations
        return _run_dense(graph, latent, network.decoder, activations)[-1]
    x = latent
    for module in network.decoder:  # type: ignore[union-attr]
        if isinstance(module, nn.Linear):
            x = _dense(graph, x, module)
        elif isinstance(module, nn.Unflatten):
            x = graph.reshape(x, *module.unflattened_size)
        elif isinstance(module, nn.ConvTranspose2d):
            padding = list(module.output_padding)
            x = _convolve(graph, "ConvTranspose", x, module, output_padding=padding)
        else:
            x = graph.add({nn.ReLU: "Relu", nn.Flatten: "Flatten"}[type(module)], x)
    return graph.add("Add", x, array(network.output_bias))  # type: ignore[arg-type]


def _run_dense(graph: Graph, x: str, layers: Any, activations: list[str]) -> list[str]:
    """Compute the outputs of all layers, in order."""
    outputs = []
    for layer, activation in zip(layers, activations, strict=True):
        x = _activate(graph, activation, _dense(graph, x, layer))
        outputs.append(x)
    return outputs


def _dense(graph: Graph, x: str, layer: nn.Linear) -> str:
    n_in, n_out = layer.in_features, layer.out_features
    # Layers of the network "mlp" may be padded.
    weight, bias = array(layer.weight)[:n_out, :n_in], array(layer.bias)[:n_out]
    return graph.add("Gemm", x, weight, bias, transB=1)


def _activate(graph: Graph, kind: str, x: str) -> str:
    """Apply an activation function, a key of `autoencoder.ACTIVATIONS`."""
    if kind == "identity":
        return x
    if kind in OPERATORS:
        return graph.add(OPERATORS[kind], x)
    if kind == "silu":
        return graph.add("Mul", x, graph.add("Sigmoid", x))
    # gelu: x (1 + erf(x / sqrt(2))) / 2. ONNX has an operator for it from opset 20 on.
    half = graph.add("Mul", x, np.float32(0.5))
    erf = graph.add("Erf", graph.add("Mul", x, np.float32(math.sqrt(0.5))))
    return graph.add("Mul", half, graph.add("Add", erf, np.float32(1)))


def _convolve(graph: Graph, kind: str, x: str, layer: Any, **attributes: Any) -> str:
    return graph.add(
        kind,
        x,
        array(layer.weight),
        array(layer.bias),
        kernel_shape=list(layer.kernel_size),
        strides=list(layer.stride),
        pads=[*layer.padding, *layer.padding],
        **attributes,
    )


def _average(
    graph: Graph, maps: str, size: tuple[int, int], grid: tuple[int, int]
) -> str:
    """Average maps over the fields of a grid, as PyTorch's adaptive_avg_pool2d."""
    # One matrix for the lines and one for the columns of a map.
    lines, columns = (_shares(*pair) for pair in zip(size, grid, strict=True))
    averaged = graph.add("MatMul", graph.add("MatMul", lines, maps), columns.T)
    return graph.add("Flatten", averaged)


def _shares(size: int, n_fields: int) -> np.ndarray:
    """Compute the share of each place in the average over each field of a grid."""
    shares = np.zeros((n_fields, size), dtype=np.float32)
    for field in range(n_fields):
        start, stop = field * size // n_fields, -(-(field + 1) * size // n_fields)
        shares[field, start:stop] = 1 / (stop - start)
    return shares


def array(tensor: Tensor) -> np.ndarray:
    """Convert a tensor or a parameter to an array."""
    return tensor.numpy(force=True)
