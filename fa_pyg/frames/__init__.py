"""Frames of a batch as values: weighted group elements, their copies of tensors and averages over them."""

from fa_pyg.frames.base import ALL_RANKS, NO_RANK, FrameSet
from fa_pyg.frames.euclidean import Frames
from fa_pyg.frames.permutation import PermutationFrames
from fa_pyg.frames.rows import Level, Rows
from fa_pyg.frames.signed import SignedFrames

__all__ = ["ALL_RANKS", "NO_RANK", "FrameSet", "Frames", "Level", "PermutationFrames", "Rows", "SignedFrames"]
