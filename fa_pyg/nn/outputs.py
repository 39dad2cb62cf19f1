"""Average of a model's outputs over the copies of a batch."""

from __future__ import annotations

from numbers import Number
from typing import Any

import torch
from torch import Tensor
from torch.fx.experimental.symbolic_shapes import statically_known_true

from fa_pyg.calls import Layout, Name
from fa_pyg.copies import Slots
from fa_pyg.frames import FrameSet, Level
from fa_pyg.nn.output_structure import check_level, leaves, output_spec, rebuild
from fa_pyg.reps import Rep

__all__ = ["Outputs", "check_level", "output_spec"]


class Outputs:
    """Collection of the outputs of all calls, and their average over the frames.

    Args:
        spec: the representations (:func:`~fa_pyg.nn.output_structure.output_spec`).
        level: "node", "graph", "edge", the name of an argument with such rows or None, for all outputs or in
            the structure of ``spec``.
        layout: the layout of the source batch.
        frames: its frames.
    """

    def __init__(self, spec: Any, level: Any, layout: Layout, frames: FrameSet) -> None:
        self.spec, self.level, self.layout, self.frames = spec, level, layout, frames
        self.parts: list[list[Any]] = []
        self.levels: list[Name] = []
        self.first: Any = None

    def add(self, value: Any, slots: Slots) -> None:
        """Add the model's output on some copies."""
        found = list(leaves(self.spec, value, self.level, "output"))
        if not self.parts:  # levels are inferred from the first call
            self.first, self.parts = value, [[] for _ in found]
            self.reps, self.paths = [rep for rep, *_ in found], [path for *_, path in found]
            self.levels = [self._resolve(*leaf, slots) for leaf in found]
        for part, level, (rep, leaf, _, path) in zip(self.parts, self.levels, found, strict=True):
            part.append(self._with_rows(rep, leaf, level, path, slots))

    def have_rows(self) -> bool:
        """Whether all outputs so far are tensors, of which several frames may be in one."""
        return "number" not in self.levels

    def average(self) -> Any:
        """Return the averaged output, in the structure of the model's."""
        averaged = []
        for rep, level, path, parts in zip(self.reps, self.levels, self.paths, self.parts, strict=True):
            if level == "number":
                averaged.append(self._averaged_number(parts, path))
                continue
            value = parts[0] if len(parts) == 1 else torch.cat(parts)
            value = self.frames.average(value, rep, self.layout.of("graph" if level == "whole" else level))
            averaged.append(value.squeeze(0) if level == "whole" else value)
        return rebuild(self.spec, self.first, iter(averaged))

    def _averaged_number(self, parts: list[Any], path: str) -> Any:
        """A plain number: the same in all calls, or the mean over calls on the whole batch."""
        if all(part == parts[0] for part in parts):
            return parts[0]
        frames = self.frames
        by_slot = frames.weight.view(frames.slots, -1) if frames.slots == len(parts) else frames.weight[None]
        if frames.slots != len(parts) or not bool((by_slot == by_slot[:, :1]).all()):
            raise ValueError(
                f"{path}: expected a tensor with one row for each graph, found a number that differs from "
                f"call to call ({parts[0]!r}, {parts[-1]!r})"
            )
        return sum(part * weight for part, weight in zip(parts, by_slot[:, 0].tolist(), strict=True))

    def _resolve(self, rep: Rep, leaf: Tensor | Number, level: Name | None, path: str, slots: Slots) -> Name:
        """The level of an output, or the name of an argument.

        Besides the levels: "whole" for one graph without a row for it, and "number".
        """
        rep.layout(tuple(leaf.shape) if isinstance(leaf, Tensor) else (), slots.dim, path)
        if not isinstance(leaf, Tensor):
            return "number"
        if _has_no_row(rep, leaf) and slots.num_graphs == 1 and level in (None, "graph"):
            return "whole"
        if level == "edge":
            return self._edges_or_pairs(leaf, path, slots)
        if level is not None:
            return self._named(level, path)
        sizes = {"node": slots.num_nodes, "graph": slots.num_graphs}
        fits = _known(sizes, leaf) or [k for k, size in sizes.items() if leaf.dim() and size == leaf.size(0)]
        if len(fits) != 1 and not (fits and self.layout.nodes_are_graphs):
            raise ValueError(
                _unclear(leaf, path, slots, "its level is ambiguous" if fits else "it fits none")
            )
        self._check_rivals(fits[0], leaf, path, slots)
        return fits[0]

    def _named(self, level: Name, path: str) -> Name:
        call = self.layout.call
        if level not in ("node", "graph") and not isinstance(call.get(level), Tensor):
            have = ", ".join(str(name) for name, value in call.values.items() if isinstance(value, Tensor))
            raise ValueError(f"level of {path}: expected a tensor of the call ({have}), found {level!r}")
        return level

    def _edges_or_pairs(self, leaf: Tensor, path: str, slots: Slots) -> Name:
        """The level "edge": the rows of ``edge_index``, or of pairs such as ``edge_label_index``.

        Raises:
            ValueError: if both have as many rows, and averages differ.
        """
        pairs, edges = self.layout.pairs, self.layout.edge_index
        if not pairs or not leaf.dim():
            return "edge"
        rows = {} if edges is None else {"edge": self.layout.of("edge")}
        rows |= {name: self.layout.of(name) for name in pairs}
        fits = {name: part for name, part in rows.items() if slots.count(part) == leaf.size(0)}
        first = [*fits, None][0]
        if first is None:
            raise ValueError(
                _unclear(leaf, path, slots, f"it has the rows of none of {', '.join(map(str, rows))}")
            )
        same = all(
            torch.equal(part.bodies(leaf.device), fits[first].bodies(leaf.device)) for part in fits.values()
        )
        if len(fits) > 1 and first == "edge" and not self.frames.keeps_rows:
            # Right for both if the pairs are in the order of the edges.
            same = all(part.level is Level.EDGE for part in fits.values()) and not self.frames.moves_edges
        if same:
            return first
        names = " or ".join(repr(self.layout.edge_name if name == "edge" else name) for name in fits)
        raise ValueError(f'level of {path}: expected {names}, which have as many rows, found "edge"')

    def _check_rivals(self, level: str, leaf: Tensor, path: str, slots: Slots) -> None:
        """Raise ValueError if rows assumed to be nodes or graphs may be those of node indices."""
        layout = self.layout
        if layout.batch is None and not layout.is_strict:
            return
        indices = {k: x for k, x in layout.call.values.items() if layout.holds_indices(k, x) and x.dim()}
        assumed = layout.of(level)
        for name in indices:
            rows = layout.of(name) if name != layout.edge_name else assumed
            if rows.level is assumed.level or slots.count(rows) != leaf.size(0) or layout.nodes_are_graphs:
                continue
            if (layout.is_strict and level == "node") or not torch.equal(
                rows.bodies(leaf.device), assumed.bodies(leaf.device)
            ):
                why = f"its rows may be those of {name!r} (level={name!r})"
                raise ValueError(_unclear(leaf, path, slots, why))

    def _with_rows(self, rep: Rep, leaf: Any, level: Name, path: str, slots: Slots) -> Any:
        if level == "number" or not isinstance(leaf, Tensor):
            if level != "number" or isinstance(leaf, Tensor):
                raise ValueError(f"{path}: expected a number, or a tensor, of every copy, found both")
            return leaf
        has_no_row = _has_no_row(rep, leaf)
        if level == "whole" and has_no_row and slots.num_graphs == 1:
            return leaf.unsqueeze(0)
        expected = self._rows(level, slots)
        if leaf.dim() == 0 or expected not in (None, leaf.size(0)) or (level == "whole" and has_no_row):
            name = "graph" if level == "whole" else level
            raise ValueError(_unclear(leaf, path, slots, f"it is not a {name}-level output"))
        return leaf

    def _rows(self, level: Name, slots: Slots) -> int:
        if level in ("node", "graph", "whole"):
            return slots.num_nodes if level == "node" else slots.num_graphs
        return slots.count(self.layout.of(level))


def _known(sizes: dict[str, int], leaf: Tensor) -> list[str]:
    """The level that an output has for all sizes, in compiled code, where a comparison is a guard."""
    if not torch.compiler.is_compiling() or not leaf.dim():
        return []
    known = [name for name, size in sizes.items() if statically_known_true(size == leaf.size(0))]
    return known if len(known) == 1 else []


def _has_no_row(rep: Rep, leaf: Tensor) -> bool:
    """Whether a tensor has the axes of one quantity alone, and none for nodes or graphs."""
    return leaf.dim() == (1 if rep.flat else rep.rank)


def _unclear(leaf: Tensor, path: str, slots: Slots, why: str) -> str:
    return (
        f"{path}: expected rows of one level, found {list(leaf.shape)} for {slots.num_nodes} nodes and "
        f'{slots.num_graphs} graphs: {why}. Declare level="node", "graph" or "edge", or return a row for each'
    )
