"""Models of typed nodes and edges (``HeteroData``), called with the tensors of all types in a row."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch_geometric.data import Data

from fa_pyg import checks

__all__ = ["TypedModel"]

EdgeType = tuple[str, str, str]


class TypedModel(nn.Module):
    """A model of ``x_dict`` and ``edge_index_dict`` that is called with ``data.to_homogeneous()``.

    One frame is then shared by the nodes of all types: frame averaging sees a single set of points, and the
    model sees them by type, in every frame. Works with every frame, and with batches.

    Args:
        model: called by keyword with ``<name>_dict`` for every name of ``inputs`` and ``edge_inputs``, and
            with ``edge_index_dict``; returns a dict of a tensor for each type of nodes, or a tensor with a
            row for each graph.
        node_types, edge_types: as in ``data.metadata()``, in this order.
        inputs: names of the node-level attributes that the model takes; "batch" for ``batch_dict``.
        edge_inputs: names of the edge-level attributes that it takes.

    Shapes:
        the data have ``node_type [N]`` and ``edge_type [E]``, as of ``to_homogeneous``. Returns the rows of
        all nodes, ``[N, ...]``, in their order (types without an output have rows of 0), or the model's
        tensor. :meth:`by_type` separates them.

    Example::

        net = to_hetero(GraphSAGE(3, 16, 2, 3), data.metadata())      # x_dict, edge_index_dict
        model = FrameAveraging(TypedModel(net, *data.metadata()), PCAFrame("O(3)"), {"x": "vector"}, "vector",
                               level="node")
        rows = model(data.to_homogeneous())

    Raises:
        ValueError: for data without types.
    """

    def __init__(
        self,
        model: nn.Module,
        node_types: Sequence[str],
        edge_types: Sequence[EdgeType] = (),
        inputs: Sequence[str] = ("x",),
        edge_inputs: Sequence[str] = (),
    ) -> None:
        super().__init__()
        self.model = checks.instance("model", model, nn.Module, "a torch.nn.Module")
        self.node_types = list(node_types)
        self.edge_types: list[EdgeType] = [(source, kind, target) for source, kind, target in edge_types]
        self.inputs, self.edge_inputs = tuple(inputs), tuple(edge_inputs)

    def forward(self, data: Data) -> Tensor:
        if "node_type" not in data or (self.edge_types and "edge_type" not in data):
            raise ValueError("data: expected node_type and edge_type, as of to_homogeneous(), found none")
        nodes = [data.node_type == i for i in range(len(self.node_types))]
        found: dict[str, Any] = {f"{name}_dict": self._split(data[name], nodes) for name in self.inputs}
        if self.edge_types:
            edges = [data.edge_type == i for i in range(len(self.edge_types))]
            found["edge_index_dict"] = self._edge_index(data["edge_index"], nodes, edges)
            for name in self.edge_inputs:
                rows = (data[name][mask] for mask in edges)
                found[f"{name}_dict"] = dict(zip(self.edge_types, rows, strict=True))
        out = self.model(**found)
        return self._joined(out, nodes) if isinstance(out, Mapping) else out

    def by_type(self, rows: Tensor, node_type: Tensor) -> dict[str, Tensor]:
        """Return rows of all nodes ``[N, ...]`` as a dict of those of each type."""
        return self._split(rows, [node_type == i for i in range(len(self.node_types))])

    def _split(self, rows: Tensor, nodes: list[Tensor]) -> dict[str, Tensor]:
        return {name: rows[mask] for name, mask in zip(self.node_types, nodes, strict=True)}

    def _edge_index(
        self, edge_index: Tensor, nodes: list[Tensor], edges: list[Tensor]
    ) -> dict[EdgeType, Tensor]:
        """The edges of each type, as indices of nodes within their types."""
        local = torch.stack(nodes).cumsum(1) - 1
        number = {name: i for i, name in enumerate(self.node_types)}
        ends = [[number[source], number[target]] for source, _, target in self.edge_types]
        rows = [edge_index[:, mask] for mask in edges]
        found = (
            torch.stack([local[s][pair[0]], local[t][pair[1]]])
            for (s, t), pair in zip(ends, rows, strict=True)
        )
        return dict(zip(self.edge_types, found, strict=True))

    def _joined(self, out: Mapping[str, Any], nodes: list[Tensor]) -> Tensor:
        """The rows of all types, in the order of the nodes."""
        first = next(iter(out.values()))
        rows = first.new_zeros(nodes[0].size(0), *first.shape[1:])
        for name, mask in zip(self.node_types, nodes, strict=True):
            if out.get(name) is not None:
                rows = rows.index_put((mask.nonzero().squeeze(1),), out[name])
        return rows
