"""The arguments of a call, and copies of the batch they describe, by PyG's own naming rules."""

from __future__ import annotations

import copy
import inspect
from collections.abc import Callable, Mapping
from functools import cached_property
from typing import Any

import torch
from torch import Tensor, nn
from torch_geometric.data import Batch, Data
from torch_geometric.data.data import BaseData

from fa_pyg.frames import Frames

__all__ = ["Call", "Copies", "Layout", "Signature"]

Name = str | int


class Signature:
    """The parameters of a module's ``forward``: which names positions have, and what else it takes."""

    def __init__(self, module: nn.Module) -> None:
        module = getattr(module, "_orig_mod", module)  # torch.compile hides the signature
        parameters = inspect.signature(module.forward).parameters.values()
        self.positional = [
            p.name for p in parameters if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)
        ]
        self.named = [*self.positional, *(p.name for p in parameters if p.kind is p.KEYWORD_ONLY)]
        self.takes_any = any(p.kind is p.VAR_KEYWORD for p in parameters)

    def takes(self, name: str) -> bool:
        """Whether the module can be called with this keyword."""
        return self.takes_any or name in self.named

    def name(self, position: int) -> Name:
        """The name of a positional argument; its number where the module has none for it (``*args``)."""
        return self.positional[position] if position < len(self.positional) else position


class Call:
    """The arguments of one call by name; those inside a PyG ``Data`` argument by attribute.

    Args:
        signature: of the model that is called.
        args, kwargs: the call's arguments.
        extra: keywords that serve the caller only: taken out (:attr:`extra`) unless the model takes them.

    Raises:
        TypeError: for an argument given twice.
        ValueError: for two ``Data`` arguments, a ``HeteroData``, or an attribute that is an argument as well.
    """

    def __init__(
        self, signature: Signature, args: tuple, kwargs: Mapping[str, Any], extra: tuple[str, ...]
    ) -> None:
        self.arguments: dict[Name, Any] = {signature.name(i): value for i, value in enumerate(args)}
        twice = [name for name in kwargs if name in self.arguments]
        if twice:
            raise TypeError(f"argument {twice[0]!r} is given twice, by position and by name")
        self.num_positional = len(args)
        self.extra = {k: v for k, v in kwargs.items() if k in extra and not signature.takes(k)}
        self.arguments.update((k, v) for k, v in kwargs.items() if k not in self.extra)
        holders = [name for name, value in self.arguments.items() if isinstance(value, BaseData)]
        if len(holders) > 1:
            raise ValueError(f"expected at most one Data argument, found {', '.join(map(str, holders))}")
        self.holder = holders[0] if holders else None
        self.data = self.arguments[self.holder] if holders else None
        self.values = {k: v for k, v in self.arguments.items() if k != self.holder}
        if self.data is not None:
            if not isinstance(self.data, Data):
                raise ValueError(
                    f"argument {self.holder!r}: expected a Data or Batch, found {type(self.data).__name__}"
                )
            attributes = self.data.to_dict()
            both = [k for k in attributes if k in self.values]
            if both:
                raise ValueError(f"{both[0]!r} is an argument and an attribute of the Data argument as well")
            self.values.update(attributes)

    def get(self, name: Name) -> Any:
        """The value of an argument or attribute, or None."""
        return self.values.get(name, self.extra.get(name))

    def run(
        self, model: Callable, changed: Mapping[Name, Any], data: Data | None = None, **added: Any
    ) -> Any:
        """Calls the model with some values changed or added; ``data`` stands in for the Data argument."""
        arguments = {**self.arguments, **{k: v for k, v in changed.items() if k in self.arguments}}
        if self.data is not None and data is None:
            data = copy.copy(self.data)
            for name, value in changed.items():
                if name in data:
                    data[name] = value
        if self.data is not None:
            arguments[self.holder] = data
        values = list(arguments.items())
        positional = [value for _, value in values[: self.num_positional]]
        return model(*positional, **dict(values[self.num_positional :]), **added)


class Layout:
    """Which rows of a call's tensors belong to which graph.

    Args:
        call: the call.
        levels: what the caller says of a name: "node", "edge", "graph", or "shared" (the same for all).
        nodes: the name of a tensor with one row a node, for calls without ``batch``.
    """

    def __init__(self, call: Call, levels: Mapping[Name, str], nodes: Name) -> None:
        self.call = call
        self.levels = levels
        self.batch: Tensor | None = call.get("batch")
        value = call.values[nodes]
        at_nodes = levels.get(nodes, "node") == "node"
        if self.batch is not None:
            self.num_nodes = len(self.batch)
        elif call.data is not None and call.data.num_nodes is not None:
            self.num_nodes = call.data.num_nodes
        else:
            self.num_nodes = len(value) if at_nodes else 0
        self.num_graphs = self._num_graphs()

    def _num_graphs(self) -> int:
        if self.batch is None:
            return 1
        if isinstance(self.call.data, Batch):
            return self.call.data.num_graphs
        for name in ("num_graphs", "batch_size"):
            given = self.call.get(name)
            if isinstance(given, int):
                return given
        if isinstance(self.call.get("ptr"), Tensor):
            return len(self.call.get("ptr")) - 1
        return int(self.batch.max()) + 1 if len(self.batch) else 0

    @cached_property
    def edge_index(self) -> Tensor | None:
        value = self.call.get("edge_index")
        return value if isinstance(value, Tensor) and value.dim() == 2 and not value.is_sparse else None

    def is_collated(self, name: Name) -> bool:
        """Whether the call's Data is a collated batch that knows the slices of this attribute."""
        data = self.call.data
        return data is not None and name in data and name in (getattr(data, "_slice_dict", None) or {})

    def body(self, name: Name, value: Tensor) -> Tensor | str | None:
        """The body of each row of a tensor; None where there is one body; "shared" for what has no rows.

        Its level is what the caller says of the name, else the slices of a collated batch, else what the
        name says (``edge_*``), else a size that fits one level only.

        Raises:
            ValueError: if the level is not clear, with the counts.
        """
        level = self.levels.get(name)
        if level is None and self.is_collated(name):
            return torch.repeat_interleave(self.call.data._slice_dict[name].diff().to(value.device))
        level = level or self._level(name, value)
        if level == "shared" or (self.num_graphs == 1 and self.batch is None):
            return level if level == "shared" else None
        if level == "graph":
            return torch.arange(self.num_graphs, device=value.device)
        if level == "edge":
            return self.batch.index_select(0, self.edge_index[0])
        return self.batch

    def _level(self, name: Name, value: Tensor) -> str:
        if value.dim() == 0:
            return "shared"
        sizes = {"node": self.num_nodes, "graph": self.num_graphs}
        if self.edge_index is not None:
            sizes["edge"] = self.edge_index.size(1)
            if isinstance(name, str) and name.startswith("edge_") and len(value) == sizes["edge"]:
                return "edge"
        fits = [level for level, size in sizes.items() if size == len(value)]
        if len(fits) != 1 and not (fits and self.num_graphs == 1 and "graph" not in fits):
            counts = ", ".join(f"{size} {level}s" for level, size in sizes.items())
            raise ValueError(
                f"{name!r} has {len(value)} rows, the batch {counts}: its level is not clear. "
                f'Say it: levels={{{name!r}: "node" | "edge" | "graph" | "shared"}}'
            )
        return fits[0]


class Copies:
    """The graphs of a batch in the frames of some slots: a batch of its own.

    Args:
        layout: of the source batch.
        frames: its frames.
        first, last: the slots first, ..., last - 1.
    """

    def __init__(self, layout: Layout, frames: Frames, first: int, last: int) -> None:
        self.layout, self.frames = layout, frames
        self.first, self.last = first, last
        sizes = frames.slot_sizes
        self.begin, self.end = sum(sizes[:first]), sum(sizes[:last])
        self.num_graphs = self.end - self.begin
        # Full slots hold every graph; one full slot is the batch itself, with other coordinates.
        self.is_full = sizes[last - 1] == frames.num_bodies

    @property
    def num_nodes(self) -> int:
        """The number of nodes of these copies."""
        if self.is_full:
            return (self.last - self.first) * self.layout.num_nodes
        return len(self._nodes[0])

    def part(self, copies: Tensor, index: Tensor | None, n: int) -> Tensor:
        """Cuts these slots out of the copies in all frames of a tensor of n rows (``Frames.to_frame``)."""
        if self.is_full:
            return copies[self.first * n : self.last * n]
        inside = self._inside(self.frames.rows(index, n)[1])
        return copies[inside]

    def run(self, model: nn.Module, framed: Mapping[Name, Tensor]) -> Any:
        """Returns the model's output on these copies, with the declared inputs ``framed``."""
        call = self.layout.call
        if self.is_full and self.last - self.first == 1:
            return call.run(model, framed)
        changed = {k: framed[k] if k in framed else self._copied(k, v) for k, v in call.values.items()}
        added = {}
        if "batch" in changed:  # perhaps None: one graph
            changed["batch"] = self._nodes[1]
        elif self.last - self.first > 1:
            added["batch"] = self._nodes[1]
        data = None if call.data is None else self._data(changed)
        return call.run(model, changed, data, **added)

    # ------------------------------------------------------------------------------ rows

    def _inside(self, frame: Tensor) -> slice:
        """Where frames begin, ..., end - 1 lie among slot-major copied rows."""
        # Rows are sorted by slot, not by frame: compare slots.
        slot = self._slot[frame]
        edges = torch.tensor([self.first, self.last], device=frame.device)
        return slice(*torch.searchsorted(slot, edges).tolist())

    @cached_property
    def _slot(self) -> Tensor:
        """The slot of every frame."""
        return torch.repeat_interleave(torch.tensor(self.frames.slot_sizes, device=self.frames.body.device))

    def _rows(self, index: Tensor | None, n: int) -> tuple[Tensor, Tensor]:
        """The source row and the number of the copy of each row of these slots, for a tensor of n rows."""
        row, frame = self.frames.rows(index, n)
        inside = slice(self.first * n, self.last * n) if self.is_full else self._inside(frame)
        return row[inside], frame[inside] - self.begin

    @cached_property
    def _nodes(self) -> tuple[Tensor, Tensor]:
        return self._rows(self.layout.batch, self.layout.num_nodes)

    @cached_property
    def _place(self) -> Tensor:
        """The place of every source node among the nodes of each slot, ``[slots, N]``."""
        row, number = self._nodes
        place = row.new_zeros(self.last - self.first, self.layout.num_nodes)
        place[self._slot[number + self.begin] - self.first, row] = torch.arange(len(row), device=row.device)
        return place

    # ------------------------------------------------------------------------------ values

    def _copied(self, name: Name, value: Any) -> Any:
        """One argument or attribute, for these copies."""
        sizes = {"num_nodes": self.num_nodes, "num_graphs": self.num_graphs, "batch_size": self.num_graphs}
        if name in sizes and isinstance(value, int):
            return sizes[name]
        if self.layout.levels.get(name) == "shared":
            return value
        if isinstance(value, (list, tuple)) and self.layout.is_collated(name):
            return [value[g] for g in self._graphs.tolist()]
        if not isinstance(value, Tensor):
            if _holds_tensors(value):
                raise ValueError(
                    f"{name!r} is a {type(value).__name__} of tensors, which cannot be copied for several frames: "
                    f'use chunk=1, or levels={{{name!r}: "shared"}} if it is the same for all graphs'
                )
            return value
        if value.layout != torch.strided:
            raise ValueError(
                f"{name!r} is a sparse tensor, which cannot be copied for several frames: use chunk=1"
            )
        if isinstance(name, str) and (name == "batch" or name.endswith("_batch")):
            return self._rows(value, len(value))[1]
        if isinstance(name, str) and (name == "ptr" or name.endswith("_ptr")):
            return _pointer(value.diff()[self._graphs])
        if isinstance(name, str) and ("index" in name or name == "face") and not value.is_floating_point():
            return self._copied_index(value)
        body = self.layout.body(name, value)
        return value if isinstance(body, str) else value.index_select(0, self._rows(body, len(value))[0])

    @property
    def _graphs(self) -> Tensor:
        """The source graph of each copy."""
        return self.frames.body[self.begin : self.end]

    def _copied_index(self, value: Tensor) -> Tensor:
        """Numbers of nodes, counted along the last axis: each entry points into its own copy."""
        first = value.reshape(-1, value.size(-1))[0]
        column, number = self._rows(
            None if self.layout.batch is None else self.layout.batch[first], len(first)
        )
        slot = self._slot[number + self.begin] - self.first
        return self._place.flatten()[value.index_select(-1, column) + slot * self.layout.num_nodes]

    def _data(self, changed: Mapping[Name, Any]) -> Data:
        """The Data argument with its attributes copied; a collated batch can still be taken apart."""
        source = self.layout.call.data
        data = copy.copy(source)
        for name, value in changed.items():
            if name in source:
                data[name] = value
        if not isinstance(source, Batch) or getattr(source, "_slice_dict", None) is None:
            return data
        graphs = self._graphs.cpu()
        data._num_graphs = len(graphs)
        data._slice_dict = {
            k: _pointer(torch.as_tensor(v).diff()[graphs]) for k, v in source._slice_dict.items()
        }
        nodes = self._nodes[1].bincount(minlength=len(graphs)).cpu()
        data._inc_dict = {
            k: inc if inc is None else _increments(k, inc, graphs, nodes)
            for k, inc in source._inc_dict.items()
        }
        if hasattr(source._store, "_num_nodes"):
            data._store._num_nodes = [source._store._num_nodes[g] for g in graphs.tolist()]
        return data


def _pointer(counts: Tensor) -> Tensor:
    return torch.cat([counts.new_zeros(1), counts.cumsum(0)])


def _increments(name: str, inc: Any, graphs: Tensor, nodes: Tensor) -> Any:
    """What collation added to each graph's values: node numbers for indices, 0 for the rest."""
    inc = torch.as_tensor(inc)
    if "index" in name or name == "face":
        return (nodes.cumsum(0) - nodes).view(-1, *(1,) * (inc.dim() - 1)).expand(-1, *inc.shape[1:])
    return inc[graphs]


def _holds_tensors(value: Any) -> bool:
    if isinstance(value, Mapping):
        return any(_holds_tensors(v) for v in value.values())
    if isinstance(value, (list, tuple)):
        return any(_holds_tensors(v) for v in value)
    return isinstance(value, Tensor)
