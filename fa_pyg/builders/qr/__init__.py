"""Frames by a generalized QR decomposition."""

from fa_pyg.builders.qr.frame import GeneralisedQRFrame

__all__ = ["GeneralisedQRFrame"]
