"""to_torch: a fitted transformer as a torch module that takes numbers and codes."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.utils.validation import check_is_fitted

from ._model import N_COLUMN_GROUPS, Model
from ._networks.methods import (
    Impute,
    Method,
    Reconstruct,
    Scaler,
    ScoreSamples,
    Transform,
)
from ._tables.codec import FLOAT_MAX, LARGEST, Codec
from ._transformer import DenoisingAutoencoderTransformer

METHODS = ("transform", "reconstruct", "score_samples", "impute")


def fitted(dae: Any) -> Model:
    """Get what a transformer has learned. Raise NotFittedError if it is not fitted."""
    check_is_fitted(dae)
    return dae._model


def to_torch(dae: Any, method: str = "transform") -> Method:
    """Convert one method of a fitted transformer to a PyTorch module.

    Use it for ``torch.export``, for fine-tuning, and for servers in PyTorch. The module
    computes what the method computes, up to rounding. It holds a copy of the network,
    on the same device, and changes nothing in `dae`. It does not check its input.

    The module takes two tensors:

    - The numbers, double, of shape (n_rows, n_numeric), in the units of the table. NaN
      where a cell is missing. Scaling needs double precision.
    - The codes of the levels, int64, of shape (n_rows, n_categorical). -1 where a cell
      is missing, and -2 where its level was not seen in `fit`.

    Both are needed. A tensor of a kind of columns that the table does not have has the
    shape (n_rows, 0).

    Parameters
    ----------
    dae : DenoisingAutoencoderTransformer
        The fitted transformer, with any `network`, and any `scaling` except "quantile".
    method : {"transform", "reconstruct", "score_samples", "impute"}, \
            default="transform"
        What the module computes.

        - "transform": the features, float, of shape (n_rows, n_features_out).
        - "reconstruct": a pair of the repaired numbers, double, of shape (n_rows,
          n_numeric), and the codes of the most probable levels, int64, of shape
          (n_rows, n_categorical). Numbers are rounded as in the method.
        - "score_samples": the scores, float, of shape (n_rows,).
        - "impute": the pair of inputs, with numbers in place of NaN and codes of levels
          in place of -1 and -2. So a level that was not seen in `fit` is replaced, too.

    Returns
    -------
    module : torch.nn.Module
        The module, in evaluation mode. These attributes describe its inputs:

        - `numeric_columns`, `categorical_columns`: lists of the names of the columns,
          or of their positions if they have no names, in the order of the tensors.
        - `level_codes`: for each categorical column a dict from its levels to their
          codes.

    Raises
    ------
    TypeError
        If `dae` is another estimator.
    sklearn.exceptions.NotFittedError
        If `dae` is not fitted.
    ValueError
        If `method` is unknown, if a subclass overrides it, or if `scaling` is
        "quantile".

    Examples
    --------
    >>> import torch
    >>> from sklearn.datasets import load_iris
    >>> from sklearn_dae import DenoisingAutoencoderTransformer, to_torch
    >>> X = load_iris().data
    >>> dae = DenoisingAutoencoderTransformer(max_iter=1, random_state=0).fit(X)
    >>> module = to_torch(dae, "score_samples")
    >>> codes = torch.empty(len(X), 0, dtype=torch.int64)  # No categories.
    >>> module(torch.from_numpy(X), codes).shape
    torch.Size([150])
    """
    check_method(dae, method, METHODS)
    learned = fitted(dae)
    layout, codec = learned.layout, learned.codec
    if codec.scaling == "quantile":
        raise ValueError(
            "scaling='quantile' cannot be exported. Fit the transformer with scaling="
            "'standard', 'minmax' or None."
        )
    module = _module(learned, method).to(learned.network.spreads.device)
    module.numeric_columns = [layout.label(j) for j in layout.numeric_]
    module.categorical_columns = [layout.label(j) for j in layout.categorical_]
    module.level_codes = [levels.codes for levels in layout.levels_]
    return module.eval()


def check_method(dae: Any, method: str, methods: tuple[str, ...]) -> None:
    """Raise an error if a method cannot be exported, or is not that of the package."""
    if not isinstance(dae, DenoisingAutoencoderTransformer):
        raise TypeError(
            f"Only a DenoisingAutoencoderTransformer can be exported. Got a "
            f"{type(dae).__name__}. Pass the transformer inside of it. Convert a "
            f"Pipeline to ONNX by skl2onnx.to_onnx(pipeline, X[:1]), after import "
            f"sklearn_dae.onnx."
        )
    if method not in methods:
        raise ValueError(f"'method' must be one of {methods}. Got {method!r}.")
    own = getattr(DenoisingAutoencoderTransformer, method)
    if getattr(type(dae), method) is not own:
        raise ValueError(
            f"{type(dae).__name__} overrides the method {method!r}, but only the "
            f"method of DenoisingAutoencoderTransformer can be exported. Export a "
            f"DenoisingAutoencoderTransformer, and compute the rest yourself."
        )


def _module(learned: Model, method: str) -> Method:
    """Build the module of a method."""
    codec = learned.codec
    given = learned.network, learned.loss, _scaler(codec), codec.last_codes
    if method == "transform":
        sizes = learned.network.block_sizes
        spreads = np.repeat(learned.network.spreads.numpy(force=True), sizes)
        return Transform(*given, spreads=spreads)
    if method == "score_samples":
        score = ScoreSamples(*given, **_groups(codec))
        score.surprise = learned.make_surprise()
        return score
    number_types, whole = learned.layout.number_types_, learned.layout.whole_
    if method == "reconstruct":
        return Reconstruct(*given, **_rounding(number_types))
    # Whole numbers of an array are filled by whole numbers.
    pairs = zip(number_types, whole, strict=True)
    return Impute(*given, **_rounding([t.whole() if w else t for t, w in pairs]))


def _scaler(codec: Codec) -> Scaler:
    """Build the module that scales the numbers."""
    shape = codec.constant_.shape
    low, high = np.clip(codec.bounds_, -FLOAT_MAX, FLOAT_MAX)
    return Scaler(
        LARGEST,
        half_center=np.broadcast_to(codec._half_center, shape),
        half_scale=np.broadcast_to(codec._half_scale, shape),
        constant=codec.constant_,
        value=codec.statistics_.low,
        low=low,
        high=high,
    )


def _rounding(number_types: list[Any]) -> dict[str, Any]:
    """Describe which numbers the columns can hold."""
    held = [(t.low, t.high, t.decimals) for t in number_types]
    low, high, decimals = np.array(held, dtype=np.float64).reshape(-1, 3).T
    least, most = np.clip([low, high], -FLOAT_MAX, FLOAT_MAX)
    is_rounded = np.isfinite(decimals)
    unit = 10.0 ** np.where(is_rounded, decimals, 0)
    return {"least": least, "most": most, "is_rounded": is_rounded, "unit": unit}


def _groups(codec: Codec) -> dict[str, Any]:
    """Describe which columns are hidden together, and how numbers are standardized."""
    number_groups, code_groups = (
        block.numpy() for block in codec.column_groups(N_COLUMN_GROUPS)
    )
    return {
        "groups": np.arange(1 + max(*number_groups, *code_groups, 0, 0)),
        "number_groups": number_groups,
        "code_groups": code_groups,
        "level_groups": np.repeat(code_groups, list(map(len, codec.frequencies_))),
        "mean": codec.statistics_.mean,
        "std": codec.statistics_.std,
    }
