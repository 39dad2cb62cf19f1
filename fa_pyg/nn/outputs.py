"""A model's outputs on the copies of a batch, collected and averaged."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from numbers import Number
from typing import Any

import torch
from torch import Tensor

from fa_pyg.calls import Layout, Name, is_index_name
from fa_pyg.copies import Slots
from fa_pyg.frames import FrameSet, Level
from fa_pyg.reps import Rep

__all__ = ["Outputs", "check_level", "has_level", "output_spec"]


def output_spec(spec: Any) -> Any:
    """Return ``output=`` with every name replaced by its :class:`~fa_pyg.Rep`: one, a tuple or a dict."""
    if isinstance(spec, Mapping):
        return {name: output_spec(value) for name, value in spec.items()}
    if isinstance(spec, (tuple, list)):
        return tuple(output_spec(value) for value in spec)
    return Rep.of(spec, "output")


class Outputs:
    """Collect the outputs of one call after the other and averages them over the frames.

    Args:
        spec: the representations (:func:`output_spec`).
        level: "node", "graph", "edge", the name of an argument with such rows or None, for all outputs or in
            the structure of ``spec``.
        layout: of the source batch.
        frames: its frames.
    """

    def __init__(self, spec: Any, level: Any, layout: Layout, frames: FrameSet) -> None:
        self.spec, self.level, self.layout, self.frames = spec, level, layout, frames
        self.parts: list[list[Any]] = []
        self.first: Any = None

    def add(self, value: Any, slots: Slots) -> None:
        """Take the model's output on some copies."""
        leaves = list(_leaves(self.spec, value, self.level, "output"))
        if not self.parts:  # the first call tells the levels of all
            self.first, self.parts = value, [[] for _ in leaves]
            self.reps, self.paths = [rep for rep, *_ in leaves], [path for *_, path in leaves]
            self.levels = [self._resolve(*leaf, slots) for leaf in leaves]
        for part, level, (rep, leaf, _, path) in zip(self.parts, self.levels, leaves, strict=True):
            part.append(self._with_rows(rep, leaf, level, path, slots))

    def average(self) -> Any:
        """Return the averaged output, in the structure of the model's."""
        averaged = []
        for rep, level, path, parts in zip(self.reps, self.levels, self.paths, self.parts, strict=True):
            if level == "number":
                averaged.append(self._one_number(parts, path))
                continue
            value = parts[0] if len(parts) == 1 else torch.cat(parts)
            value = self.frames.average(value, rep, self.layout.of("graph" if level == "whole" else level))
            averaged.append(value.squeeze(0) if level == "whole" else value)
        return _rebuild(self.spec, self.first, iter(averaged))

    def _one_number(self, parts: list[Any], path: str) -> Any:
        """A plain number that is the same in all calls; or its mean, where each was on the whole batch."""
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
        """The level of an output: "node", "graph", "edge", an argument's, "whole" for one graph without a row
        for it, or "number"."""
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
        fits = [name for name, size in sizes.items() if leaf.dim() and size == len(leaf)]
        if len(fits) != 1 and not (fits and self.layout.nodes_are_graphs):
            raise ValueError(
                _unclear(leaf, path, slots, "its level is not clear" if fits else "it fits none")
            )
        self._check_rivals(fits[0], leaf, path, slots)
        return fits[0]

    def _named(self, level: Name, path: str) -> Name:
        call = self.layout.call
        if level not in ("node", "graph") and not isinstance(call.get(level), Tensor):
            have = ", ".join(str(name) for name, one in call.values.items() if isinstance(one, Tensor))
            raise ValueError(f"level of {path}: expected a tensor of the call ({have}), found {level!r}")
        return level

    def _edges_or_pairs(self, leaf: Tensor, path: str, slots: Slots) -> Name:
        """The level "edge": the rows of ``edge_index``, or of pairs such as ``edge_label_index``.

        Raises:
            ValueError: if these are as many, and it makes a difference.
        """
        pairs, edges = self.layout.pairs, self.layout.edge_index
        if not pairs or not leaf.dim():
            return "edge"
        rows = {} if edges is None else {"edge": self.layout.of("edge")}
        rows |= {name: self.layout.of(name) for name in pairs}
        fits = {name: one for name, one in rows.items() if slots.count(one) == len(leaf)}
        first = next(iter(fits), None)
        if first is None:
            raise ValueError(_unclear(leaf, path, slots, f"it has the rows of none of {', '.join(rows)}"))
        same = all(torch.equal(one.body, fits[first].body) for one in fits.values())
        if len(fits) > 1 and first == "edge" and not self.frames.keeps_rows:
            # Right for both where the pairs are put in the order of the edges.
            same = all(one.level is Level.EDGE for one in fits.values()) and not self.frames.moves_edges
        if same:
            return first
        names = " or ".join(repr(self.layout.edge_name if name == "edge" else name) for name in fits)
        raise ValueError(f'level of {path}: expected {names}, which have as many rows, found "edge"')

    def _check_rivals(self, level: str, leaf: Tensor, path: str, slots: Slots) -> None:
        """Raise ValueError if rows that were taken for nodes or graphs may be those of node numbers."""
        layout = self.layout
        if layout.nodes_are_graphs or (layout.batch is None and not layout.is_strict):
            return
        numbers = {k: x for k, x in layout.call.values.items() if layout.is_numbers(k, x) and x.dim()}
        own = layout.of(level)
        for name in numbers:
            rows = layout.of(name) if name != layout.edge_name else own
            if rows.level is own.level or slots.count(rows) != len(leaf):
                continue
            if (layout.is_strict and level == "node") or not torch.equal(rows.body, own.body):
                why = f"its rows may be those of {name!r} (level={name!r})"
                raise ValueError(_unclear(leaf, path, slots, why))

    def _with_rows(self, rep: Rep, leaf: Any, level: Name, path: str, slots: Slots) -> Any:
        if level == "number" or not isinstance(leaf, Tensor):
            if level != "number" or isinstance(leaf, Tensor):
                raise ValueError(
                    f"{path}: expected a number, or a tensor, of every copy, found one and the other"
                )
            return leaf
        has_no_row = _has_no_row(rep, leaf)
        if level == "whole" and has_no_row and slots.num_graphs == 1:
            return leaf.unsqueeze(0)
        expected = self._rows(level, slots)
        if leaf.dim() == 0 or expected not in (None, len(leaf)) or (level == "whole" and has_no_row):
            name = "graph" if level == "whole" else level
            raise ValueError(_unclear(leaf, path, slots, f"it is no {name}-level output"))
        return leaf

    def _rows(self, level: Name, slots: Slots) -> int:
        if level in ("node", "graph", "whole"):
            return slots.num_nodes if level == "node" else slots.num_graphs
        return slots.count(self.layout.of(level))


def check_level(spec: Any, level: Any, names: Collection[Name] | None = (), path: str = "output") -> None:
    """Raise ValueError if ``level=`` is neither one for all outputs nor one for each that ``spec`` has.

    A level may be the name of an argument (``names``; None: of any), or one of node numbers by PyG's rule.
    """
    if isinstance(level, Mapping) and isinstance(spec, dict):
        wrong = [name for name in level if name not in spec]
        if wrong:
            raise ValueError(f"level of {path}: expected some of {', '.join(spec)}, found {wrong[0]!r}")
        for name, one in level.items():
            check_level(spec[name], one, names, f"{path}[{name!r}]")
    elif isinstance(level, (tuple, list)) and isinstance(spec, tuple):
        if len(level) != len(spec):
            raise ValueError(f"level of {path}: expected {len(spec)}, one for each, found {level!r}")
        for i, one in enumerate(level):
            check_level(spec[i], one, names, f"{path}[{i}]")
    elif level not in (None, "node", "graph", "edge") and not _is_name(level, names):
        raise ValueError(f'level of {path}: expected "node", "graph" or "edge", found {level!r}')


def has_level(level: Any, wanted: Callable[[Any], bool]) -> bool:
    """Whether any of the levels of some outputs is as wanted."""
    if isinstance(level, Mapping):
        return any(has_level(one, wanted) for one in level.values())
    if isinstance(level, (tuple, list)):
        return any(has_level(one, wanted) for one in level)
    return wanted(level)


def _is_name(level: Any, names: Collection[Name] | None) -> bool:
    return (
        isinstance(level, str) and level != "" and (names is None or level in names or is_index_name(level))
    )


def _has_no_row(rep: Rep, leaf: Tensor) -> bool:
    """Whether a tensor has the axes of one quantity alone, and none for nodes or graphs."""
    return leaf.dim() == (1 if rep.flat else rep.rank)


def _is_number(value: Any) -> bool:
    return isinstance(value, Number) and not isinstance(value, bool)


def _unclear(leaf: Tensor, path: str, slots: Slots, why: str) -> str:
    return (
        f"{path} has shape {list(leaf.shape)} for {slots.num_nodes} nodes and {slots.num_graphs} graphs: "
        f'{why}. Say it with level="node", "graph" or "edge", or return one row for each'
    )


def _leaves(
    spec: Any, value: Any, level: Any, path: str
) -> Iterator[tuple[Rep, Tensor | Number, str | None, str]]:
    """The tensors of an output with their representations and levels, in the order of ``spec``."""
    if isinstance(spec, Rep):
        if not isinstance(value, Tensor) and not _is_number(value):
            keys = f" with {', '.join(map(str, value))}" if isinstance(value, Mapping) else ""
            raise ValueError(
                f"{path}: expected a tensor ({spec}), found a {type(value).__name__}{keys}; "
                "say the representation of each part: output=(...) or output={...}"
            )
        yield spec, value, level, path
    elif isinstance(spec, dict):
        if not isinstance(value, Mapping) or set(value) != set(spec):
            found = ", ".join(map(str, value)) if isinstance(value, Mapping) else type(value).__name__
            raise ValueError(f"{path}: expected a dict with {', '.join(map(str, spec))}, found {found}")
        for name, one in spec.items():
            yield from _leaves(
                one,
                value[name],
                level.get(name) if isinstance(level, Mapping) else level,
                f"{path}[{name!r}]",
            )
    else:
        if not isinstance(value, (tuple, list)) or len(value) != len(spec):
            found = (
                f"{len(value)} values" if isinstance(value, (tuple, list)) else f"a {type(value).__name__}"
            )
            raise ValueError(f"{path}: expected {len(spec)} values, found {found}")
        for i, one in enumerate(spec):
            yield from _leaves(
                one, value[i], level[i] if isinstance(level, (tuple, list)) else level, f"{path}[{i}]"
            )


def _rebuild(spec: Any, like: Any, tensors: Iterator[Tensor]) -> Any:
    if isinstance(spec, Rep):
        return next(tensors)
    if isinstance(spec, dict):
        return {name: _rebuild(one, like[name], tensors) for name, one in spec.items()}
    values = [_rebuild(one, like[i], tensors) for i, one in enumerate(spec)]
    return type(like)(*values) if hasattr(like, "_fields") else type(like)(values)
