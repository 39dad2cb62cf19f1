"""Values of frames on a batch: group elements and weights, and what one does with them."""

from fa_pyg.frames.euclidean import ALL_RANKS, Frames

__all__ = ["ALL_RANKS", "Frames"]
