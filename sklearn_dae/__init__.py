"""Denoising autoencoders for tables, as a scikit-learn transformer."""

# First, since it checks the versions of the libraries.
from . import _compat  # noqa: F401
from ._display import (
    CellErrorsDisplay,
    FeaturesDisplay,
    LossCurveDisplay,
    NoiseFactorDisplay,
    ReconstructionDisplay,
    RepairedCellsDisplay,
)
from ._export import to_torch
from ._networks.conv import ConvNetwork
from ._transformer import DenoisingAutoencoderTransformer

__all__ = [
    "CellErrorsDisplay",
    "ConvNetwork",
    "DenoisingAutoencoderTransformer",
    "FeaturesDisplay",
    "LossCurveDisplay",
    "NoiseFactorDisplay",
    "ReconstructionDisplay",
    "RepairedCellsDisplay",
    "__version__",
    "to_torch",
]

__version__ = "0.1.0"
