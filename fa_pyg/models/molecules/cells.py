"""Periodic systems of a potential: checks, parts of batches, strains and stresses."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from fa_pyg.builders import Frame
from fa_pyg.calls import Signature
from fa_pyg.models.molecules.inputs import found
from fa_pyg.nn import FrameAveraging
from fa_pyg.nn.invariants import keyword

__all__ = [
    "INPUTS",
    "Systems",
    "derivatives",
    "framed_periodic",
    "merged",
    "periodic_graphs",
    "strained",
    "stresses",
]

INPUTS = ("z", "pos", "batch", "edge_index", "edge_vec", "num_graphs")  # arguments that a network may take


class _OnCells(nn.Module):
    """Network with the vectors from which the frame is built as additional inputs."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model
        self.takes = {name for name in INPUTS if Signature(model).takes(name)}

    @property
    def invariants_of(self) -> dict[str, Any] | None:
        found = getattr(self.model, "invariants_of", None)
        if found is None:
            return None
        return {
            **{name: rep for name, rep in found.items() if name in self.takes - {"pos"}},
            "axes": "vector",
        }

    def invariants(self, z, edge_index, edge_vec, axes, axes_batch, batch, num_graphs):
        model: Any = self.model
        return model.invariants(**self._taken(z, edge_index, edge_vec, batch, num_graphs))

    def forward(self, z, edge_index, edge_vec, axes, axes_batch, batch, num_graphs, invariants=None):
        given = self._taken(z, edge_index, edge_vec, batch, num_graphs)
        return self.model(**given, **keyword(invariants))

    def _taken(self, *values: Any) -> dict[str, Any]:
        """The arguments that the model takes."""
        names = ("z", "edge_index", "edge_vec", "batch", "num_graphs")
        return {name: value for name, value in zip(names, values, strict=True) if name in self.takes}


def framed_periodic(model: nn.Module, frame: Frame, options: Mapping[str, Any]) -> FrameAveraging:
    """Wrap a network on edge vectors in a frame that is built from ``axes``."""
    inputs = {"edge_vec": "vector", "axes": "vector"}
    given = {"reads": ["axes"], "levels": {"edge_vec": "edge"}, "node_weight": None}
    return FrameAveraging(_OnCells(model), frame, inputs, **given, **options)


def periodic_graphs(cell: Tensor | None, pbc: Tensor | None, size: int, least: int = 1) -> Tensor | None:
    """Mask of the periodic graphs of a batch, ``[B]``; None if there are none.

    Args:
        cell, pbc: as in a call of a potential.
        size: B.
        least: smallest number of periodic directions for the frame.

    Raises:
        ValueError: naming the graph, for ``cell`` without ``pbc`` and the reverse, wrong shapes or types,
            cells that are not finite, and too few periodic directions.
    """
    if pbc is None and cell is not None:
        raise ValueError("pbc: expected the periodic directions of cell, found None")
    if pbc is not None and (not isinstance(pbc, Tensor) or pbc.shape != (size, 3) or pbc.dtype != torch.bool):
        raise ValueError(f"pbc: expected bool [{size}, 3], found {found(pbc)}")
    if cell is not None and (
        not isinstance(cell, Tensor) or cell.shape != (size, 3, 3) or not cell.is_floating_point()
    ):
        raise ValueError(f"cell: expected real numbers [{size}, 3, 3], found {found(cell)}")
    if cell is not None:
        _refuse(~cell.detach().isfinite().flatten(1).all(1), cell, "finite vectors")
    if pbc is None or not pbc.any():
        return None
    if cell is None:
        raise ValueError(f"cell: expected real numbers [{size}, 3, 3] for pbc, found None")
    if least > 1:
        _refuse(pbc.sum(1) == 1, cell, "at least two periodic directions for a frame of the cell")
    return pbc.any(1)


def _refuse(wrong: Tensor, cell: Tensor, expected: str) -> None:
    if wrong.any():
        graph = int(wrong.nonzero()[0])
        raise ValueError(f"cell: expected {expected}, found {cell[graph].tolist()} in graph {graph}")


@dataclass(frozen=True)
class Systems:
    """Graphs of a batch that run together, either all periodic or none.

    Attributes:
        z, pos, batch, size, cell, pbc, strain: as in a call of a potential; the last three if periodic.
        graphs, nodes: their indices in a larger batch, and those of their atoms; None for all of it.
    """

    z: Tensor
    pos: Tensor
    batch: Tensor | None
    size: int
    cell: Tensor | None = None
    pbc: Tensor | None = None
    strain: Tensor | None = None
    graphs: Tensor | None = None
    nodes: Tensor | None = None

    def select(self, chosen: Tensor, periodic: bool) -> Systems:
        """Return the graphs of a mask ``[B]``."""
        if self.batch is None:
            raise ValueError("batch: expected the graph of each atom, found None")
        nodes, graphs = chosen.index_select(0, self.batch).nonzero().squeeze(1), chosen.nonzero().squeeze(1)
        batch = (chosen.cumsum(0) - 1).index_select(0, self.batch.index_select(0, nodes))
        boxes = (self.cell, self.pbc, self.strain) if periodic else (None, None, None)
        cell, pbc, strain = (None if box is None else box.index_select(0, graphs) for box in boxes)
        pos = self.pos.index_select(0, nodes)
        return Systems(
            self.z.index_select(0, nodes), pos, batch, len(graphs), cell, pbc, strain, graphs, nodes
        )


def merged(
    parts: Sequence[Systems], outputs: Sequence[Mapping[str, Tensor]], atomic: set[str]
) -> dict[str, Tensor]:
    """Merge the outputs of parts of a batch; ``atomic`` names those with a row per atom."""
    graphs = torch.cat([part.graphs for part in parts if part.graphs is not None]).argsort()
    nodes = torch.cat([part.nodes for part in parts if part.nodes is not None]).argsort()
    return {
        name: torch.cat([out[name] for out in outputs]).index_select(0, nodes if name in atomic else graphs)
        for name in outputs[0]
    }


def stresses(slope: Tensor, cell: Tensor, periodic: Tensor) -> Tensor:
    """Divide derivatives by strain by the volumes, ``[B, 3, 3]``; NaN for graphs without a volume.

    Raises:
        ValueError: for a batch of graphs without volumes.
    """
    volume = torch.linalg.det(cell).abs()
    flat = ~periodic | (volume == 0)
    if flat.all():
        raise ValueError("stress: expected a cell with a volume, found none in the batch")
    found = slope / volume.masked_fill(flat, 1).view(-1, 1, 1)
    return found.masked_fill(flat.view(-1, 1, 1), torch.nan)


def derivatives(energy: Tensor, wanted: Sequence[Tensor], keep: bool) -> list[Tensor]:
    """Differentiate the sum of energies; with ``keep`` the derivatives have a graph, also if they are 0."""
    if not energy.requires_grad:  # atoms without neighbors
        return [torch.zeros_like(x) for x in wanted]
    found = torch.autograd.grad(
        energy.sum(), wanted, create_graph=keep, retain_graph=keep, materialize_grads=True
    )
    # A loss on forces of atoms without neighbors only must not stop a training.
    return [y + 0 * x if keep and not y.requires_grad else y for x, y in zip(wanted, found, strict=True)]


def strained(x: Tensor, strain: Tensor | None, index: Tensor | None, rows: int = 0) -> Tensor:
    r"""Compute x (1 + eta) with the symmetric strain eta, of vectors ``[n, 3]`` or cells ``[B, 3, 3]``."""
    if strain is None:
        return x
    eta = (strain + strain.mT) / 2
    if rows:
        return x + x @ eta
    if index is None:
        return x + x @ eta[0]
    return x + (x.unsqueeze(1) @ eta.index_select(0, index)).squeeze(1)
