"""Copies of the batch of a call in several frames, by PyG's naming rules."""

from fa_pyg.copies.copies import Copies, Slots

__all__ = ["Copies", "Slots"]
