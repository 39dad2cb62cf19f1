"""A model's outputs on the copies of a batch, collected and averaged."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import torch
from torch import Tensor

from fa_pyg.copies import Layout, Slots
from fa_pyg.frames import Frames
from fa_pyg.permutations import PermutationFrames
from fa_pyg.reps import Rep

__all__ = ["Outputs", "check_level", "output_spec"]


def output_spec(spec: Any) -> Any:
    """Returns ``output=`` with every name replaced by its :class:`~fa_pyg.Rep`: one, a tuple or a dict."""
    if isinstance(spec, Mapping):
        return {name: output_spec(value) for name, value in spec.items()}
    if isinstance(spec, (tuple, list)):
        return tuple(output_spec(value) for value in spec)
    return Rep.of(spec, "output")


class Outputs:
    """Collects the outputs of one call after the other and averages them over the frames.

    Args:
        spec: the representations (:func:`output_spec`).
        level: "node", "graph", "edge" or None, for all outputs or in the structure of ``spec``.
        layout: of the source batch.
    """

    def __init__(self, spec: Any, level: Any, layout: Layout) -> None:
        self.spec, self.level, self.layout = spec, level, layout
        self.parts: list[list[Tensor]] = []
        self.first: Any = None

    def add(self, value: Any, slots: Slots) -> None:
        """Takes the model's output on some copies."""
        leaves = list(_leaves(self.spec, value, self.level, "output"))
        if not self.parts:  # the first call tells the levels of all
            self.first, self.parts = value, [[] for _ in leaves]
            self.reps = [rep for rep, *_ in leaves]
            self.levels = [self._resolve(*leaf, slots) for leaf in leaves]
        for part, level, (rep, leaf, _, path) in zip(self.parts, self.levels, leaves, strict=True):
            part.append(self._with_rows(rep, leaf, level, path, slots))

    def average(self, frames: Frames | PermutationFrames) -> Any:
        """Returns the averaged output, in the structure of the model's."""
        averaged = []
        for rep, said, parts in zip(self.reps, self.levels, self.parts, strict=True):
            level = "graph" if said == "whole" else said
            where = level if isinstance(frames, PermutationFrames) else self.layout.of(level)
            value = frames.average(parts[0] if len(parts) == 1 else torch.cat(parts), rep, where)
            averaged.append(value.squeeze(0) if said == "whole" else value)
        return _rebuild(self.spec, self.first, iter(averaged))

    def _resolve(self, rep: Rep, leaf: Tensor, level: str | None, path: str, slots: Slots) -> str:
        """The level of an output: "node", "graph", "edge", or "whole" for one graph without a row for it."""
        rep.layout(tuple(leaf.shape), slots.dim, path)
        if _has_no_row(rep, leaf) and slots.num_graphs == 1 and level in (None, "graph"):
            return "whole"
        if level is not None:
            return level
        sizes = {"node": slots.num_nodes, "graph": slots.num_graphs}
        fits = [name for name, size in sizes.items() if leaf.dim() and size == len(leaf)]
        if len(fits) == 1 or (fits and self.layout.nodes_are_graphs):
            return fits[0]
        raise ValueError(_unclear(leaf, path, slots, "its level is not clear" if fits else "it fits none"))

    def _with_rows(self, rep: Rep, leaf: Tensor, level: str, path: str, slots: Slots) -> Tensor:
        has_no_row = _has_no_row(rep, leaf)
        if level == "whole" and has_no_row and slots.num_graphs == 1:
            return leaf.unsqueeze(0)
        sizes = {"node": slots.num_nodes, "graph": slots.num_graphs, "whole": slots.num_graphs}
        expected = sizes.get(level)
        if leaf.dim() == 0 or expected not in (None, len(leaf)) or (level == "whole" and has_no_row):
            name = "graph" if level == "whole" else level
            raise ValueError(_unclear(leaf, path, slots, f"it is no {name}-level output"))
        return leaf


def check_level(spec: Any, level: Any, path: str = "output") -> None:
    """Raises ValueError if ``level=`` is neither one for all outputs nor one for each that ``spec`` has."""
    if isinstance(level, Mapping) and isinstance(spec, dict):
        wrong = [name for name in level if name not in spec]
        if wrong:
            raise ValueError(f"level of {path}: expected some of {', '.join(spec)}, found {wrong[0]!r}")
        for name, one in level.items():
            check_level(spec[name], one, f"{path}[{name!r}]")
    elif isinstance(level, (tuple, list)) and isinstance(spec, tuple):
        if len(level) != len(spec):
            raise ValueError(f"level of {path}: expected {len(spec)}, one for each, found {level!r}")
        for i, one in enumerate(level):
            check_level(spec[i], one, f"{path}[{i}]")
    elif level not in (None, "node", "graph", "edge"):
        raise ValueError(f'level of {path}: expected "node", "graph" or "edge", found {level!r}')


def _has_no_row(rep: Rep, leaf: Tensor) -> bool:
    """Whether a tensor has the axes of one quantity alone, and none for nodes or graphs."""
    return leaf.dim() == (1 if rep.flat else rep.rank)


def _unclear(leaf: Tensor, path: str, slots: Slots, why: str) -> str:
    return (
        f"{path} has shape {list(leaf.shape)} for {slots.num_nodes} nodes and {slots.num_graphs} graphs: "
        f'{why}. Say it with level="node", "graph" or "edge", or return one row for each'
    )


def _leaves(spec: Any, value: Any, level: Any, path: str) -> Iterator[tuple[Rep, Tensor, str | None, str]]:
    """The tensors of an output with their representations and levels, in the order of ``spec``."""
    if isinstance(spec, Rep):
        if not isinstance(value, Tensor):
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
