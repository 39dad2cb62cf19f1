"""Edges for molecules that come without: bonds by RDKit, bonds by covalent radii, a radius graph."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch_geometric.data import Data
from torch_geometric.transforms import BaseTransform
from torch_geometric.utils import coalesce

from fa_pyg import checks
from fa_pyg.neighbors.covalent import covalent_bonds
from fa_pyg.neighbors.edges import radius_graph
from fa_pyg.workers import Worker

__all__ = ["CovalentBonds", "RDKitBonds", "RadiusGraph"]

SCRIPT = Path(__file__).parents[1] / "workers/rdkit_bonds.py"
NEEDS = "rdkit (pip install rdkit)"


class CovalentBonds(BaseTransform):
    r"""Bonds between atoms i and j where :math:`\lVert x_i - x_j \rVert < s (r_i + r_j)`.

    The radii r are the covalent radii of Cordero et al. (2008), as ASE lists them.

    Args:
        scale: The factor s.

    Shapes: adds ``edge_index [2, E]``, both directions, sorted; ``edge_attr [E, 1]``, all ones, because
    distances give no bond orders; and ``bond_method = "covalent"``. Positions are in Angstrom; periodic
    images are not considered.

    Raises:
        ValueError: for a factor that is not positive.
    """

    def __init__(self, scale: float = 1.25) -> None:
        self.scale = checks.number("scale", scale, above=0)

    def forward(self, data: Data) -> Data:
        pairs = covalent_bonds(data["z"], data["pos"], self.scale)
        return _set_bonds(data, pairs, torch.ones(pairs.size(1)), "covalent")


_COVALENT = CovalentBonds()


class RDKitBonds(BaseTransform):
    r"""Bonds and bond orders from positions and the total charge, by RDKit's ``DetermineBonds``.

    The method is that of Kim and Kim (2015).     RDKit's search is exponential in the worst case and cannot
    be interrupted, so it runs in a worker process, which is started at the first molecule, reused, and killed
    when a molecule takes too long.

    Args:
        charge: The total charge of each molecule.
        time_limit: Seconds for one molecule.
        fallback: What to use where RDKit finds no valid structure (a radical, a metal, a wrong charge) or
            runs out of time. None raises a ``ValueError`` instead.

    Shapes: adds ``edge_index [2, E]``, both directions, sorted; ``edge_attr [E, 1]``, the orders 1, 1.5
    (aromatic), 2, 3; and ``bond_method``, ``"rdkit"`` or that of the fallback. The first fallback warns,
    ``fallbacks`` lists all. Positions are in Angstrom, hydrogens explicit. Periodic images are not
    considered.

    Raises:
        ValueError: for bad arguments, and, without a fallback, for a molecule without a valid structure.
        ImportError: where RDKit is missing.
    """

    def __init__(
        self, charge: int = 0, time_limit: float = 5.0, fallback: BaseTransform | None = _COVALENT
    ) -> None:
        checks.integer("charge", charge, -checks.MANY)
        checks.number("time_limit", time_limit, above=0)
        checks.function("fallback", fallback, optional=True, expected="a transform")
        self.charge, self.time_limit, self.fallback = charge, time_limit, fallback
        self.fallbacks: list[str] = []
        self._worker: Worker | None = None

    def forward(self, data: Data) -> Data:
        self._worker = self._worker or Worker(SCRIPT, self.time_limit, "RDKitBonds", NEEDS)
        request = {"z": data["z"].tolist(), "pos": data["pos"].tolist(), "charge": self.charge}
        (answer,) = self._worker.request(task="bonds", **request)
        if "bonds" not in answer:
            return self._fall_back(data, answer["error"])
        bonds = torch.tensor(answer["bonds"], dtype=torch.float64).view(-1, 3)
        return _set_bonds(data, bonds[:, :2].long().T, bonds[:, 2], "rdkit")

    def _fall_back(self, data: Data, reason: str) -> Data:
        source = data.get("source", "a molecule")
        message = f"{source}: expected bonds by RDKit at charge {self.charge}, found none ({reason})"
        if self.fallback is None:
            raise ValueError(message)
        if not self.fallbacks:
            warnings.warn(f"{message}; used {self.fallback} (further ones only in `fallbacks`)", stacklevel=4)
        self.fallbacks.append(message)
        return self.fallback(data)

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_worker": None}  # a process can be neither copied nor pickled

    def __repr__(self) -> str:
        return f"{type(self).__name__}(charge={self.charge}, time_limit={self.time_limit})"


class RadiusGraph(BaseTransform):
    r"""Edges from each atom to all atoms within a radius, by :func:`fa_pyg.nn.radius_graph`.

    Args:
        r: The radius, in Angstrom.
        max_num_neighbors: The most edges that point to one atom.

    Shapes: adds ``edge_index [2, E]``. Periodic images are not considered.

    Raises:
        ValueError: for a radius that is not positive, or a negative number of neighbors.
    """

    def __init__(self, r: float, max_num_neighbors: int = 32) -> None:
        self.r = checks.number("r", r, above=0)
        self.max_num_neighbors = checks.integer("max_num_neighbors", max_num_neighbors, 0, optional=True)

    def forward(self, data: Data) -> Data:
        data.edge_index = radius_graph(data["pos"], self.r, max_num_neighbors=self.max_num_neighbors)
        return data

    def __repr__(self) -> str:
        return f"{type(self).__name__}(r={self.r})"


def _set_bonds(data: Data, pairs: Tensor, order: Tensor, method: str) -> Data:
    both = torch.cat([pairs, pairs.flip(0)], dim=1).to(data["pos"].device)
    attr = torch.cat([order, order]).to(data.pos)[:, None]
    data.edge_index, data.edge_attr = coalesce(both, attr, num_nodes=data.num_nodes, reduce="max")
    data.bond_method = method
    return data
