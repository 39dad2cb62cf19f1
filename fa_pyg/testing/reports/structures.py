"""Structures that a model is tried on: molecules of the catalogue, and the user's own."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import torch
from torch import Tensor
from torch_geometric.data import Batch, Data

from fa_pyg import checks
from fa_pyg.testing.catalogue import NamedCloud, catalogue

__all__ = [
    "changed",
    "chosen",
    "count",
    "elements",
    "formula",
    "molecules",
    "name_of",
    "spacing",
    "structures",
    "symmetric",
]

GENERIC = ("H2O", "NH3", "CH3OH", "CH3CH2OH", "HCOOH", "CH3CHO", "CH3NO2", "H2CO", "C2H4", "H2COH")
SYMMETRIC = ("CO2", "acetylene", "methane", "benzene", "allene", "ethane, staggered", "ethane, eclipsed")
ELEMENTS = {1, 6, 7, 8}
SMALL, KEEP = 30, 8  # atoms of a symmetric cloud at most, and number of such clouds


def structures(data: Any) -> list[Data]:
    """Check and copy structures: floating point becomes float64, and each gets a name.

    Raises:
        ValueError: for anything but PyG data, one or more.
    """
    if isinstance(data, Batch):
        data = data.to_data_list()
    listed = [data] if isinstance(data, Data) else data
    if not isinstance(listed, Iterable) or isinstance(listed, (str, bytes, dict)):
        checks.refuse("data", "a PyG Data or a list of them", data)
    found = [
        _copied(checks.instance("data", one, Data, "a list of PyG Data"), k) for k, one in enumerate(listed)
    ]
    if not found:
        raise ValueError("data: expected at least one structure, found none")
    if not any(one.get("pbc") is not None and bool(one.pbc.any()) for one in found):
        for one in found:  # of molecules, where files have some for all structures
            for name in [name for name in ("cell", "pbc") if name in one]:
                del one[name]
    return found


def _copied(data: Data, number: int) -> Data:
    values = {k: v for k, v in data.to_dict().items() if isinstance(v, Tensor)}
    made = Data(
        **{k: v.detach().cpu().double() if v.is_floating_point() else v.cpu() for k, v in values.items()}
    )
    if made.num_nodes is None:
        made.num_nodes = data.num_nodes
    made["name_"] = data.get("name_") or f"{data.get('source') or f'structure {number}'}{_brackets(made)}"
    return made


def _brackets(data: Data) -> str:
    text = formula(data)
    return f" ({text})" if text else ""


def count(data: Data) -> int:
    """Number of nodes."""
    return int(data.num_nodes or 0)


def name_of(data: Data) -> str:
    """Name of a structure in the report."""
    return data["name_"]


def formula(data: Data) -> str:
    """Chemical formula, ``C2H6O``; empty without atomic numbers."""
    from ase.formula import Formula

    z = data.get("z")
    if z is None or z.dim() != 1 or not len(z) or z.is_floating_point() or not 0 < z.min() <= z.max() <= 118:
        return ""
    from ase.data import chemical_symbols

    return Formula.from_list([chemical_symbols[k] for k in z.tolist()]).format("hill")


def changed(data: Data, **values: Any) -> Data:
    """Copy of a structure with some attributes replaced."""
    made = Data(**{**data.to_dict(), **values})
    if made.num_nodes is None:
        made.num_nodes = data.num_nodes
    return made


def elements(data: Sequence[Data]) -> tuple[int, ...] | None:
    """Elements of structures; None without atomic numbers."""
    if any(not isinstance(one.get("z"), Tensor) or one.z.is_floating_point() for one in data):
        return None
    return tuple(sorted({int(k) for one in data for k in one.z.flatten().tolist()}))


def chosen(data: Sequence[Data], count: int) -> list[Data]:
    """Choose structures at equal distances in the list."""
    if len(data) <= count:
        return list(data)
    return [data[k] for k in torch.linspace(0, len(data) - 1, count).round().long().tolist()]


def molecules(count: int, generator: torch.Generator) -> list[Data]:
    """Small molecules of H, C, N and O: every other one displaced, as most have a mirror plane."""
    from ase.build import molecule

    made = []
    for k in range(count):
        name = GENERIC[(k // 2 + k) % len(GENERIC)]
        atoms = molecule(name)
        pos = torch.as_tensor(atoms.positions)
        if k % 2:
            pos = pos + 0.1 * torch.randn(pos.shape, generator=generator, dtype=torch.float64)
        name += ", displaced" * (k % 2)
        made.append(Data(z=torch.as_tensor(atoms.numbers).long(), pos=pos, name_=name))
    return made


def symmetric(z: Iterable[int] | None, dim: int, length: float) -> Iterator[Data]:
    """Symmetric structures of the catalogue: molecules of the given elements, or clouds of a spacing."""
    if dim not in (2, 3):
        return
    if z is not None and dim == 3:
        clouds = (c for c in catalogue(3, ["molecules", "lines"]) if c.name in SYMMETRIC)
        for cloud in clouds:
            if cloud.z is not None and {*cloud.z.tolist()} <= {*z}:
                yield Data(z=cloud.z, pos=cloud.pos, name_=cloud.name)
    elif z is None:
        kinds = ["polygons"] if dim == 2 else ["solids", "polygons"]
        for cloud in _few(catalogue(dim, kinds)):
            pos = cloud.pos * (length / spacing(cloud.pos))
            yield Data(pos=pos, name_=f"{cloud.name} (symmetric)")


def _few(clouds: Iterable[NamedCloud]) -> list[NamedCloud]:
    fit = [cloud for cloud in clouds if cloud.z is None and 3 <= len(cloud.pos) <= SMALL]
    return [fit[k] for k in torch.linspace(0, len(fit) - 1, KEEP).long().tolist()]


def spacing(pos: Tensor) -> float:
    """Median distance of a point to its nearest neighbor, 1 for a single point."""
    if len(pos) < 2:
        return 1.0
    some = pos[:: max(1, len(pos) // 64)]
    distance = (some.unsqueeze(1) - pos.unsqueeze(0)).norm(dim=-1)
    nearest = distance.masked_fill(distance == 0, torch.inf).amin(1)
    nearest = nearest[nearest.isfinite()]
    return nearest.median().item() if len(nearest) else 1.0
