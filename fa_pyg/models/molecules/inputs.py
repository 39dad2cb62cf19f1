"""Input checks of networks on molecules, and of potentials."""

from __future__ import annotations

import inspect
import numbers

import torch
from torch import Tensor, nn

__all__ = [
    "check_crowd",
    "check_edges",
    "check_pos",
    "check_types",
    "found",
    "is_checkable",
    "is_traced",
    "number_of_graphs",
    "read_molecules",
    "requires",
]

MOST_EMPTY = 10**6  # graphs without atoms in a batch: more outputs would fill the memory


def is_traced() -> bool:
    """Whether values are not available: inside ``torch.compile`` and ``torch.func``."""
    return torch.compiler.is_compiling() or torch._C._are_functorch_transforms_active()


def is_checkable(x: Tensor) -> bool:
    """Whether values can be read without a device sync, and outside of traced calls."""
    return x.device.type == "cpu" and not is_traced()


def check_types(z: Tensor, most: int, least: int = 0, values: bool = True) -> None:
    """Check that ``z`` are atomic numbers ``[N]`` from ``least`` to ``most``.

    Raises:
        ValueError: naming the first atom out of range.
    """
    if not isinstance(z, Tensor) or z.dim() != 1 or z.dtype not in (torch.int64, torch.int32):
        raise ValueError(f"z: expected atomic numbers (int64) [N], found {found(z)}")
    if values and len(z):
        low, high = z.aminmax()
        if low < least or high > most:
            atom = int(((z < least) | (z > most)).nonzero()[0])
            raise ValueError(
                f"z: expected atomic numbers from {least} to {most}, found {int(z[atom])} of atom {atom}"
            )


def check_pos(pos: Tensor, z: Tensor, values: bool = True) -> None:
    """Check that ``pos`` are finite coordinates ``[N, 3]`` of the atoms.

    Raises:
        ValueError: naming the first atom whose coordinates are not finite.
    """
    if not isinstance(pos, Tensor) or pos.shape != (len(z), 3) or not pos.is_floating_point():
        raise ValueError(f"pos: expected real numbers [{len(z)}, 3], a row per atom, found {found(pos)}")
    if values and not (finite := pos.detach().isfinite()).all():
        atom = int((~finite.all(1)).nonzero()[0])
        raise ValueError(f"pos: expected finite numbers, found {pos[atom].tolist()} of atom {atom}")


def read_molecules(z: Tensor, batch: Tensor | None, num_graphs: int | None, most: int) -> int:
    """Check atomic numbers and graph indices of a call, and return the number of graphs.

    Raises:
        ValueError: for wrong types, shapes, and values out of range.
    """
    check_types(z, most, values=isinstance(z, Tensor) and is_checkable(z))
    return number_of_graphs(z, batch, num_graphs, values=isinstance(batch, Tensor) and is_checkable(batch))


def number_of_graphs(z: Tensor, batch: Tensor | None, num_graphs: int | None, values: bool = True) -> int:
    """Number of graphs: ``num_graphs``, or the number in ``batch``, or 1.

    Raises:
        ValueError: for ``batch`` that is not an index (int64) per atom, indices that are negative or not
            below ``num_graphs``, and more than 1e6 graphs without atoms.
    """
    whole = isinstance(num_graphs, numbers.Integral) and not isinstance(num_graphs, bool)
    if not (whole or num_graphs is None):
        raise ValueError(f"num_graphs: expected a whole number or None, found {num_graphs!r}")
    if batch is None:
        if num_graphs not in (None, 1):
            raise ValueError(f"num_graphs: expected 1 without batch, found {num_graphs}")
        return 1
    if not isinstance(batch, Tensor) or batch.shape != z.shape or batch.dtype != torch.long:
        raise ValueError(f"batch: expected graph numbers (int64) [{len(z)}], found {found(batch)}")
    name, size, low, high = "num_graphs", num_graphs, 0, -1
    if len(batch) and (values or size is None):
        low, high = map(int, batch.aminmax())
    if size is None:
        name, size = "batch", high + 1
    if not 0 <= size <= len(z) + MOST_EMPTY:
        raise ValueError(
            f"{name}: expected 0 to {len(z) + MOST_EMPTY} graphs of {len(z)} atoms, found {size}"
        )
    if low < 0 or high >= size:
        raise ValueError(f"batch: expected graph numbers from 0 to {size - 1}, found {low} to {high}")
    return int(size)


def check_edges(edge_index: Tensor | None, edge_vec: Tensor | None, atoms: int | None) -> None:
    """Check that edges are pairs ``[2, E]`` of atoms, and their vectors ``[E, 3]``.

    Raises:
        ValueError: for wrong types and shapes, and indices out of range.
    """
    if edge_index is not None:
        is_pairs = isinstance(edge_index, Tensor) and edge_index.dim() == 2 and len(edge_index) == 2
        if not is_pairs or edge_index.dtype != torch.long:
            raise ValueError(f"edge_index: expected integers (int64) [2, E], found {found(edge_index)}")
        if edge_index.numel() and atoms is not None and is_checkable(edge_index):
            low, high = map(int, edge_index.aminmax())
            if low < 0 or high >= atoms:
                raise ValueError(f"edge_index: expected atoms from 0 to {atoms - 1}, found {low} to {high}")
    if edge_vec is not None and edge_index is not None:
        shape = (edge_index.size(1), 3)
        if not isinstance(edge_vec, Tensor) or edge_vec.shape != shape or not edge_vec.is_floating_point():
            raise ValueError(f"edge_vec: expected real numbers {list(shape)}, found {found(edge_vec)}")


def check_crowd(edge_index: Tensor, most: int, nodes: Tensor | None) -> None:
    """Check that atoms have at most ``most`` neighbors; a network would fill the memory.

    Args:
        edge_index: ``[2, E]``.
        most: largest number of neighbors.
        nodes: index of each atom in the message; default its row.

    Raises:
        ValueError: naming the atom with most neighbors.
    """
    if edge_index.size(1) > most:  # else no atom can have more
        many, atom = edge_index[1].bincount().max(0)
        if many > most:
            atom = int(atom if nodes is None else nodes[atom])
            raise ValueError(
                f"pos: expected at most {most} neighbors of an atom within the cutoff, found {int(many)} of "
                f"atom {atom}; are positions and cutoff in the same unit?"
            )


def found(x: object) -> str:
    """Description of an argument for an error message: type, and shape or value."""
    return f"{x.dtype} {list(x.shape)}" if isinstance(x, Tensor) else f"{type(x).__name__} {x!r}"


def requires(model: nn.Module, name: str) -> bool:
    """Whether the signature of a module requires an argument."""
    try:
        parameter = inspect.signature(model.forward).parameters.get(name)
    except ValueError:  # a traced module has no names
        return False
    return parameter is not None and parameter.default is parameter.empty
