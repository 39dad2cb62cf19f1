"""What a user declares of a batch, checked by name: inputs, what the axes are made of, node weights."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import replace
from typing import Any

from torch import Tensor

from fa_pyg.builders.cloud import Quantity
from fa_pyg.copies import Call, Layout, Name
from fa_pyg.reps import Rep, RepLike

__all__ = ["NodeWeight", "check_reads", "declared_reps", "node_weights", "quantity"]

NodeWeight = str | Callable[[dict], Tensor] | None


def declared_reps(inputs: Mapping[Name, RepLike] | None) -> dict[Name, Rep]:
    """Returns the representation of each declared input; points in ``pos`` where none is declared.

    Raises:
        ValueError: if this is no dict, or an empty one, or one of something else than representations.
    """
    inputs = {"pos": "point"} if inputs is None else inputs
    if not isinstance(inputs, Mapping):
        raise ValueError(f'inputs: expected a dict such as {{"pos": "point"}}, found {inputs!r}')
    if not inputs:
        raise ValueError("inputs: expected at least one input that transforms, found none")
    return {name: Rep.of(rep) for name, rep in inputs.items()}


def check_reads(reads: Collection[Name], inputs: Mapping[Name, Rep]) -> None:
    """Raises ValueError unless ``reads`` are declared inputs that axes can be made of."""
    declared = ", ".join(map(str, inputs))
    if not reads:
        raise ValueError(f"reads: expected some of the declared inputs {declared}, found none")
    for name in reads:
        if name not in inputs:
            raise ValueError(f"reads: {name!r} is none of the declared inputs {declared}")
        if inputs[name].rank != 1:
            raise ValueError(f"reads: axes are made of points and vectors, found {name!r}: {inputs[name]}")


def quantity(
    name: Name, value: Tensor, rep: Rep, dim: int, index: Tensor | None, weighted: bool = True
) -> Quantity:
    """Returns a declared input as frames see it; ``weighted``: whether its rows may be nodes.

    Raises:
        ValueError: naming it, if it has no rows of this representation in ``dim`` dimensions.
    """
    shape = rep.layout(tuple(value.shape), dim, repr(name))
    if len(shape) < 1 + rep.rank or not value.is_floating_point():
        raise ValueError(
            f"{name!r}: expected a floating point [n, ...], found {value.dtype} {list(value.shape)}"
        )
    return Quantity(value.reshape(shape), replace(rep, flat=False), index, weighted)


def node_weights(spec: NodeWeight, call: Call, layout: Layout) -> Tensor | None:
    """Returns the weight of each node of a call, ``[N]``, or None for equal ones.

    Args:
        spec: the name of an argument, a callable of the dict of the call's values, None, or "auto": integers
            ``z`` (atomic numbers) where the call has them.
        call, layout: of the batch.

    Raises:
        ValueError: if what is named is no number for each node.
    """
    if spec is None:
        return None
    if spec == "auto":
        weight = call.get("z")
        usable = isinstance(weight, Tensor) and not weight.is_floating_point()
        return weight.reshape(-1) if usable and weight.numel() == layout.num_nodes else None
    weight: Any = call.get(spec) if isinstance(spec, str) else spec(dict(call.values))
    if not isinstance(weight, Tensor) or weight.numel() != layout.num_nodes:
        found = list(weight.shape) if isinstance(weight, Tensor) else repr(weight)
        wanted = f"a number for each of {layout.num_nodes} nodes"
        raise ValueError(f"node_weight={spec!r}: expected {wanted}, found {found}")
    return weight.reshape(-1)
