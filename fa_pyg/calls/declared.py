"""Declarations of a user, checked by name: inputs, the inputs that axes are computed from, node weights."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from fa_pyg import batches as sizes
from fa_pyg import checks
from fa_pyg.builders.cloud import Quantity
from fa_pyg.builders.node_weights import MOST_TYPES, check_weight
from fa_pyg.calls.call import Call, Name, Named
from fa_pyg.calls.layout import Layout
from fa_pyg.frames.rows import Rows
from fa_pyg.groups import Group
from fa_pyg.math.linalg import check_real
from fa_pyg.reps import Rep, RepLike
from fa_pyg.typed import in_functional_transform

__all__ = [
    "NodeWeight",
    "check_acted_on",
    "check_node_weight",
    "check_reads",
    "check_weights",
    "declared_reps",
    "first_read",
    "node_weights",
    "quantity",
]

NodeWeight = str | Callable[[dict[Any, Any]], Tensor] | None


def declared_reps(inputs: Named[RepLike] | None) -> dict[Name, Rep]:
    """Return the representation of each declared input; points in ``pos`` where none is declared.

    Raises:
        ValueError: unless this is a dict of at least one representation.
    """
    default: dict[Name, RepLike] = {"pos": "point"}
    inputs = default if inputs is None else inputs
    checks.instance("inputs", inputs, Mapping, 'a dict such as {"pos": "point"}')
    if not inputs:
        raise ValueError("inputs: expected at least one input that transforms, found none")
    return {name: Rep.of(rep, f"inputs[{name!r}]") for name, rep in inputs.items()}


def first_read(inputs: Mapping[Name, Rep]) -> list[Name]:
    """Return the default of ``reads``: the first declared input that transforms."""
    return [name for name, rep in inputs.items() if rep.moves][:1] or list(inputs)[:1]


def check_acted_on(group: Group, reps: Named[Rep], name: str) -> None:
    """Raise ValueError if the group scales, or boosts, and no input is changed by that."""
    for weight, extended in (("scale", group.scales), ("boost", group.boosts)):
        if extended and not any(getattr(rep, weight) for rep in reps.values()):
            wanted = f"inputs with a weight {weight} for {group}, such as Rep(1, {weight}=1)"
            raise ValueError(f"{name}: expected {wanted}, found {', '.join(map(str, reps))} without")


def check_weights(reps: Mapping[Name, Rep]) -> None:
    """Raise ValueError unless all points scale alike, and so do all quantities that boosts change.

    Otherwise the translations, or the boosts, of one would not be those of another after scaling.
    """
    for what, weight in (("points", "affine"), ("quantities that boosts change", "boost")):
        found = {name: rep.scale for name, rep in reps.items() if getattr(rep, weight)}
        if len(set(found.values())) > 1:
            some = ", ".join(f"{name}: {scale:g}" for name, scale in found.items())
            raise ValueError(f"scale: expected the same for all {what}, found {some}")


def check_reads(reads: Collection[Name] | None, inputs: Mapping[Name, Rep]) -> None:
    """Raise ValueError unless ``reads`` are declared inputs that axes can be computed from."""
    declared = ", ".join(map(str, inputs))
    if isinstance(reads, str) or not isinstance(reads, Collection):
        checks.refuse("reads", f"a list of the declared inputs {declared}", reads)
    if not reads:
        raise ValueError(f"reads: expected some of the declared inputs {declared}, found none")
    for name in reads:
        if name not in inputs:
            checks.refuse("reads", f"some of the declared inputs {declared}", name)
        if inputs[name].rank != 1:
            raise ValueError(f"reads: expected points and vectors, found {name!r}: {inputs[name]}")


def check_node_weight(spec: NodeWeight) -> None:
    """Raise ValueError for an invalid specification of node weights."""
    if not isinstance(spec, str):
        checks.function("node_weight", spec, optional=True, expected="a name, a callable")


def quantity(name: Name, value: Tensor, rep: Rep, dim: int, rows: Rows) -> Quantity:
    """Return a declared input as the quantity that frames read.

    Raises:
        ValueError: naming the input, unless it has rows of this representation in ``dim`` dimensions.
    """
    shape = rep.layout(tuple(value.shape), dim, repr(name))
    check_real(repr(name), value, "a floating point [n, ...]")
    if len(shape) < 1 + rep.rank:
        raise ValueError(
            f"{name!r}: expected a floating point [n, ...], found {value.dtype} {list(value.shape)}"
        )
    if rows.count != value.size(0):
        raise ValueError(f"{name!r}: expected {rows.count} rows ({rows.level.value}), found {value.size(0)}")
    return Quantity(value.reshape(shape), replace(rep, flat=False), rows)


def node_weights(spec: NodeWeight, call: Call, layout: Layout) -> tuple[Tensor | None, bool]:
    """Return the node weights of a call, ``[N]`` or None for equal weights, and whether they are types.

    Args:
        spec: the name of an argument, a callable of the dict of the call's values, None, or "auto": integers
            ``z`` (atomic numbers or other types, see :func:`~fa_pyg.builders.node_weights.type_weights`)
            where the call has one for each node.
        call, layout: the call and its layout.

    Raises:
        ValueError: unless there is a positive number for each node (the model would see a node that the frame
            does not), and for types beyond 10^13. Values are checked on CPU only, to avoid a device sync.
    """
    if spec is None:
        return None, False
    if spec == "auto":
        return _types(call.get("z"), layout.num_nodes), True
    weight: Any = call.get(spec) if isinstance(spec, str) else spec(dict(call.values))
    if not isinstance(weight, Tensor) or weight.numel() != layout.num_nodes:
        found = list(weight.shape) if isinstance(weight, Tensor) else repr(weight)
        wanted = f"a number for each of {layout.num_nodes} nodes"
        raise ValueError(f"node_weight={spec!r}: expected {wanted}, found {found}")
    check_weight(f"node_weight={spec!r}", weight)
    weight = weight.reshape(-1)
    hint = "the model, but not the frame, would see a node without weight; for types counted from 0 use"
    hint = f'{hint} node_weight="auto", for equal weights node_weight=None'
    _check_values(f"node_weight={spec!r}", weight, (weight > 0) & weight.isfinite(), f"numbers > 0 ({hint})")
    return weight, False


def _types(z: Any, num_nodes: int) -> Tensor | None:
    """The type of each node, if z holds types of nodes."""
    if not isinstance(z, Tensor) or z.is_floating_point() or z.is_complex() or z.layout is not torch.strided:
        return None
    if z.numel() != num_nodes:
        return None
    z = z.reshape(-1)
    hint = "others are not atomic numbers: pass node_weight=None or other weights"
    wanted = f"types from {-MOST_TYPES} to {MOST_TYPES} ({hint})"
    wide = z.long()  # int8 cannot hold the bounds
    _check_values("z", z, (wide >= -MOST_TYPES) & (wide <= MOST_TYPES), wanted)
    return z


def _check_values(name: str, value: Tensor, valid: Tensor, wanted: str) -> None:
    """Raise a ValueError with the first invalid value; on CPU only, to avoid a device sync."""
    checked = sizes.is_at_hand(value) and not in_functional_transform()
    if checked and not bool(valid.all()):
        node = int((~valid).nonzero()[0])
        raise ValueError(f"{name}: expected {wanted}, found {value[node].item()} at node {node}")
