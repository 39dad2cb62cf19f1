"""Exact canonical labelling of graphs: a whole batch at once, in integers on the CPU."""

from fa_pyg.canonical.labelling import Labelling, canonical_labelling

__all__ = ["Labelling", "canonical_labelling"]
