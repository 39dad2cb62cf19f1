"""Copies of a batch in several frames, and calls of the model on them, slot by slot or together."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from itertools import starmap
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch_geometric.utils import is_sparse

from fa_pyg.calls.call import Name
from fa_pyg.calls.layout import Layout
from fa_pyg.calls.names import NODE_NAMES, check_feature, is_feature_name
from fa_pyg.copies.collated import Collated
from fa_pyg.copies.permuted import Permuted
from fa_pyg.copies.rows import Repeated, Selected, SlotRows, pointer, side_by_side
from fa_pyg.frames import FrameSet, Rows
from fa_pyg.lazy import cached_property

__all__ = ["Copies", "Slots"]

FEW = 256  # nodes: up to so many in a call, tensors of usual widths stay in the cache of a processor core


class Copies:
    """Copies of a batch in all its frames, which the model is called on in parts.

    Args:
        layout: the layout of the batch.
        frames: its frames.

    Raises:
        ValueError: for a collated batch whose nodes are not sorted by graph, if graphs are selected from it.
    """

    def __init__(self, layout: Layout, frames: FrameSet) -> None:
        self.layout, self.frames = layout, frames
        self.source = SlotRows(frames)
        # Graphs of a collated batch are selected by its slices, those of plain tensors by `batch`.
        selects = not (frames.slots and frames.keeps_rows)
        if selects and layout.is_collated and bool((layout.graph_of_node.diff() < 0).any()):
            raise ValueError(
                "batch: expected increasing order in a collated Batch whose graphs are copied, found nodes "
                "that were reordered after collation"
            )

    @property
    def first(self) -> Slots:
        """The batch, each graph in its first frame."""
        return Slots(self, 0, 1)

    def slots(
        self, step: int | None, first_apart: bool = False, shares: Callable[[], bool] = lambda: True
    ) -> Iterator[Slots]:
        """Yield the copies of ``step`` slots at a time; None: as many as have at most B graphs together.

        Later slots of ragged frames have few graphs each, and fit a call or two. Those of small batches share
        calls of some hundred nodes, where a call takes longer than its work, if ``shares`` after the first
        call. With ``first_apart`` the first slot, which is the call of the user, does not share a call.
        """
        sizes = self.frames.slot_sizes
        first = 0
        while first < len(sizes):
            last = first + 1
            if step is None:
                room = (self._most(shares()) if first else self.frames.num_bodies) - sizes[first]
                while last < len(sizes) and sizes[last] <= room:
                    room -= sizes[last]
                    last += 1
            elif first or not first_apart:
                last = min(first + step, len(sizes))
            yield Slots(self, first, last)
            first = last

    def _most(self, shares: bool) -> int:
        """Number of graphs up to which slots share a call: B, or as many as have some hundred nodes."""
        few = FEW * self.frames.num_bodies // max(self.layout.num_nodes, 1)
        return max(self.frames.num_bodies, few if shares and self.are_plain else 0)

    @cached_property
    def are_plain(self) -> bool:
        """Whether all values of the call can be repeated, so that whole copies may share a call.

        Ragged frames have copies in any case.
        """
        call = self.layout.call
        if call.data is not None or call.values.get("batch") is None or not self.frames.keeps_rows:
            return False
        return not self.frames.slots or all(starmap(self._is_plain, call.values.items()))

    def _is_plain(self, name: Name, value: Any) -> bool:
        """Whether a value is a constant, ``batch``, the edges, or rows of nodes, graphs or edges."""
        if not isinstance(value, Tensor):
            return value is None or isinstance(value, (bool, int, float, str))
        if name in ("batch", self.layout.edge_name):
            return True
        if value.layout is not torch.strided or "adj" in str(name) or self.layout.holds_indices(name, value):
            return False
        if name in NODE_NAMES or self.layout.declared_level(name) in ("node", "graph", "edge", "shared"):
            return True
        is_feature = value.is_floating_point() or is_feature_name(name)
        return is_feature and value.dim() > 0 and self.layout.sizes.count(value.size(0)) == 1


class Slots:
    """Batch of the copies in the slots first, ..., last - 1.

    A single slot that all graphs have is the batch itself: nothing is copied.
    """

    def __init__(self, copies: Copies, first: int, last: int) -> None:
        layout, self.source = copies.layout, copies.source
        self.layout, self.first, self.last = layout, first, last
        is_full = copies.frames.slot_sizes[last - 1] == copies.frames.num_bodies
        repeats = is_full and copies.frames.keeps_rows
        self.is_source = repeats and last - first == 1
        if repeats:
            self.selection = Repeated(layout, last - first)
        else:
            kind = Selected if copies.frames.keeps_rows else Permuted
            self.selection = kind(layout, self.source, first, last)
        self.num_nodes, self.num_graphs = self.selection.num_nodes, self.selection.num_graphs
        self.dim = copies.frames.dim

    def part(self, copies: Tensor, rows: Rows) -> Tensor:
        """Return the rows of these slots among the copies of a tensor in all frames (``Frames.to_frame``)."""
        return copies[self.source.part(self.first, self.last, rows)]

    def parts(self, framed: Mapping[Name, tuple[Tensor, Rows]]) -> dict[Name, Tensor]:
        """Return :meth:`part` of each input, of its copies and rows."""
        return {name: self.part(copies, rows) for name, (copies, rows) in framed.items()}

    def count(self, rows: Rows) -> int:
        """Return the number of rows that a tensor with these rows has in these slots."""
        part = self.source.part(self.first, self.last, rows)
        return part.stop - part.start

    def run(self, model: Callable[..., Any], framed: Mapping[Name, Tensor], **added: Any) -> Any:
        """Return the model's output on these copies, with the declared inputs ``framed``, and keywords."""
        call = self.layout.call
        if self.is_source:
            return call.run(model, framed, **added)
        collated = Collated(self.layout, self.selection)
        changed = {
            name: framed[name] if name in framed else self._copied(name, value, collated)
            for name, value in call.values.items()
        }
        data = None if call.data is None else collated.data(changed)
        many = self.last - self.first > 1 and "batch" not in call.values
        return call.run(model, changed, data, **({"batch": self._batch()} if many else {}), **added)

    def _batch(self) -> Tensor:
        return self.selection.owner(self.layout.nodes, self.source.frames.device)

    def _copied(self, name: Name, value: Any, collated: Collated) -> Any:
        """One argument or attribute, for the copies."""
        sizes = {"num_nodes": self.num_nodes, "num_graphs": self.num_graphs, "batch_size": self.num_graphs}
        if name == "batch":  # None for one graph
            stays = value is None and self.selection.moves_nodes and self.last - self.first == 1
            return None if stays else self._batch()
        if name in sizes and isinstance(value, int):
            return sizes[name]
        level = self.layout.declared_level(name)
        if level == "shared":
            return value
        if level == "place" and isinstance(value, Tensor):
            return self.selection.gather(value, self.layout.places)
        if collated.has(name, value):
            return collated.copied(name, value)
        if is_sparse(value):
            return side_by_side(name, value, self.layout, self.selection)
        if not isinstance(value, Tensor):
            return _without_tensors(name, value)
        return self._copied_tensor(name, value)

    def _copied_tensor(self, name: Name, value: Tensor) -> Tensor:
        """A tensor, by PyG's rules for names: ``*_batch``, ``*ptr``, ``*index*``, else by its level."""
        declared = self.layout.levels.get(name)
        text = "" if declared else str(name)
        if text.endswith("_batch"):
            return self.selection.owner(Rows.of(value))
        if text == "ptr" or text.endswith("_ptr"):
            return pointer(self.selection.gather(value.diff(), self.layout.graphs))
        self._check_increment(name, value)
        if self.layout.holds_indices(name, value):
            return self._node_indices(name, value)
        if "adj" in text and value.dim() > 1 and value.size(0) == value.size(1) == self.layout.num_nodes:
            if isinstance(self.selection, Permuted) and self.last - self.first == 1:
                return self.selection.matrix(value)
            raise ValueError(
                f"{name!r}: expected a torch.sparse matrix for several frames in one call, found a dense "
                "adjacency matrix (use chunk=1)"
            )
        is_shared = self.layout.followed(name, value) is None and self.layout.level(name, value) == "shared"
        if declared is None and not self.layout.is_strict:  # else checked before the frames are computed
            check_feature(name, value, self.layout.num_nodes)
        return value if is_shared else self.selection.gather(value, self.layout.rows(name, value))

    def _node_indices(self, name: Name, value: Tensor) -> Tensor:
        """Node indices, entry by entry along the last axis, or row by row."""
        if not value.dim():
            if self.num_graphs > 1:
                raise ValueError(f"{name!r}: expected an axis of node indices, found a single index")
            return self._node_indices(name, value.view(1))[0]
        axis = 0 if self.layout.levels.get(name) == "node_index" else -1
        points = None if self.layout.batch is None else self.layout.points(name)
        columns = self.layout.columns(name, value)
        return self.selection.node_index(value, columns, axis, name, points)

    def _check_increment(self, name: Name, value: Tensor) -> None:
        """Raise ValueError for an attribute with a custom ``__inc__`` that only collation can apply."""
        data: Any = self.layout.call.data
        if data is None or name not in data or name in self.layout.levels:
            return
        step = data.__inc__(name, value, data._store)
        nodes = self.layout.num_nodes if self.layout.holds_indices(name, value) else 0
        if bool((torch.as_tensor(0 if step is None else step) != nodes).any()):
            raise ValueError(
                f"{name!r}: expected a collated Batch for the __inc__ of its {type(data).__name__}, found an "
                "uncollated one"
            )


def _without_tensors(name: Name, value: Any) -> Any:
    """Return an object that is the same for all copies; raise ValueError if it holds tensors."""
    if _holds_tensors(value):
        raise ValueError(
            f"{name!r}: expected a tensor for several frames in one call, found a {type(value).__name__} of "
            f'tensors (use chunk=1, or levels={{{name!r}: "shared"}} if it is the same for all graphs)'
        )
    return value


def _holds_tensors(value: Any) -> bool:
    if isinstance(value, np.ndarray):
        return True
    if isinstance(value, Mapping):
        return any(_holds_tensors(v) for v in value.values())
    if isinstance(value, (list, tuple)):
        return any(_holds_tensors(v) for v in value)
    return isinstance(value, Tensor)
