"""Denoising autoencoders for tables, as a scikit-learn transformer."""

# First, since it checks the versions of the libraries.
from . import _compat  # noqa: F401
from ._detector import DenoisingOutlierDetector
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
from ._version import __version__

__all__ = [
    "CellErrorsDisplay",
    "ConvNetwork",
    "DenoisingAutoencoderTransformer",
    "DenoisingOutlierDetector",
    "FeaturesDisplay",
    "LossCurveDisplay",
    "NoiseFactorDisplay",
    "ReconstructionDisplay",
    "RepairedCellsDisplay",
    "__version__",
    "to_torch",
]
