"""Export a fitted transformer to ONNX, alone or inside a Pipeline.

This module needs a newer PyTorch than the rest of the package, onnx, onnxscript and
skl2onnx: ``pip install 'torch>=2.7' onnx onnxscript skl2onnx``. Importing it registers
the transformer in skl2onnx. So ``skl2onnx.to_onnx`` then converts a Pipeline that
contains a :class:`~sklearn_dae.DenoisingAutoencoderTransformer`.
"""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from numbers import Integral, Real
from typing import Any, NamedTuple

import numpy as np
import onnx
import onnxscript  # noqa: F401  PyTorch's exporter needs it.
import torch
from onnx import TensorProto, helper
from skl2onnx import update_registered_converter
from skl2onnx.common.data_types import (
    DoubleTensorType,
    FloatTensorType,
    Int64TensorType,
    StringTensorType,
    guess_tensor_type,
)
from torch import Tensor, nn

from ._compat import OLDEST_OF_EXPORT, check_versions
from ._export import check_method, fitted, to_torch
from ._networks.inference import n_features_out
from ._transformer import DenoisingAutoencoderTransformer

__all__ = ["initial_types", "to_onnx"]

check_versions(OLDEST_OF_EXPORT, "sklearn_dae.onnx")

# The versions of the operators that PyTorch's exporter writes without conversion, of
# the operators for machine learning that have LabelEncoder as it is used here, and of
# the oldest file format that may hold both.
OPSET, ML_OPSET, IR_VERSION = 18, 2, 8
ML = "ai.onnx.ml"
# The name of the transformer in skl2onnx.
ALIAS = "SklearnDaeDenoisingAutoencoderTransformer"
METHODS = ("transform", "reconstruct", "score_samples")
# Types of inputs that hold numbers.
NUMBERS = {
    TensorProto.BOOL, TensorProto.INT8, TensorProto.INT16, TensorProto.INT32,
    TensorProto.INT64, TensorProto.UINT8, TensorProto.UINT16, TensorProto.UINT32,
    TensorProto.FLOAT16, TensorProto.FLOAT, TensorProto.DOUBLE,
}  # fmt: skip
TYPES_REMEDY = (
    "Declare the inputs as sklearn_dae.onnx.initial_types(dae) lists them, in "
    "skl2onnx.to_onnx(pipeline, initial_types=...)."
)
# Doubles hold all integers up to this one.
LARGEST_EXACT = 2**53


class Input(NamedTuple):
    """An input of an ONNX model: `width` columns of an element type of ONNX."""

    name: str
    type: int
    width: int


def to_onnx(dae: Any, method: str = "transform") -> onnx.ModelProto:
    """Convert one method of a fitted transformer to an ONNX model.

    The model computes what the method computes, up to rounding. It does not check its
    input: infinite numbers give no error.

    If all columns are numbers, the model has one input "X" of shape (n_samples,
    n_features). It is float if `fit` saw an array of float32, otherwise double.

    If some columns are categorical, the model has one input for each column, of shape
    (n_samples, 1). Its name is that of the column, or "x0", "x1", ... if the columns
    have no names. An empty name is replaced in the same way. A column of text is an
    input of strings. All other columns are double, also integers and booleans. A
    categorical column is int64 if its levels are integers beyond 2**53.

    Pass NaN for a missing number and "" for a missing text. Any other text that is no
    level is a level that `fit` has not seen.

    Parameters
    ----------
    dae : DenoisingAutoencoderTransformer
        The fitted transformer, with any `scaling` except "quantile". PyTorch must be
        able to export the modules of an own `network`.
    method : {"transform", "reconstruct", "score_samples"}, default="transform"
        What the model computes.

        - "transform": one output "features", float, (n_samples, n_features_out).
        - "reconstruct": for a table of numbers one output "repaired", double,
          (n_samples, n_features). For a table with categories one output
          "repaired_<column>" of shape (n_samples, 1) for each column. Numbers are
          double, rounded as in the method. Text is string. Other levels are int64,
          bool or double.
        - "score_samples": one output "scores", float, (n_samples,).

        If an input has the name of an output, "_" is appended to that of the output.

    Returns
    -------
    model : onnx.ModelProto
        The model. Save it with ``onnx.save(model, path)``.

    Raises
    ------
    TypeError
        If `dae` is another estimator.
    sklearn.exceptions.NotFittedError
        If `dae` is not fitted.
    ValueError
        If `method` is unknown, if a subclass overrides it, or if the transformer cannot
        be exported.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from sklearn_dae import DenoisingAutoencoderTransformer
    >>> from sklearn_dae.onnx import to_onnx
    >>> dae = DenoisingAutoencoderTransformer(max_iter=1, random_state=0)
    >>> model = to_onnx(dae.fit(load_iris().data))
    >>> [output.name for output in model.graph.output]
    ['features']
    """
    check_method(dae, method, METHODS)
    inputs = _declare_inputs(dae)
    names = _distinct(_output_names(dae, method), [given.name for given in inputs])
    return helper.make_model(
        _export(dae, method, inputs, names, "dae"),
        opset_imports=[
            helper.make_opsetid("", OPSET),
            helper.make_opsetid(ML, ML_OPSET),
        ],
        ir_version=IR_VERSION,
        producer_name="sklearn_dae",
    )


def initial_types(dae: Any) -> list[tuple[str, Any]]:
    """List the inputs of a fitted transformer for `skl2onnx.to_onnx`.

    skl2onnx guesses the types of the inputs from rows. It knows no nullable columns of
    pandas and no missing text, and takes booleans with missing cells for text. Pass the
    types instead, if the transformer is the first step of the Pipeline:
    ``skl2onnx.to_onnx(pipeline, initial_types=initial_types(pipeline[0]))``.

    Parameters
    ----------
    dae : DenoisingAutoencoderTransformer
        The fitted transformer.

    Returns
    -------
    initial_types : list of (str, type)
        The names and the types of the inputs that `to_onnx` describes.

    Raises
    ------
    TypeError
        If `dae` is another estimator.
    sklearn.exceptions.NotFittedError
        If `dae` is not fitted.
    ValueError
        If the transformer cannot be exported.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from sklearn_dae import DenoisingAutoencoderTransformer
    >>> from sklearn_dae.onnx import initial_types
    >>> dae = DenoisingAutoencoderTransformer(max_iter=1, random_state=0)
    >>> initial_types(dae.fit(load_iris().data))
    [('X', DoubleTensorType(shape=[None, 4]))]
    """
    check_method(dae, "transform", METHODS)
    types: dict[int, Any] = {
        TensorProto.STRING: StringTensorType,
        TensorProto.INT64: Int64TensorType,
        TensorProto.FLOAT: FloatTensorType,
        TensorProto.DOUBLE: DoubleTensorType,
    }
    return [
        (given.name, types[given.type]([None, given.width]))
        for given in _declare_inputs(dae)
    ]


def _distinct(names: Sequence[str], taken: Sequence[str] | set[str]) -> list[str]:
    """Append "_" to names that are taken, until they are not."""
    taken, found = set(taken), []
    for name in names:
        while name in taken:
            name += "_"
        taken.add(name)
        found.append(name)
    return found


def _names(dae: Any) -> list[str]:
    """List the names of the columns. ONNX has no empty names."""
    default = [f"x{position}" for position in range(dae.n_features_in_)]
    names = list(map(str, getattr(dae, "feature_names_in_", default)))
    pairs = zip(names, default, strict=True)
    return [name or _distinct([other], names)[0] for name, other in pairs]


def _output_names(dae: Any, method: str) -> list[str]:
    """List the names of the outputs of a model of the transformer alone."""
    if method != "reconstruct":
        return [{"transform": "features", "score_samples": "scores"}[method]]
    if not len(fitted(dae).layout.categorical_):
        return ["repaired"]
    return [f"repaired_{name}" for name in _names(dae)]


def _kind(levels: Sequence[Any]) -> str | None:
    """Find the kind of levels: "text", "bool", "int" or "float"; None for others."""
    if all(isinstance(level, str) for level in levels):
        return "text"
    if not all(map(_is_exact, levels)):
        return None
    if all(isinstance(level, (bool, np.bool_)) for level in levels):
        return "bool"
    are_integers = all(isinstance(level, (Integral, np.bool_)) for level in levels)
    return "int" if are_integers else "float"


def _is_exact(level: Any) -> bool:
    """Tell whether int64 or double can hold a level."""
    if isinstance(level, Integral):
        return -(2**63) <= int(level) < 2**63
    return isinstance(level, (Real, np.bool_)) and float(level) == level


def _level_kinds(dae: Any) -> dict[int, str]:
    """Map the positions of categorical columns to the kinds of their levels."""
    layout, names, kinds = fitted(dae).layout, _names(dae), {}
    for position, levels in zip(layout.categorical_, layout.levels_, strict=True):
        # Levels of another type may be hidden in the group of rare levels.
        kind = _kind(levels.ranked)
        if kind is None:
            name = names[position]
            raise ValueError(
                f"The levels of column {name!r} are neither all text, nor all numbers "
                f"that int64 or double can hold, and ONNX has no other categories. "
                f"Convert the column to text before fit: X[{name!r}].astype(str)."
            )
        kinds[int(position)] = kind
    return kinds


def _declare_inputs(dae: Any) -> list[Input]:
    """List the inputs of a model of the transformer alone."""
    layout, kinds = fitted(dae).layout, _level_kinds(dae)
    if not kinds:
        is_single = layout.dtype_ == np.float32
        element = TensorProto.FLOAT if is_single else TensorProto.DOUBLE
        return [Input("X", element, dae.n_features_in_)]
    elements = [TensorProto.DOUBLE] * dae.n_features_in_
    for position, levels in zip(layout.categorical_, layout.levels_, strict=True):
        kind = kinds[position]
        if kind == "text":
            elements[position] = TensorProto.STRING
        elif kind == "int" and max(map(abs, levels.ranked)) > LARGEST_EXACT:
            elements[position] = TensorProto.INT64
    pairs = zip(_names(dae), elements, strict=True)
    return [Input(name, element, 1) for name, element in pairs]


def _given_inputs(dae: Any, variables: Sequence[Any]) -> list[Input]:
    """List the inputs that skl2onnx passes, in the order of the columns."""
    names, given = _names(dae), [variable.raw_name for variable in variables]
    inputs = [_given_input(variable, len(names)) for variable in variables]
    width = sum(of_input.width for of_input in inputs)
    if width != len(names):
        raise ValueError(
            f"The transformer was fitted on {len(names)} columns, but its ONNX inputs "
            f"{given} have {width}. Missing: {[n for n in names if n not in given]}. "
            f"{TYPES_REMEDY}"
        )
    if sorted(given) != sorted(names):
        return inputs
    by_name = dict(zip(given, inputs, strict=True))
    return [by_name[name] for name in names]


def _given_input(variable: Any, n_features: int) -> Input:
    shape, element = variable.type.shape, variable.type._get_element_onnx_type()
    # skl2onnx may not know the number of columns of a single block.
    width = shape[1] if len(shape) > 1 and shape[1] else n_features
    return Input(variable.onnx_name, element, width)


def _check_inputs(dae: Any, inputs: list[Input], kinds: dict[int, str]) -> None:
    """Raise ValueError if a column held text in `fit` and holds numbers, or reverse."""
    given_of = [given for given in inputs for _ in range(given.width)]
    for position, (name, given) in enumerate(zip(_names(dae), given_of, strict=True)):
        is_text = kinds.get(position) == "text"
        allowed = {TensorProto.STRING} if is_text else NUMBERS
        if given.type in allowed:
            continue
        if given.type == TensorProto.STRING and given.width > 1:
            raise ValueError(
                f"Column {name!r} held numbers in fit, but its ONNX input is text: "
                f"skl2onnx joins all columns of a ColumnTransformer, and one of them "
                f"is text. Fit a Pipeline without the ColumnTransformer. The "
                f"transformer scales numbers and encodes text itself."
            )
        raise ValueError(
            f"Column {name!r} held {'text' if is_text else 'numbers'} in fit, but its "
            f"ONNX input is of type {TensorProto.DataType.Name(given.type)}. "
            f"{TYPES_REMEDY}"
        )


class FromColumns(nn.Module):
    """A method as a function of the inputs of an ONNX model.

    Text is replaced by codes before, and codes by text afterwards.

    Parameters
    ----------
    dae : DenoisingAutoencoderTransformer
    method : str
    kinds : dict
        Kinds of the levels, by the positions of the columns, in the order of the codes.
    """

    def __init__(self, dae: Any, method: str, kinds: dict[int, str]):
        super().__init__()
        self.module = to_torch(dae, method).cpu()
        layout = fitted(dae).layout
        self.numeric = layout.numeric_.tolist()
        self.kinds = kinds
        self.levels = dict(zip(self.kinds, layout.levels_, strict=True))

    def forward(self, *blocks: Tensor) -> Any:
        if self.kinds:
            columns = [column for block in blocks for column in _split(block)]
            codes = [self._encode(columns[j], j) for j in self.kinds]
            numbers = [columns[j] for j in self.numeric]
        else:
            numbers = list(blocks)
            codes = [blocks[0].new_empty(blocks[0].shape[0], 0)]
        empty = codes[0].new_empty(codes[0].shape[0], 0)
        joined = torch.cat([block.double() for block in numbers or [empty]], 1)
        output = self.module(joined, torch.cat(codes, 1).long())
        if isinstance(output, Tensor) or not self.kinds:
            return output if isinstance(output, Tensor) else output[0]
        repaired = {j: output[0][:, k : k + 1] for k, j in enumerate(self.numeric)}
        for j, of_column in zip(self.kinds, output[1].split(1, 1), strict=True):
            repaired[j] = self._decode(of_column, j)
        return [repaired[j] for j in sorted(repaired)]

    def _encode(self, column: Tensor, position: int) -> Tensor:
        """Convert a column to codes of its levels, -1 if missing, -2 if unseen."""
        kind, codes = self.kinds[position], self.levels[position].codes
        if kind == "text":
            return column
        is_whole = kind != "float" and not column.is_floating_point()
        dtype = torch.int64 if is_whole else torch.float64
        # A column without an observed cell in fit has no level.
        known = torch.tensor(list(codes or [0]), dtype=dtype)
        of_known = torch.tensor(list(codes.values()) or [-2])
        converted = column.to(dtype)
        found = torch.where(converted == known, of_known, -2).amax(1, keepdim=True)
        # Integers and booleans cannot be missing.
        return torch.where(converted.isnan(), -1, found) if not is_whole else found

    def _decode(self, codes: Tensor, position: int) -> Tensor:
        """Convert codes to levels. Those of text stay codes."""
        if self.kinds[position] == "text":
            return codes
        names = self.levels[position].names
        dtypes = {"bool": bool, "int": np.int64, "float": np.float64}
        return torch.tensor(names.astype(dtypes[str(_kind(names))]))[codes]


def _split(block: Tensor) -> Sequence[Tensor]:
    """Split a block into columns. One column needs no node of the graph."""
    return block.split(1, 1) if block.shape[1] > 1 else [block]


def _export(
    dae: Any, method: str, inputs: list[Input], outputs: list[str], prefix: str
) -> onnx.GraphProto:
    """Make the graph that computes a method.

    Parameters
    ----------
    dae, method
        As of `to_onnx`.
    inputs : list of Input
        The inputs, in the order of the columns.
    outputs : list of str
        Names of the outputs.
    prefix : str
        The beginning of all other names. "_" is appended if it is not unique.
    """
    kinds = _level_kinds(dae)
    _check_inputs(dae, inputs, kinds)
    while any(
        name.startswith(prefix) for name in (*outputs, *(i.name for i in inputs))
    ):
        prefix += "_"
    levels = dict(zip(kinds, fitted(dae).layout.levels_, strict=True))
    text = {j: levels[j] for j, kind in kinds.items() if kind == "text"}
    before, blocks = _encode_text(inputs, text, prefix)
    graph = _run_exporter(FromColumns(dae, method, kinds), blocks)
    given = [block.name for block in blocks]
    # The only outputs of text are repaired columns.
    decoded = text if method == "reconstruct" else {}
    after = _rename_and_decode(graph, given, outputs, decoded, prefix)
    declared = [
        helper.make_tensor_value_info(given.name, given.type, ["n", given.width])
        for given in inputs
    ]
    nodes = [*before, *graph.node, *after]
    return helper.make_graph(
        nodes, "sklearn_dae", declared, graph.output, graph.initializer
    )


def _encode_text(
    inputs: list[Input], text: dict[int, Any], prefix: str
) -> tuple[list[onnx.NodeProto], list[Input]]:
    """Convert columns of text to codes. Return nodes, and the inputs with codes.

    `text` maps the positions of these columns to their levels.
    """
    nodes, blocks, position = [], [], 0
    for given in inputs:
        positions = range(position, position + given.width)
        position += given.width
        if given.type != TensorProto.STRING:
            blocks.append(given)
            continue
        columns = [given.name]
        if given.width > 1:
            columns = [f"{prefix}_text_{j}" for j in positions]
            split = helper.make_node("Split", [given.name], columns, axis=1)
            split.attribute.append(helper.make_attribute("num_outputs", given.width))
            nodes.append(split)
        for j, column in zip(positions, columns, strict=True):
            blocks.append(Input(f"{prefix}_encoded_{j}", TensorProto.INT64, 1))
            codes = {"": -1} | text[j].codes  # Missing text is empty.
            known = {"keys_strings": list(codes), "values_int64s": list(codes.values())}
            nodes.append(
                _label_encoder(column, blocks[-1].name, default_int64=-2, **known)
            )
    return nodes, blocks


def _rename_and_decode(
    graph: onnx.GraphProto,
    inputs: list[str],
    outputs: list[str],
    text: dict[int, Any],
    prefix: str,
) -> list[onnx.NodeProto]:
    """Rename the values of a graph. Return nodes that convert codes to text.

    `text` maps the positions of the outputs that become text to their levels.
    """
    results = list(outputs)
    nodes = []
    for j, levels in text.items():
        results[j] = f"{prefix}_decoded_{j}"
        names = levels.names.tolist()
        known = {"keys_int64s": list(range(len(names))), "values_strings": names}
        nodes.append(_label_encoder(results[j], outputs[j], **known))
    values = [value.name for value in (*graph.input, *graph.output)]
    _rename(graph, dict(zip(values, inputs + results, strict=True)), prefix)
    for j in text:
        graph.output[j].name = outputs[j]
        graph.output[j].type.tensor_type.elem_type = TensorProto.STRING
    return nodes


def _label_encoder(given: str, output: str, **known: Any) -> onnx.NodeProto:
    return helper.make_node(
        "LabelEncoder", [given], [output], name=output, domain=ML, **known
    )


def _run_exporter(module: nn.Module, inputs: list[Input]) -> onnx.GraphProto:
    """Export a module that takes a tensor for each input, with any number of rows."""
    rows = torch.export.Dim.DYNAMIC
    dtypes = [helper.tensor_dtype_to_np_dtype(given.type) for given in inputs]
    examples = [
        torch.from_numpy(np.zeros((2, given.width), dtype))
        for given, dtype in zip(inputs, dtypes, strict=True)
    ]
    with _quiet():
        try:
            program = torch.onnx.export(
                module.eval(),
                tuple(examples),
                dynamo=True,
                dynamic_shapes={"blocks": tuple({0: rows} for _ in inputs)},
                opset_version=OPSET,
                external_data=False,
                verbose=False,
            )
        except torch.onnx.OnnxExporterError as error:
            raise ValueError(
                "PyTorch cannot export the modules that 'network' builds. The error "
                "above names the reason. Fit the transformer with network='mlp', with "
                "a ConvNetwork, or with modules that torch.onnx.export can export."
            ) from error
    return program.model_proto.graph  # type: ignore[union-attr]


@contextmanager
def _quiet() -> Iterator[None]:
    """Hide what PyTorch's exporter tells its developers."""
    logger = logging.getLogger("torch.onnx")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logger.setLevel(level)


def _rename(graph: onnx.GraphProto, names: dict[str, str], prefix: str) -> None:
    """Rename values as `names` says, and prefix all others.

    Forget what the exporter notes for debugging: sizes, and lines of source files.
    """

    def new(name: str) -> str:
        return names.get(name, name and f"{prefix}_{name}")

    for value in (*graph.input, *graph.output, *graph.initializer):
        value.name = new(value.name)
    for node in graph.node:
        node.name = new(node.name)
        node.input[:] = map(new, node.input)
        node.output[:] = map(new, node.output)
        node.ClearField("metadata_props")
        node.ClearField("doc_string")


def _calculate_shape(operator: Any) -> None:
    """Tell skl2onnx the type of the output."""
    learned = fitted(operator.raw_operator)
    # skl2onnx expects double for double, and float for all other types.
    of_output = guess_tensor_type(operator.inputs[0].type)
    rows = operator.inputs[0].get_first_dimension()
    of_output.shape = [rows, n_features_out(learned.network)]
    operator.outputs[0].type = of_output


def _convert(scope: Any, operator: Any, container: Any) -> None:
    """Add the nodes of `transform` to the graph of skl2onnx."""
    dae = operator.raw_operator
    if container.target_opset < OPSET:
        raise ValueError(
            f"'target_opset' must be at least {OPSET}. Got {container.target_opset}."
        )
    inputs = _given_inputs(dae, operator.inputs)
    prefix = scope.get_unique_operator_name("dae")
    features = scope.get_unique_variable_name("features")
    graph = _export(dae, "transform", inputs, [features], prefix)
    output = operator.outputs[0]
    element = output.type._get_element_onnx_type()
    cast = helper.make_node("Cast", [features], [output.onnx_name], to=element)
    for constant in graph.initializer:
        container.add_initializer(constant.name, constant.data_type, None, constant)
    for node in [*graph.node, cast]:
        attributes = {a.name: helper.get_attribute_value(a) for a in node.attribute}
        version = ML_OPSET if node.domain == ML else OPSET
        schema = onnx.defs.get_schema(node.op_type, version, node.domain)
        container.add_node(
            node.op_type,
            list(node.input),
            list(node.output),
            op_domain=node.domain,
            op_version=schema.since_version,
            name=node.name or features,
            **attributes,
        )


update_registered_converter(
    DenoisingAutoencoderTransformer, ALIAS, _calculate_shape, _convert
)
