"""Export a fitted transformer to ONNX, alone or inside a Pipeline.

This module needs onnx and skl2onnx: ``pip install onnx skl2onnx``. Importing it
registers the transformer in skl2onnx. So ``skl2onnx.to_onnx`` then converts a Pipeline
that contains a :class:`~sklearn_dae.DenoisingAutoencoderTransformer`.
"""

from __future__ import annotations

from itertools import pairwise
from numbers import Integral, Real
from typing import NamedTuple

import numpy as np
from onnx import TensorProto, helper
from skl2onnx import update_registered_converter
from skl2onnx.common.data_types import guess_tensor_type
from sklearn.utils.validation import check_is_fitted

from ._graph import ML, Graph, decode, encode, encode_cells, one_hot, stack
from ._model import N_COLUMN_GROUPS
from ._networks.autoencoder import DenoisingAutoencoder
from ._networks.conv import ConvEncoder
from ._networks.inference import n_features_out
from ._tables.codec import (
    COLUMN_FREEDOM,
    FLOAT_MAX,
    LARGEST,
    LEVEL_DOUBT,
    LOG_MOST,
    ROW_FREEDOM,
    log_density,
)
from ._transformer import DenoisingAutoencoderTransformer

__all__ = ["to_onnx"]

# From this version on, Softmax and ReduceSum are as they are used here.
OLDEST_OPSET = 13
# The version of the operators for machine learning that has this LabelEncoder.
LABEL_ENCODER = 2
# The name of the transformer in skl2onnx.
ALIAS = "SklearnDaeDenoisingAutoencoderTransformer"
METHODS = ("transform", "reconstruct", "score_samples")
INTEGERS = {
    TensorProto.BOOL, TensorProto.INT8, TensorProto.INT16, TensorProto.INT32,
    TensorProto.INT64, TensorProto.UINT8, TensorProto.UINT16, TensorProto.UINT32,
}  # fmt: skip
FLOATS = {TensorProto.FLOAT, TensorProto.DOUBLE, TensorProto.FLOAT16}
# Doubles hold all integers up to this one.
LARGEST_EXACT = 2**53


def to_onnx(dae, method="transform"):
    """Convert one method of a fitted transformer to an ONNX model.

    The model computes what the method computes, up to rounding. It does not check its
    input: infinite numbers give no error.

    If all columns are numbers, the model has one input "X" of shape (n_samples,
    n_features). It is float if `fit` saw an array of float32, otherwise double.

    If some columns are categorical, the model has one input for each column, of shape
    (n_samples, 1). Its name is that of the column, or "x0", "x1", ... if the columns
    have no names. A column of text is an input of strings. All other columns are
    double, also integers and booleans. A categorical column is int64 if its levels are
    integers beyond 2**53.

    Pass NaN for a missing number. For a missing text, pass any string that is not a
    level, for example "". The network treats it like a level that was not seen in
    `fit`.

    Parameters
    ----------
    dae : DenoisingAutoencoderTransformer
        The fitted transformer, with ``network="mlp"`` or a
        :class:`~sklearn_dae.ConvNetwork`, and any `scaling` except "quantile".
    method : {"transform", "reconstruct", "score_samples"}, default="transform"
        What the model computes.

        - "transform": one output "features", float, (n_samples, n_features_out).
        - "reconstruct": for a table of numbers one output "repaired", double,
          (n_samples, n_features). For a table with categories one output
          "repaired_<column>" of shape (n_samples, 1) for each column. Numbers are
          double, rounded as in the method. Text is string. Other levels are int64,
          bool or double.
        - "score_samples": one output "scores", float, (n_samples,).

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
        If `method` is unknown, or if the transformer cannot be exported.

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
    if not isinstance(dae, DenoisingAutoencoderTransformer):
        raise TypeError(
            f"to_onnx takes a DenoisingAutoencoderTransformer. Got a "
            f"{type(dae).__name__}. Convert a Pipeline by skl2onnx.to_onnx(pipeline, "
            f"X[:1]), after import sklearn_dae.onnx."
        )
    if method not in METHODS:
        raise ValueError(f"'method' must be one of {METHODS}. Got {method!r}.")
    _check_exportable(dae)
    graph = Graph("dae")
    inputs = _declare_inputs(dae)
    columns = _read_columns(graph, dae, inputs)
    outputs = {
        "transform": _transform,
        "reconstruct": _reconstruct,
        "score_samples": _score_samples,
    }[method](graph, dae, columns)
    declared = [
        helper.make_tensor_value_info(given.name, given.type, ["n", given.width])
        for given in inputs
    ]
    return graph.model(declared, outputs)


class Input(NamedTuple):
    """An input of a graph: `width` columns of an element type of ONNX."""

    name: str
    type: int
    width: int


class Columns(NamedTuple):
    """The columns of a table inside a graph. None stands for no column.

    Attributes
    ----------
    numbers : str or None
        Name of a tensor (n, n_numeric), double. NaN where a cell is missing.
    codes : str or None
        Name of a tensor (n, n_categorical), int64. -1 where there is no level.
    """

    numbers: str | None
    codes: str | None


def _names(dae):
    """List the names of the columns."""
    default = [f"x{position}" for position in range(dae.n_features_in_)]
    return [str(name) for name in getattr(dae, "feature_names_in_", default)]


def _level_kinds(dae):
    """Map the positions of categorical columns to the kind of their levels."""
    layout = dae._model.layout
    pairs = zip(layout.categorical_.tolist(), layout.levels_, strict=True)
    return {position: _kind_of_levels(levels.names) for position, levels in pairs}


def _kind_of_levels(levels):
    """Find the kind: "text", "bool", "int", "float" or "other"."""
    for kind, types in (
        ("text", str),
        ("bool", (bool, np.bool_)),
        ("int", (Integral, np.bool_)),
        ("float", (Real, np.bool_)),
    ):
        if all(isinstance(level, types) for level in levels):
            return kind
    return "other"


def _check_exportable(dae):
    """Raise an error if the transformer is not fitted or cannot be exported."""
    check_is_fitted(dae)
    if dae._model.codec.scaling == "quantile":
        raise ValueError(
            "ONNX has no operator for scaling='quantile'. Fit the transformer with "
            "scaling='standard', 'minmax' or None."
        )
    network = dae.net_.module_
    if not isinstance(network, DenoisingAutoencoder) and not isinstance(
        network.encoder, ConvEncoder
    ):
        raise ValueError(
            f"Only network='mlp' and ConvNetwork can be exported to ONNX. Got network="
            f"{dae.network!r}. Fit the transformer with one of these, or convert the "
            f"modules net_.module_.encoder and net_.module_.decoder yourself by "
            f"torch.onnx.export."
        )
    _check_levels(dae)


def _check_levels(dae):
    """Raise ValueError if a column has levels that ONNX does not know."""
    names = _names(dae)
    for position, kind in _level_kinds(dae).items():
        if kind == "other":
            raise ValueError(
                f"The levels of column {names[position]!r} are neither all text nor "
                f"all numbers, and ONNX has no other categories. Convert the column "
                f"to text before fit: X[{names[position]!r}].astype(str)."
            )


def _declare_inputs(dae):
    """List the inputs of a model of the transformer alone."""
    layout = dae._model.layout
    if not len(layout.categorical_):
        is_single = layout.dtype_ == np.float32
        element = TensorProto.FLOAT if is_single else TensorProto.DOUBLE
        return [Input("X", element, dae.n_features_in_)]
    elements = [TensorProto.DOUBLE] * dae.n_features_in_
    for position, levels in zip(layout.categorical_, layout.levels_, strict=True):
        kind = _kind_of_levels(levels.names)
        if kind == "text":
            elements[position] = TensorProto.STRING
        elif kind == "int" and max(map(abs, levels._codes)) > LARGEST_EXACT:
            elements[position] = TensorProto.INT64
    pairs = zip(_names(dae), elements, strict=True)
    return [Input(name, element, 1) for name, element in pairs]


def _given_inputs(dae, variables):
    """List the inputs that skl2onnx passes, in the order of the columns."""
    names, given = _names(dae), [variable.raw_name for variable in variables]
    inputs = [_given_input(variable, len(names)) for variable in variables]
    width = sum(of_input.width for of_input in inputs)
    if width != len(names):
        raise ValueError(
            f"The transformer was fitted on {len(names)} columns, but its ONNX inputs "
            f"{given} have {width}. Missing: {[n for n in names if n not in given]}. "
            f"Declare one input for each column, or pass rows of the table of fit to "
            f"skl2onnx.to_onnx."
        )
    if sorted(given) != sorted(names):
        return inputs
    by_name = dict(zip(given, inputs, strict=True))
    return [by_name[name] for name in names]


def _given_input(variable, n_features):
    shape, element = variable.type.shape, variable.type._get_element_onnx_type()
    # skl2onnx may not know the number of columns of a single block.
    width = shape[1] if len(shape) > 1 and shape[1] else n_features
    return Input(variable.onnx_name, element, width)


def _read_columns(graph, dae, inputs):
    """Read the inputs as Columns."""
    layout, names = dae._model.layout, _names(dae)
    kinds = _level_kinds(dae)
    if not kinds:
        for given in inputs:
            _check_type(given.name, given.type, None)
        blocks = [_to_double(graph, given.name, given.type) for given in inputs]
        return Columns(graph.concat(blocks), None)
    columns = [column for given in inputs for column in _split(graph, given)]
    for position, (_, element) in enumerate(columns):
        _check_type(names[position], element, kinds.get(position))
    numbers = [_to_double(graph, *columns[j]) for j in layout.numeric_]
    codes = [
        _encode_levels(graph, kinds[position], levels, *columns[position])
        for position, levels in zip(layout.categorical_, layout.levels_, strict=True)
    ]
    return Columns(graph.concat(numbers) if numbers else None, graph.concat(codes))


def _split(graph, given):
    """Yield the name and the element type of each column of an input."""
    if given.width == 1:
        yield given.name, given.type
        return
    for position in range(given.width):
        yield graph.columns(given.name, position, position + 1), given.type


def _check_type(name, element, kind):
    """Raise ValueError if an input cannot be a column whose levels are of a kind."""
    allowed = {"text": {TensorProto.STRING}}.get(kind, INTEGERS | FLOATS)
    if element not in allowed:
        held = "text" if kind == "text" else "numbers"
        raise ValueError(
            f"Column {name!r} held {held} in fit, but its ONNX input is of type "
            f"{TensorProto.DataType.Name(element)}. Declare it as "
            f"{'STRING' if kind == 'text' else 'DOUBLE'}, or pass rows of the table of "
            f"fit to skl2onnx.to_onnx."
        )


def _to_double(graph, name, element):
    if element == TensorProto.DOUBLE:
        return name
    return graph.add("Cast", name, to=TensorProto.DOUBLE)


def _encode_levels(graph, kind, levels, column, element):
    """Convert a column to codes of its levels, -1 where there is none."""
    known = levels._codes
    # A column without a value in fit has a level that nothing is encoded to.
    codes = [code if levels.n_seen else -1 for code in known.values()]
    if kind == "text":
        return _label_encoder(graph, column, "strings", list(known), codes)
    fits = all(abs(level) < 2**63 for level in known)
    if kind != "float" and element in INTEGERS and fits:
        integers = graph.add("Cast", column, to=TensorProto.INT64)
        return _label_encoder(graph, integers, "int64s", list(map(int, known)), codes)
    # LabelEncoder compares floats in single precision.
    doubles = _to_double(graph, column, element)
    equal = graph.add("Equal", doubles, np.array([list(map(float, known))]))
    # At most one entry is 1. Codes are shifted by 1, so that 0 stands for no level.
    shifted = np.array(codes, dtype=np.float32)[:, None] + 1
    found = graph.add("MatMul", graph.add("Cast", equal, to=TensorProto.FLOAT), shifted)
    codes = graph.add("Cast", found, to=TensorProto.INT64)
    return graph.add("Sub", codes, np.int64(1))


def _label_encoder(graph, column, kind, keys, codes):
    attributes = {f"keys_{kind}": keys, "values_int64s": codes, "default_int64": -1}
    return graph.add("LabelEncoder", column, domain=ML, **attributes)


def _scale(graph, codec, numbers):
    """Scale in double precision, then convert to float."""
    values = graph.add("Div", numbers, 2.0)
    values = graph.add("Sub", values, codec._half_center)
    values = graph.add("Div", values, codec._half_scale)
    values = graph.add("Clip", values, -LARGEST, LARGEST)
    values = graph.add("Mul", values, (~codec.constant_).astype(np.float64))
    return graph.add("Cast", values, to=TensorProto.FLOAT)


def _unscale(graph, codec, numbers):
    """Convert scaled numbers to the units of the table, in double precision."""
    values = graph.add("Cast", numbers, to=TensorProto.DOUBLE)
    values = graph.add("Mul", values, codec._half_scale)
    values = graph.add("Mul", graph.add("Add", values, codec._half_center), 2.0)
    values = graph.add("Where", codec.constant_, codec.statistics_.low, values)
    low, high = np.clip(codec.bounds_, -FLOAT_MAX, FLOAT_MAX)
    return graph.add("Max", graph.add("Min", values, high), low)


def _inputs_of_network(graph, dae, columns):
    """Compute the inputs of the first layer."""
    numeric = missing = None
    if columns.numbers is not None:
        missing = graph.add("IsNaN", columns.numbers)
        numeric = _scale(graph, dae._model.codec, columns.numbers)
    cells = dae.net_.module_.cells
    return encode_cells(graph, cells, numeric, columns.codes, missing)


def _features(graph, dae, columns):
    """Compute the features of rows."""
    network = dae.net_.module_
    inputs = _inputs_of_network(graph, dae, columns)
    if network.representation == "stack":
        return stack(graph, network, inputs)
    return encode(graph, network, inputs)[-1]


def _predict(graph, dae, columns):
    """Predict all numbers, in the units of the table, and the logits of all levels.

    The logits are one block for each categorical column.
    """
    network, codec = dae.net_.module_, dae._model.codec
    inputs = _inputs_of_network(graph, dae, columns)
    output = decode(graph, network, encode(graph, network, inputs)[-1])
    n_numeric = len(codec.constant_)
    numbers = None
    if n_numeric:
        numbers = graph.columns(output, 0, n_numeric)
        if dae.net_.criterion__loss == "log_loss":
            numbers = graph.add("Sigmoid", numbers)
        numbers = _unscale(graph, codec, numbers)
    ends = n_numeric + np.cumsum([0, *network.cells.n_levels])
    return numbers, [graph.columns(output, *bounds) for bounds in pairwise(ends)]


def _transform(graph, dae, columns):
    """Add the output of `transform`, and describe it."""
    graph.output(_features(graph, dae, columns), "features")
    shape = ["n", n_features_out(dae.net_.module_)]
    return [helper.make_tensor_value_info("features", TensorProto.FLOAT, shape)]


def _score_samples(graph, dae, columns):
    """Add the output of `score_samples`, and describe it."""
    observed, errors = _observed_errors(graph, dae, columns)
    counts = graph.add("Cast", observed, to=TensorProto.FLOAT)
    axis, one = np.array([1], dtype=np.int64), np.float32(1)
    total, count = (
        graph.add("ReduceSum", block, axis, keepdims=0)
        for block in (graph.add("Sqrt", errors), counts)
    )
    # A row without any observed cell gets the score of a neutral cell.
    is_known = graph.add("Greater", count, np.float32(0))
    total = graph.add("Where", is_known, total, one)
    mean = graph.add("Div", total, graph.add("Max", count, one))
    scores = graph.add("Mul", graph.add("Log", mean), np.float32(-2))
    graph.output(scores, "scores")
    return [helper.make_tensor_value_info("scores", TensorProto.FLOAT, ["n"])]


def _observed_errors(graph, dae, columns):
    """Compute the mask of the observed cells, and their `cell_errors`, else 0."""
    numbers, logits = _predict_hidden(graph, dae, columns)
    errors, observed = [], []
    if numbers is not None:
        errors.append(_errors_of_numbers(graph, dae, columns.numbers, numbers))
        observed.append(graph.add("Not", graph.add("IsNaN", columns.numbers)))
    if columns.codes is not None:
        errors.append(_errors_of_levels(graph, dae._model.codec, columns.codes, logits))
        observed.append(graph.add("GreaterOrEqual", columns.codes, np.int64(0)))
    mask = graph.concat(observed)
    return mask, graph.add("Where", mask, graph.concat(errors), np.float32(0))


def _predict_hidden(graph, dae, columns):
    """Predict as `_predict` does, each cell while its column is hidden."""
    groups = dae._model.codec.column_groups(N_COLUMN_GROUPS)
    numeric, codes = groups.numeric.numpy(), groups.codes.numpy()
    number_of = np.arange(N_COLUMN_GROUPS)[:, None, None]
    hidden = Columns(
        _hide(graph, columns.numbers, number_of == numeric, np.nan),
        _hide(graph, columns.codes, number_of == codes, np.int64(-1)),
    )
    numbers, logits = _predict(graph, dae, hidden)
    if numbers is not None:
        # Each column is hidden in one group only.
        numbers = _by_group(graph, numbers, len(numeric))
        numbers = graph.add("Where", number_of == numeric, numbers, 0.0)
        axis = np.array([0], dtype=np.int64)
        numbers = graph.add("ReduceSum", numbers, axis, keepdims=0)
    sizes = dae.net_.module_.cells.n_levels
    logits = [
        graph.add("Gather", _by_group(graph, block, size), np.int64(group), axis=0)
        for block, size, group in zip(logits, sizes, codes, strict=True)
    ]
    return numbers, logits


def _hide(graph, block, is_hidden, missing):
    """Repeat all rows once for each group, with the cells of the group missing."""
    if block is None:
        return None
    repeated = graph.add("Unsqueeze", block, np.array([0], dtype=np.int64))
    repeated = graph.add("Where", is_hidden, missing, repeated)
    return graph.add("Reshape", repeated, np.array([-1, is_hidden.shape[2]]))


def _by_group(graph, block, width):
    """Divide rows into groups: (n_groups * n, width) to (n_groups, n, width)."""
    return graph.add("Reshape", block, np.array([N_COLUMN_GROUPS, -1, width]))


def _errors_of_numbers(graph, dae, numbers, predicted):
    """Compute how much less likely numbers are in their row than in their column."""
    codec = dae._model.codec
    errors = _squared_errors(graph, codec, numbers, predicted)
    of_mean = _squared_errors(graph, codec, numbers, codec.statistics_.mean)
    # The mean of large equal numbers is not exact.
    of_mean = graph.add("Where", codec.constant_, errors, of_mean)
    in_row = _log_density(graph, errors, dae._model.usual.means, ROW_FREEDOM)
    in_column = _log_density(graph, of_mean, np.float64(1), COLUMN_FREEDOM)
    ratios = graph.add("Sub", in_column, in_row)
    ratios = graph.add("Clip", ratios, -LOG_MOST, LOG_MOST)
    return graph.add("Cast", graph.add("Exp", ratios), to=TensorProto.FLOAT)


def _squared_errors(graph, codec, numbers, predicted):
    """Compute the squared errors of numbers, relative to the variance."""
    halves = graph.add("Div", numbers, 2.0), graph.add("Div", predicted, 2.0)
    half_std = codec.statistics_.std / 2
    scaled = graph.add("Div", graph.add("Sub", *halves), half_std)
    scaled = graph.add("Clip", scaled, -LARGEST, LARGEST)
    return graph.add("Mul", scaled, scaled)


def _log_density(graph, errors, usual_error, freedom):
    """Compute the log density of a t-distribution, at relative squared errors."""
    at_zero = log_density(np.zeros(1), usual_error, freedom)
    relative = graph.add("Div", errors, usual_error * freedom)
    logs = graph.add("Log", graph.add("Add", relative, 1.0))
    return graph.add("Sub", at_zero, graph.add("Mul", logs, (freedom + 1) / 2))


def _errors_of_levels(graph, codec, codes, logits):
    """Compute how much less likely levels are in their row than in their column."""
    frequencies = codec.frequencies_
    sizes = [len(of_column) for of_column in frequencies]
    column_of = np.repeat(np.arange(len(sizes)), sizes)
    # The sum over the levels of each column.
    sums = np.eye(len(sizes), dtype=np.float32)[column_of]
    of_level = np.concatenate(frequencies).astype(np.float32)
    is_level = one_hot(graph, sizes, codes)
    probabilities = graph.concat([graph.add("Softmax", b, axis=1) for b in logits])
    probability = graph.add("MatMul", graph.add("Mul", is_level, probabilities), sums)
    frequency = graph.add("MatMul", is_level, sums * of_level[:, None])
    # The network may be too sure. So the frequency is mixed in.
    probability = graph.add(
        "Add",
        graph.add("Mul", probability, np.float32(1 - LEVEL_DOUBT)),
        graph.add("Mul", frequency, np.float32(LEVEL_DOUBT)),
    )
    least = np.finfo(np.float32).tiny
    return graph.add("Div", frequency, graph.add("Max", probability, least))


def _reconstruct(graph, dae, columns):
    """Add the outputs of `reconstruct`, and describe them."""
    names = _names(dae)
    numbers, logits = _predict(graph, dae, columns)
    if numbers is not None:
        numbers = _round(graph, dae._model.layout.number_types_, numbers)
    if not logits:
        graph.output(numbers, "repaired")
        shape = ["n", len(names)]
        return [helper.make_tensor_value_info("repaired", TensorProto.DOUBLE, shape)]
    outputs = []
    for position, result, element in _repaired_columns(graph, dae, numbers, logits):
        name = f"repaired_{names[position]}"
        graph.output(result, name)
        outputs.append(helper.make_tensor_value_info(name, element, ["n", 1]))
    return outputs


def _repaired_columns(graph, dae, numbers, logits):
    """List the position, the name and the element type of each repaired column."""
    layout = dae._model.layout
    columns = [
        (position, graph.columns(numbers, j, j + 1), TensorProto.DOUBLE)
        for j, position in enumerate(layout.numeric_)
    ]
    for k, position in enumerate(layout.categorical_):
        levels = layout.levels_[k].names
        columns.append((position, *_decode_levels(graph, levels, logits[k])))
    return sorted(columns)


def _round(graph, number_types, numbers):
    """Round numbers to those that the columns can hold."""
    low, high = (
        np.array([np.clip(float(bound), -FLOAT_MAX, FLOAT_MAX) for bound in bounds])
        for bounds in zip(*((t.low, t.high) for t in number_types), strict=True)
    )
    numbers = graph.add("Max", graph.add("Min", numbers, high), low)
    decimals = np.array([t.decimals for t in number_types], dtype=np.float64)
    if np.isinf(decimals).all():
        return numbers
    unit = 10.0 ** np.where(np.isinf(decimals), 0, decimals)
    rounded = graph.add(
        "Div", graph.add("Round", graph.add("Mul", numbers, unit)), unit
    )
    return graph.add("Where", np.isinf(decimals), numbers, rounded)


def _decode_levels(graph, levels, logits):
    """Select the most probable level. Return its name and its element type."""
    kind = _kind_of_levels(levels)
    dtype, element = {
        "text": (object, TensorProto.STRING),
        "bool": (bool, TensorProto.BOOL),
        "int": (np.int64, TensorProto.INT64),
        "float": (np.float64, TensorProto.DOUBLE),
    }[kind]
    best = graph.add("ArgMax", logits, axis=1, keepdims=1)
    return graph.add("Gather", levels.astype(dtype), best, axis=0), element


def _calculate_shape(operator):
    """Tell skl2onnx the type of the output."""
    dae = operator.raw_operator
    _check_exportable(dae)
    # skl2onnx expects double for double, and float for all other types.
    of_output = guess_tensor_type(operator.inputs[0].type)
    rows = operator.inputs[0].get_first_dimension()
    of_output.shape = [rows, n_features_out(dae.net_.module_)]
    operator.outputs[0].type = of_output


def _convert(scope, operator, container):
    """Add the nodes of `transform` to the graph of skl2onnx."""
    dae = operator.raw_operator
    if container.target_opset < OLDEST_OPSET:
        raise ValueError(
            f"'target_opset' must be at least {OLDEST_OPSET}. Got "
            f"{container.target_opset}."
        )
    graph = Graph(scope.get_unique_operator_name("dae"))
    inputs = _given_inputs(dae, operator.inputs)
    features = _features(graph, dae, _read_columns(graph, dae, inputs))
    output = operator.outputs[0]
    element = output.type._get_element_onnx_type()
    graph.output(graph.add("Cast", features, to=element), output.onnx_name)
    for constant in graph.constants:
        container.add_initializer(constant.name, constant.data_type, None, constant)
    for node in graph.nodes:
        attributes = {a.name: helper.get_attribute_value(a) for a in node.attribute}
        container.add_node(
            node.op_type,
            list(node.input),
            list(node.output),
            op_domain=node.domain,
            # Without a version, skl2onnx chooses one that it then refuses.
            op_version=LABEL_ENCODER if node.domain == ML else None,
            name=node.name,
            **attributes,
        )


update_registered_converter(
    DenoisingAutoencoderTransformer, ALIAS, _calculate_shape, _convert
)
