"""Copies of a call's batch, several frames a graph, by PyG's own naming rules."""

from fa_pyg.copies.copies import Copies, Slots

__all__ = ["Copies", "Slots"]
