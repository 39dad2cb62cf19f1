"""Graph separation: which pairs of graphs a model distinguishes, and whether it is invariant."""

from fa_pyg.separation.pairs import pairs_not_told_apart
from fa_pyg.separation.protocol import Separation, separation
from fa_pyg.separation.relabelled import relabelled

__all__ = ["Separation", "pairs_not_told_apart", "relabelled", "separation"]
