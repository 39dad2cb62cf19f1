"""Potentials of molecules and crystals, neighbors, the ASE calculator and dynamics."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from fa_pyg import HaarFrame, PCAFrame, PerMode, WeightedPCAFrame
from fa_pyg.models import (
    CellVectors,
    FAENet,
    LabeledCell,
    LatticeVectors,
    NeighborVectors,
    NequIP,
    Potential,
)
from fa_pyg.nn import knn, knn_graph, radius, radius_graph
from hashed import Cases

__all__ = ["batch_of", "cases", "systems"]

HEADS = {"energy": "scalar", "gap": "mean", "dipole": "vector", "alpha": "tensor"}
HEADS |= {"charges": "node scalar", "push": "node vector"}


def seeded() -> torch.Generator:
    return torch.Generator().manual_seed(1)


def systems() -> list[Any]:
    """Crystals, slabs, molecules and atoms alone, rattled."""
    from ase import Atoms
    from ase.build import bulk, fcc111, molecule

    slab = fcc111("Cu", (1, 1, 3), vacuum=6.0)
    flat = slab.copy()
    flat.cell[2] = 0
    found = [bulk("Cu"), molecule("H2O"), slab, Atoms("Cu"), bulk("NaCl", "rocksalt", a=5.6), flat]
    found += [Atoms("O", [[5.0, 5, 5]]), molecule("CH4"), Atoms("H", cell=[9, 9, 9]), molecule("C6H6")]
    for number, atoms in enumerate(found):
        atoms.rattle(0.05, seed=number)
    return found


def batch_of(atoms: list[Any], cells: bool = True) -> dict[str, Tensor]:
    sizes = torch.tensor([len(one) for one in atoms])
    found = {
        "z": torch.cat([torch.tensor(one.numbers) for one in atoms]),
        "pos": torch.cat([torch.tensor(one.positions) for one in atoms]),
        "batch": torch.arange(len(atoms)).repeat_interleave(sizes),
    }
    if cells:
        found["cell"] = torch.stack([torch.tensor(one.cell.array) for one in atoms])
        found["pbc"] = torch.stack([torch.tensor(one.pbc) for one in atoms])
    return found


def net(heads: dict[str, str] | None = None) -> FAENet:
    torch.manual_seed(0)
    return FAENet(8, 2, 3.5, 4, heads=heads).double()


POTENTIALS: dict[str, Callable[[], Potential]] = {
    "forces": lambda: Potential(net(), WeightedPCAFrame("E(3)")),
    "fast": lambda: Potential(net(HEADS), WeightedPCAFrame("SE(3)", smoothness="fast")),
    "pca": lambda: Potential(net(HEADS), PCAFrame("E(3)")),
    "no frame": lambda: Potential(net(HEADS)),
    "forces of a head": lambda: Potential(
        net({"energy": "scalar", "forces": "node vector"}), PCAFrame("E(3)"), gradient=False
    ),
    "labeled cell": lambda: Potential(net(), PCAFrame("E(3)"), cell_frame=LabeledCell()),
    "cell vectors": lambda: Potential(net(), PCAFrame("E(3)"), cell_frame=CellVectors(signed=True)),
    "lattice": lambda: Potential(
        net(), PCAFrame("SE(3)"), cell_frame=LatticeVectors(WeightedPCAFrame("SE(3)"))
    ),
    "neighbors": lambda: Potential(
        net(), PCAFrame("E(3)"), cell_frame=NeighborVectors(WeightedPCAFrame("E(3)", smoothness="fast"))
    ),
    "per mode": lambda: Potential(
        net(), PerMode(HaarFrame("E(3)", generator=seeded()), WeightedPCAFrame("E(3)"))
    ),
}


def said(make: Callable[[], Potential], training: bool) -> list:
    """Everything a potential says of a mixed batch, of molecules alone, and of each system by itself."""
    model = make().double().train(training)
    atoms = systems()
    fitted = batch_of(atoms)
    targets = {"energy": torch.randn(len(atoms), generator=seeded()).double()}
    if model.gradient:
        targets["forces"] = torch.randn(len(fitted["pos"]), 3, generator=seeded()).double()
    if set(model.heads) == {"energy"}:
        model.fit_units(fitted["z"], fitted["batch"], targets)
    stress = model.gradient
    found: list = [model.state_dict(), model(**fitted, stress=stress)]
    found.append(model(**batch_of([one for one in atoms if not one.pbc.any()], cells=False)))
    found += [model(**batch_of([one])) for one in atoms[:4]]
    if training:
        found[1]["energy"].sum().backward()
        found.append([p.grad for p in model.parameters()])
    return found


def other_frame() -> list:
    model = Potential(net(), WeightedPCAFrame("E(3)", smoothness="fast"))
    given = batch_of(systems())
    found = [model(**given), model.set_frame("forces")(**given), model.float()(**given)]
    model.share_calls(4)
    return [*found, model(**given)]


class Spy(nn.Module):
    """Keeps what a potential hands to its network: edges across boundaries and their vectors."""

    cutoff = 4.0

    def forward(
        self,
        z: Tensor,
        edge_index: Tensor,
        batch: Tensor,
        num_graphs: int,
        pos: Tensor | None = None,
        edge_vec: Tensor | None = None,
    ) -> Tensor:
        self.seen = [z, edge_index, batch, num_graphs, pos, edge_vec]
        edge_vec = pos[edge_index[0]] - pos[edge_index[1]] if edge_vec is None else edge_vec
        energies = edge_vec.square().sum(1).sin()
        return energies.new_zeros(num_graphs).index_add(0, batch[edge_index[1]], energies)


def periodic() -> list:
    spy = Spy()
    model, atoms = Potential(spy), systems()
    found = []
    large = atoms[4].repeat((5, 5, 5))
    for cells in ([one for one in atoms if one.pbc.any()], atoms, [large], [atoms[0].repeat(2), atoms[2]]):
        found += [model(**batch_of(cells), stress=True), list(spy.seen)]
    return found


def neighbors(dtype: torch.dtype) -> list:
    x = torch.randn(300, 3, generator=seeded(), dtype=torch.float64).to(dtype)
    y = torch.randn(50, 3, generator=seeded(), dtype=torch.float64).to(dtype)
    batch, other = torch.arange(300) % 3, torch.arange(50) % 3
    grid = torch.cartesian_prod(*[torch.arange(5, dtype=dtype)] * 3)
    found = [radius_graph(x, 0.8, batch), radius_graph(x, 0.8, batch, True, None, "target_to_source")]
    found += [radius_graph(x, 1.5, batch, max_num_neighbors=4), radius_graph(grid, 1.5, max_num_neighbors=5)]
    found += [knn_graph(x, 5, batch), knn_graph(x, 3, loop=True), knn_graph(x, 4, batch, cosine=True)]
    found += [radius(x, y, 0.7, batch, other), knn(x, y, 3, batch, other), knn_graph(grid, 7)]
    many = torch.rand(6000, 3, generator=seeded(), dtype=torch.float64).to(dtype) ** 2
    return [*found, radius_graph(many, 0.06), knn_graph(many, 4), radius(many, x, 0.1), knn(many, y, 3)]


def equivariant() -> list:
    torch.manual_seed(0)
    model = Potential(NequIP(4, 2, cutoff=3.5).double())
    return [model.state_dict(), model(**batch_of(systems()), stress=True)]


def calculated() -> list:
    """Energy, forces and stress of ASE's atoms, and dynamics."""
    from fa_pyg.ase import FACalculator
    from fa_pyg.dynamics import (
        along,
        bond_scan,
        conservation,
        frequencies,
        nve,
        nve_together,
        path_gaps,
        scannable_bonds,
        splitting,
        thermalised,
    )

    model = Potential(net(), WeightedPCAFrame("E(3)", smoothness="forces"))
    found: list = []
    for atoms in systems():
        atoms.calc = FACalculator(model, dtype="float64")
        found += [atoms.get_potential_energy(), atoms.get_forces()]
        if atoms.pbc.all():
            found.append(atoms.get_stress())
    water, methane = (thermalised(systems()[k], 100.0) for k in (1, 7))
    together = nve_together(model, [water.copy(), methane.copy()], 3, 0.25)
    water.calc = FACalculator(model, dtype="float64")
    runs = [nve(water, 3, 0.25), *together]
    found += [[run.pos, run.potential, run.kinetic, run.forces, conservation(run)] for run in runs]
    methane = systems()[7]
    methane.calc = FACalculator(model, dtype="float64")
    bonds = scannable_bonds(methane)
    scan = bond_scan(methane, bonds["C-H"], np.linspace(0, 0.2, 4))
    found += [bonds, scan, path_gaps(model, methane.numbers, scan), frequencies(methane)]
    return [*found, along(model, water.numbers, runs[0].pos), splitting(found[-1][6:], (2, 3, 3))]


def cases() -> Cases:
    """Yield the cases of this file."""
    for name, make in POTENTIALS.items():
        for training in (False, True):
            yield f"potential/{name}/{'train' if training else 'eval'}", lambda m=make, t=training: said(m, t)
    yield "potential/other frame", other_frame
    yield "potential/NequIP", equivariant
    yield "neighbors/periodic", periodic
    for dtype in (torch.float32, torch.float64):
        yield f"neighbors/{str(dtype)[6:]}", lambda t=dtype: neighbors(t)
    yield "potential/calculator", calculated
