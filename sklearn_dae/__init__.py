"""Denoising autoencoders for tables, as a scikit-learn transformer."""

from ._transformer import DenoisingAutoencoderTransformer

__all__ = ["DenoisingAutoencoderTransformer", "__version__"]

__version__ = "0.1.0"
