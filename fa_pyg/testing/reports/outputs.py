"""Outputs of a model by name, cut into those of single structures."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor

from fa_pyg.reps import Rep, RepLike

__all__ = ["Output", "cut", "described", "level_of", "tensors", "unreal"]

ENERGIES = ("energy", "energies", "total_energy", "e", "u", "u0", "e_total", "pred_energy", "energy_pred")
FORCES = ("forces", "force", "f", "pred_forces", "forces_pred", "node_forces")
VECTORS = ("dipole", "mu", "vel", "velocity", "acc", "acceleration", "normals", "normal", "dipoles")
TENSORS = ("stress", "virial", "polarizability", "alpha_tensor", "hessian")


@dataclass(frozen=True)
class Output:
    """Output of a model.

    Attributes:
        name: key, position, or ``"output"``.
        rep: how it transforms.
        level: ``"node"`` or ``"graph"``: what its rows are.
        role: ``"energy"``, ``"forces"`` or empty.
        declared: whether the user has given ``rep``.
        size, variation: largest entry (median over the structures), and root mean square of its change when
            points move by ``sigma`` along each axis.
    """

    name: str
    rep: Rep
    level: str
    role: str = ""
    declared: bool = False
    size: float = 0.0
    variation: float = 0.0

    @property
    def title(self) -> str:
        """Name in a report: ``"output energy"``."""
        return self.name if self.name == "output" else f"output {self.name}"


def tensors(out: Any, declared: Mapping[str, RepLike] | RepLike | None) -> dict[str, Tensor]:
    """Name the tensors of the output of a model.

    Raises:
        ValueError: for an output without tensors of floating point, or without a declared one.
    """
    names = list(declared) if isinstance(declared, Mapping) else []
    found = {k: v for k, v in _named(out, names).items() if isinstance(v, Tensor) and _is_real(v)}
    if not found:
        raise ValueError(
            f"output: expected a tensor of floating point, or a dict or tuple of them, found a {_kind(out)}; "
            "wrap the model in a function that returns such tensors"
        )
    if missing := [name for name in names if name not in found]:
        raise ValueError(f"output: expected some of {', '.join(found)}, found {missing[0]!r}")
    return {name: found[name] for name in names} if names else found


def unreal(out: Any) -> dict[str, str]:
    """Types of the tensors of an output that are not real numbers, by name."""
    values = _named(out, ()).items()
    return {k: _type(v) for k, v in values if isinstance(v, Tensor) and not _is_real(v)}


def _is_real(value: Tensor) -> bool:
    """Whether a tensor has entries that are real numbers: not a sparse or a nested one."""
    return value.is_floating_point() and value.layout == torch.strided and not value.is_nested


def _type(value: Tensor) -> str:
    kind = "nested " if value.is_nested else "" if value.layout == torch.strided else "sparse "
    return kind + str(value.dtype).removeprefix("torch.")


def _kind(out: Any) -> str:
    """Types of an output, and of what is in it."""
    if isinstance(out, Tensor):
        return f"tensor of {_type(out)}"
    parts = _named(out, ()) if isinstance(out, (Mapping, tuple, list)) else {}
    inside = ", ".join(f"{k}: {_kind(v)}" for k, v in parts.items())
    return type(out).__name__ + (f" of {inside}" if inside else "")


def _named(out: Any, names: Sequence[str]) -> dict[str, Any]:
    if isinstance(out, Tensor):
        return {names[0] if len(names) == 1 else "output": out}
    if isinstance(out, Mapping):
        return {str(k): v for k, v in out.items()}
    if hasattr(out, "_asdict"):
        return out._asdict()
    if isinstance(out, (tuple, list)):
        given = names if len(names) == len(out) else [str(k) for k in range(len(out))]
        return dict(zip(given, out, strict=True))
    if dataclasses.is_dataclass(out) or hasattr(out, "__dict__"):
        return dict(vars(out))
    return {}


def cut(value: Tensor, level: str, sizes: Sequence[int]) -> list[Tensor]:
    """Cut an output into those of single structures."""
    if level == "node":
        return list(value.split(list(sizes)))
    return list(value.unsqueeze(0) if len(sizes) == 1 and value.dim() == 0 else value.split(1))


def level_of(value: Tensor, sizes: Sequence[int]) -> str | None:
    """Level of an output by its number of rows; None if neither nodes nor structures fit."""
    if value.dim() and len(value) == sum(sizes) and (sum(sizes) != len(sizes) or value.dim() > 1):
        return "node"
    if value.dim() and len(value) == len(sizes):
        return "graph"
    return "graph" if len(sizes) == 1 else None


def described(
    values: Mapping[str, Tensor],
    levels: Mapping[str, str],
    declared: Mapping[str, RepLike] | RepLike | None,
    dim: int,
) -> list[Output]:
    """Describe outputs: representation and role as declared, or by name and shape."""
    if declared is not None and not isinstance(declared, Mapping):
        declared = dict.fromkeys(values, declared)
    found = [_described(name, v, levels[name], (declared or {}).get(name), dim) for name, v in values.items()]
    if not dim:
        return [replace(one, role="") for one in found]
    if any(one.role == "energy" for one in found):
        return found
    fits = [k for k, one in enumerate(found) if _may_be_energy(one, values[one.name])]
    if len(fits) == 1:  # the only number of a structure
        found[fits[0]] = replace(found[fits[0]], role="energy")
    vectors = [k for k, one in enumerate(found) if one.rep == Rep(1) and one.level == "node"]
    if len(fits) == 1 and len(vectors) == 1 and found[vectors[0]].name.isdigit():  # (energy, forces)
        found[vectors[0]] = replace(found[vectors[0]], role="forces")
    return found


def _may_be_energy(output: Output, value: Tensor) -> bool:
    return (
        output.level == "graph"
        and output.rep == Rep(0)
        and value.numel() == (len(value) if value.dim() else 1)
    )


def _described(name: str, value: Tensor, level: str, declared: RepLike | None, dim: int) -> Output:
    word, tail = name.lower(), tuple(value.shape[1:])
    rep = Rep(0)
    if dim and tail[-2:] == (dim, dim):
        rep = Rep(2)
    elif dim and tail[-1:] == (dim,):
        rep = Rep(1)
    if declared is not None:
        rep = Rep.of(declared, "output")
    role = ""
    if word in ENERGIES and rep == Rep(0) and value.numel() == (len(value) if value.dim() else 1):
        role = "energy" if level == "graph" else ""
    if rep == Rep(1) and level == "node" and word in FORCES and tail == (dim,):
        role = "forces"
    if dim:
        rep.layout(tuple(value.shape), dim, f"output: {name!r}")
    return Output(name, rep, level, role, declared is not None)
