"""The state of a transformer: arrays and plain values, of which saved models are made.

The state contains no tensor, no object of skorch and no DataFrame. So a file can be
opened under other versions of the libraries. The network is built again when the state
is set.
"""

from __future__ import annotations

import inspect
import warnings
import zlib
from itertools import pairwise

import numpy as np
import sklearn
import torch
from sklearn.exceptions import InconsistentVersionWarning

from ._cells import Cells
from ._compat import as_tuple
from ._model import Calibration, Model
from ._networks.autoencoder import (
    ACTIVATIONS,
    DenoisingAutoencoder,
    Dense,
    layer_sizes,
)
from ._networks.contexts import own_settings
from ._networks.conv import ConvNetwork
from ._networks.custom import CustomAutoencoder
from ._parameters import plain_parameter
from ._tables.plain import among, array, ensure, pack, typed, unpack
from ._tables.states import (
    codec_of_state,
    layout_of_state,
    state_of_codec,
    state_of_layout,
)
from ._training.fit import Moments, Progress
from ._training.net import restore_net
from ._version import __version__

# The format of the state. Raise it when older versions cannot read the state, and keep
# reading the older formats.
FORMAT = 2
READABLE = (1, 2)
VERSIONS = {"sklearn_dae": __version__, "scikit-learn": sklearn.__version__}
REPRESENTATIONS = ("stack", "latent")
LOSSES = ("squared_error", "absolute_error", "log_loss")
# Attributes that `fit` sets. The state contains them in another form.
FITTED = {
    "_model", "_progress", "best_loss_", "feature_names_in_", "loss_curve_",
    "n_features_in_", "n_iter_", "net_", "validation_loss_curve_",
}  # fmt: skip


def to_state(dae):
    """Convert a transformer to a state.

    Returns
    -------
    state : dict
        "format", "versions" of the libraries, "parameters" by name, "other" attributes
        that scikit-learn or the user has set, "fitted": None before `fit`, otherwise a
        dict of what `fit` has learned, and "checksum" of this dict.
    """
    parameters = dae.get_params(deep=False)
    known = FITTED | set(parameters)
    fitted = _fitted_state(dae) if hasattr(dae, "net_") else None
    return {
        "format": FORMAT,
        "versions": VERSIONS,
        "parameters": {
            name: plain_parameter(name, x) for name, x in parameters.items()
        },
        "other": {name: x for name, x in vars(dae).items() if name not in known},
        "fitted": fitted,
        "checksum": checksum(fitted),
    }


def checksum(value, start=1):
    """Compute a checksum of arrays and plain values, which shows damage.

    Other values, such as the network of the user, do not count.
    """
    if isinstance(value, np.ndarray):
        start = zlib.adler32(f"{value.dtype.str}{value.shape}".encode(), start)
        return zlib.adler32(np.ascontiguousarray(value), start)
    if type(value) is dict:
        value = [*value, *value.values()]
    if type(value) in (list, tuple):
        start = zlib.adler32(f"{len(value)}".encode(), start)
        for item in value:
            start = checksum(item, start)
    elif value is None or type(value) in (str, int, float, bool):
        start = zlib.adler32(repr(value).encode(errors="surrogatepass"), start)
    return start


def from_state(state, kind):
    """Convert a state to the attributes of a transformer.

    Parameters
    ----------
    state : object
        It may be of any type and contain anything.
    kind : type
        The class of the transformer.

    Returns
    -------
    attributes : dict
    versions : dict of str to str
        Versions of the libraries that saved the state.

    Raises
    ------
    ValueError
        If it is not a state, or cannot be read by this version.
    """
    _check_format(state)
    try:
        versions = {name: typed(state["versions"][name], str) for name in VERSIONS}
        ensure(all(len(x) < 100 for x in versions.values()), "long versions")
        attributes = _parameters(state["parameters"], kind)
        attributes |= _others(state["other"], kind)
        if state["fitted"] is not None:
            found = checksum(state["fitted"])
            # Format 1 has none.
            ensure(state.get("checksum", found) == found, "wrong checksum")
            is_old = state["format"] == 1
            fitted = _upgrade(state["fitted"]) if is_old else state["fitted"]
            with own_settings():
                attributes |= _fitted_attributes(fitted)
    except Exception as error:  # A state that was changed may contain anything.
        raise ValueError(
            f"The saved {kind.__name__} cannot be read. It was damaged or changed "
            f"({type(error).__name__}: {error!s:.300}). Save the transformer again."
        ) from error
    return attributes, versions


def _check_format(state):
    """Raise ValueError unless this version can read the state."""
    if not isinstance(state, dict) or not {"format", "versions"} <= set(state):
        found = sorted(map(str, state)) if isinstance(state, dict) else type(state)
        raise ValueError(
            f"The state of a saved transformer must be a dict with 'format' and "
            f"'versions'. Got {found}. Load a file that was saved by pickle, joblib or "
            f"skops from a transformer of sklearn_dae 0.1 or later."
        )
    # Comparing any other object could do anything.
    if type(state["format"]) is not int or state["format"] not in READABLE:
        raise ValueError(
            f"The transformer was saved in the format {state['format']!r} by the "
            f"versions {state['versions']!r:.300}, but sklearn_dae "
            f"{__version__} reads the formats {READABLE} only. Upgrade "
            f"sklearn_dae, or save the transformer with this version."
        )


def _upgrade(state):
    """Change what `fit` has learned from format 1 to format 2.

    The cells of levels were not counted, and errors had another measure.
    """
    levels = [{**of_column, "counts": None} for of_column in state["layout"]["levels"]]
    return {
        **state,
        "calibration": None,
        "layout": {**state["layout"], "levels": levels},
    }


def _parameters(given, kind):
    """Check the names of parameters. Those that an older state lacks get defaults."""
    names, signature = set(kind._get_param_names()), inspect.signature(kind).parameters
    ensure(names >= set(given), f"unknown parameters {sorted(set(given) - names)}")
    return {name: signature[name].default for name in names - set(given)} | given


def _others(given, kind):
    """Check other attributes: none may take the place of a method."""
    for name in given:
        taken = name in FITTED or hasattr(kind, name)
        ensure(not taken, f"{name!r} among other attributes")
    return dict(given)


def _fitted_state(dae):
    names = getattr(dae, "feature_names_in_", None)
    model = dae._model
    return {
        "names": None if names is None else pack(names.tolist()),
        "layout": state_of_layout(model.layout),
        "codec": state_of_codec(model.codec),
        "net": _state_of_net(model.net),
        "losses": np.array(dae.loss_curve_, dtype=np.float64),
        "validation_losses": np.array(dae.validation_loss_curve_, dtype=np.float64),
        "best_loss": dae.best_loss_,
        "calibration": model.calibration and model.calibration._asdict(),
        "progress": dae._progress and _state_of_progress(dae._progress, model.network),
    }


def _fitted_attributes(state):
    layout = layout_of_state(state["layout"])
    net = _net_of_state(state["net"], layout)
    losses = array(state["losses"], np.float64, None).tolist()
    calibration = state["calibration"]
    if calibration is not None:
        calibration = _calibration_of_state(calibration, layout)
        are_counted = all(levels.counts is not None for levels in layout.levels_)
        ensure(are_counted, "no counts of levels")
    attributes = {
        "n_features_in_": layout.n_features,
        "_model": Model(codec_of_state(state["codec"], layout), net, calibration),
        "net_": net,
        "_progress": state["progress"]
        and _progress_of_state(state["progress"], net.module_),
        "loss_curve_": losses,
        "validation_loss_curve_": array(
            state["validation_losses"], np.float64, None
        ).tolist(),
        "n_iter_": len(losses),
        "best_loss_": typed(state["best_loss"], float),
    }
    if state["names"] is not None:
        names = np.empty(layout.n_features, dtype=object)
        names[:] = [typed(name, str) for name in typed(unpack(state["names"]), list)]
        attributes["feature_names_in_"] = names
    return attributes


def _calibration_of_state(state, layout):
    n_numeric, n_features = len(layout.numeric_), layout.n_features
    return Calibration(
        array(state["center"], np.float64, n_numeric),
        array(state["spread"], np.float64, n_numeric),
        array(state["squared_error"], np.float64, 2, n_numeric),
        array(state["usual"], np.float64, 2, n_features),
        array(state["counts"], np.int64, n_features),
    )


def _state_of_net(net):
    network = net.module_
    return {
        "network": _description(net),
        "n_components": network.n_components,
        "representation": network.representation,
        "weights": {
            name: tensor.numpy(force=True) for name, tensor in _tensors(network).items()
        },
        "loss": net.criterion__loss,
        "numeric_baseline": net.criterion__numeric_baseline.numpy(force=True),
        "codes_baseline": net.criterion__codes_baseline.numpy(force=True),
        "history": _state_of_history(net.history),
        "lr": float(net.lr),
        "max_epochs": int(net.max_epochs),
        "batch_size": int(net.batch_size),
        "device": str(net.device),
    }


def _description(net):
    """Describe how to build the network again."""
    network = net.module_
    if isinstance(network, DenoisingAutoencoder):
        *hidden, _ = [layer.out_features for layer in network.encoder]
        return {"hidden_layer_sizes": hidden, "activation": network.activation}
    return {
        "network": net.module__network,
        "seed": net.module__seed,
        "encoder_sizes": network.block_sizes[-network.n_encoder_blocks :],
        "n_weights": network.n_weights,
    }


def _net_of_state(state, layout):
    history = _history_of_state(state["history"])
    network = _build(state, layout)
    _set_weights(network, state["weights"])
    baseline = Cells(
        _tensor(state["numeric_baseline"], torch.float32, len(layout.numeric_)),
        _tensor(state["codes_baseline"], torch.float32, len(layout.levels_)),
    )
    types = {"lr": float, "max_epochs": int, "batch_size": int, "device": str}
    settings = {name: typed(state[name], kind) for name, kind in types.items()}
    ensure(torch.device(settings["device"]).type != "meta", "a device without memory")
    if isinstance(network, CustomAutoencoder):
        for name in ("network", "seed"):
            settings[f"module__{name}"] = state["network"][name]
    return restore_net(
        network,
        among(state["loss"], LOSSES),
        baseline,
        history,
        **settings,
    )


def _build(state, layout):
    """Build a network whose weights are not set yet.

    Before that, check that the weights in the state have its shapes. A damaged size
    could need any amount of memory.
    """
    description, weights = state["network"], state["weights"]
    arguments = {
        "n_numeric": len(layout.numeric_),
        "n_levels": [len(levels) for levels in layout.levels_],
        "n_components": typed(state["n_components"], int),
        "representation": among(state["representation"], REPRESENTATIONS),
    }
    if "activation" in description:
        hidden = _sizes(description["hidden_layer_sizes"], weights)
        activation = among(description["activation"], tuple(ACTIVATIONS))
        arguments["hidden_layer_sizes"] = hidden
        _check_dense(weights, arguments)
        return DenoisingAutoencoder(activation=activation, **arguments)
    _check_custom(description["network"], weights, arguments)
    return CustomAutoencoder(
        network=description["network"],
        seed=typed(description["seed"], int),
        encoder_sizes=_sizes(description["encoder_sizes"], weights),
        n_weights=typed(description["n_weights"], int),
        **arguments,
    )


def _sizes(sizes, weights):
    """Return the sizes of layers, after checking them. Each layer has weights."""
    ensure(len(typed(sizes, list)) <= len(weights), f"{len(sizes)} layers")
    ensure(all(typed(size, int) >= 1 for size in sizes), f"layers of sizes {sizes}")
    return sizes


def _check_dense(weights, arguments):
    """Raise an error of any type unless the weights have the sizes of the layers."""
    for part, sizes in zip(
        ("encoder", "decoder"), layer_sizes(**arguments), strict=True
    ):
        for k, (n_in, n_out) in enumerate(pairwise(sizes)):
            _check_shape(weights, f"{part}.{k}.weight", (n_out, n_in))


def _check_custom(network, weights, arguments):
    """Raise an error of any type if the sizes of a network do not fit its weights.

    The modules of the user must check their own sizes.
    """
    n_components = arguments["n_components"]
    n_inputs = arguments["n_numeric"] + sum(arguments["n_levels"])
    # A convolution has more outputs than weights, but not for each input.
    n_weights = sum(values.size for values in weights.values())
    ensure(1 <= n_components <= n_inputs * n_weights, f"{n_components} components")
    if type(network) is ConvNetwork:
        ensure(np.size(network.channels) <= len(weights), "many layers")
        shapes = network._encoder_shapes(n_inputs, n_components)
        for name, shape in shapes.items():
            _check_shape(weights, f"encoder.{name}", shape)


def _check_shape(weights, name, expected):
    shape = weights[name].shape
    ensure(shape == expected, f"{name} of shape {shape} instead of {expected}")


def _set_weights(network, weights):
    """Set all parameters and buffers."""
    tensors = _tensors(network)
    ensure(set(weights) == set(tensors), f"weights {sorted(weights)}")
    for name, tensor in tensors.items():
        given = _tensor(weights[name], tensor.dtype, *tensor.shape)
        # Positions of inputs follow from the columns.
        ensure(name != "cells.offsets" or given.equal(tensor), "other positions")
        tensor.copy_(given)


def _tensors(network):
    """Get all parameters and buffers by name, without the padding of dense layers."""
    tensors = network.state_dict()
    for name, module in network.named_modules():
        if isinstance(module, Dense):
            n_out, n_in = module.out_features, module.in_features
            tensors[f"{name}.weight"] = tensors[f"{name}.weight"][:n_out, :n_in]
            tensors[f"{name}.bias"] = tensors[f"{name}.bias"][:n_out]
    return tensors


def _parts(flat, network):
    """List the parts of a flat tensor of the optimizer, one for each parameter.

    They have the shapes of the parameters, without the padding of dense layers.
    """
    tensors, parts, start = _tensors(network), [], 0
    for name, parameter in network.named_parameters():
        if parameter.requires_grad:
            stop = start + parameter.numel()
            part = flat[start:stop].view_as(parameter)
            parts.append(part[tuple(map(slice, tensors[name].shape))])
            start = stop
    return parts


def _tensor(value, dtype, *shape):
    """Convert an array to a tensor, after checking it."""
    return torch.from_numpy(array(value, str(dtype).removeprefix("torch."), *shape))


def _state_of_history(epochs):
    """Convert what was recorded by epoch to one array or list for each record."""
    names = dict.fromkeys(name for epoch in epochs for name in epoch)
    # Equal fits have equal states, but need different times.
    names.pop("dur", None)
    records = {}
    for name in names:
        positions = [k for k, epoch in enumerate(epochs) if name in epoch]
        values = [_plain(epochs[k][name]) for k in positions]
        records[name] = {
            "epochs": np.array(positions, dtype=np.int64),
            "values": _compact(values),
        }
    return {"n_epochs": len(epochs), "records": records}


def _plain(value):
    """Convert numbers of NumPy and PyTorch to those of Python, tensors to arrays."""
    if isinstance(value, torch.Tensor):
        value = value.numpy(force=True)
        return value if value.ndim else value.item()
    return value.item() if isinstance(value, np.generic) else value


def _compact(values):
    """Convert numbers of one type to an array. Others stay a list."""
    if len(set(map(type, values))) == 1:
        as_array = np.array(values)
        if as_array.dtype.kind in "bif" and as_array.ndim == 1:
            return as_array
    return pack(values)


def _history_of_state(state):
    n_epochs, records = typed(state["n_epochs"], int), state["records"]
    # Each epoch has its loss. So the number is checked before a list is made of it.
    n_recorded = max((len(record["epochs"]) for record in records.values()), default=0)
    ensure(n_epochs == n_recorded, f"{n_epochs} epochs, {n_recorded} of them recorded")
    epochs = [{} for _ in range(n_epochs)]
    for name, record in records.items():
        values = record["values"]
        is_array = isinstance(values, np.ndarray)
        of_record = typed(values.tolist() if is_array else unpack(values), list)
        positions = array(record["epochs"], np.int64, len(of_record)).tolist()
        ensure(sorted({*positions} & {*range(n_epochs)}) == positions, "wrong epochs")
        for position, value in zip(positions, of_record, strict=True):
            epochs[position][name] = value
    return epochs


def _state_of_progress(progress, network):
    moments = None
    if progress.moments is not None:
        means, n_rows = progress.moments
        moments = {"means": means.numpy(), "n_rows": n_rows}
    optimizer = {
        name: torch.cat([part.flatten() for part in _parts(flat, network)]).numpy()
        for name, flat in progress.optimizer.items()
        if name != "step"
    }
    return {
        "optimizer": optimizer,
        "step": progress.optimizer["step"].numpy(),
        "moments": moments,
        "generator": progress.generator.numpy(),
        "device": progress.device,
    }


def _progress_of_state(state, network):
    names = ("exp_avg", "exp_avg_sq", "weights")
    optimizer = {name: _flat(state["optimizer"][name], network) for name in names}
    optimizer["step"] = _tensor(state["step"], torch.float32)
    moments = state["moments"]
    if moments is not None:
        n_features = sum(network.block_sizes)
        means = _tensor(moments["means"], torch.float64, 2, n_features)
        n_rows = typed(moments["n_rows"], int)
        ensure(n_rows >= 1, f"moments of {n_rows} rows")
        moments = Moments(means, n_rows)
    generator = _tensor(state["generator"], torch.uint8, None)
    device = torch.device(typed(state["device"], str))
    if device.type == "cpu":
        torch.Generator().set_state(generator)  # Raises an error if it is none.
    return Progress(optimizer, moments, generator, str(device))


def _flat(values, network):
    """Make the flat tensor of the optimizer of the numbers of all its parts."""
    trained = [p.numel() for p in network.parameters() if p.requires_grad]
    flat = torch.zeros(sum(trained), dtype=torch.float32)
    parts = _parts(flat, network)
    sizes = [part.numel() for part in parts]
    given = _tensor(values, torch.float32, sum(sizes)).split(sizes)
    for part, numbers in zip(parts, given, strict=True):
        part.copy_(numbers.view_as(part))
    return flat


def warn_of_versions(versions, name):
    """Warn if another major version of a library saved the transformer `name`."""
    for library, now in VERSIONS.items():
        before = versions[library]
        if as_tuple(before)[:1] != as_tuple(now)[:1]:
            warnings.warn(
                InconsistentVersionWarning(
                    estimator_name=name,
                    current_sklearn_version=f"{now} of {library}",
                    original_sklearn_version=f"{before} of {library}",
                ),
                stacklevel=3,
            )
