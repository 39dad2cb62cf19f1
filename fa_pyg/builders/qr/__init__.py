"""Frames by a generalized QR decomposition."""

from fa_pyg.builders.qr.frame import GeneralizedQRFrame

GeneralisedQRFrame = GeneralizedQRFrame  # the old spelling

__all__ = ["GeneralisedQRFrame", "GeneralizedQRFrame"]
