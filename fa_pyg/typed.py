"""Types that static checkers do not find: of functions of torch without types, and of computed attributes."""

from __future__ import annotations

from collections.abc import Callable, ItemsView, Iterable, Iterator
from typing import TYPE_CHECKING, Any, Generic, TypeGuard, TypeVar, cast

import torch
from torch import Tensor, nn

from fa_pyg.lazy import cached_property

__all__ = [
    "Modules",
    "NamedModules",
    "cached",
    "computed",
    "cross",
    "det",
    "disable",
    "eigh",
    "in_functional_transform",
    "integers",
    "is_dict",
    "is_list",
    "is_list_or_tuple",
    "matrix_power",
    "norm",
    "numbers",
    "qr",
    "run_lengths",
    "total",
    "unique",
    "unique_consecutive",
    "unique_with_inverse",
    "unpack_dual",
]

T = TypeVar("T")
M = TypeVar("M", bound=nn.Module)

if TYPE_CHECKING:

    class Modules(nn.ModuleList, Generic[M]):
        """``nn.ModuleList``, with the type of its modules."""

        def __init__(self, modules: Iterable[M] | None = None) -> None: ...
        def __iter__(self) -> Iterator[M]: ...
        def __getitem__(self, idx: int) -> M: ...

    class NamedModules(nn.ModuleDict, Generic[M]):
        """``nn.ModuleDict``, with the type of its modules."""

        def __getitem__(self, key: str) -> M: ...
        def items(self) -> ItemsView[str, M]: ...
        def values(self) -> Iterable[M]: ...

else:  # for annotations alone: what is built are the classes of torch
    Modules, NamedModules = nn.ModuleList, nn.ModuleDict

# The functions themselves: torch builds them at run time, so that a checker sees no signature.
cross: Callable[..., Tensor] = torch.linalg.cross
det: Callable[[Tensor], Tensor] = torch.linalg.det
disable: Callable[..., Any] = torch.compiler.disable
eigh: Callable[[Tensor], tuple[Tensor, Tensor]] = torch.linalg.eigh
matrix_power: Callable[[Tensor, int], Tensor] = torch.linalg.matrix_power
norm: Callable[..., Tensor] = Tensor.norm
qr: Callable[[Tensor], tuple[Tensor, Tensor]] = torch.linalg.qr
unique: Callable[..., Tensor] = torch.unique  # without inverse and counts
unique_consecutive: Callable[..., Tensor] = torch.unique_consecutive  # without inverse and counts
unpack_dual: Callable[[Tensor], tuple[Tensor, Tensor | None]] = torch.autograd.forward_ad.unpack_dual


def integers(x: Tensor) -> list[int]:
    """Return the entries of a vector of integers as a list (a device sync)."""
    try:
        return x.tolist()
    except RuntimeError:  # inside torch.func.jvp, of most versions of torch
        return [int(value) for value in x]


def numbers(x: Tensor) -> list[float]:
    """Return the entries of a vector as a list (a device sync)."""
    return x.tolist()


def unique_with_inverse(x: Tensor, dim: int = 0) -> tuple[Tensor, Tensor]:
    """Return the unique slices of a tensor along a dimension, and the index among them of each slice."""
    return torch.unique(x, dim=dim, return_inverse=True)


def run_lengths(x: Tensor) -> Tensor:
    """Return the lengths of the runs of equal entries of a vector."""
    return torch.unique_consecutive(x, return_counts=True)[1]


def in_functional_transform() -> bool:
    """Whether the caller runs under a transform of ``torch.func``, such as vmap."""
    return torch._C._are_functorch_transforms_active()


def is_dict(value: object) -> TypeGuard[dict[Any, Any]]:
    """Whether a value is a dict, of any keys and values."""
    return isinstance(value, dict)


def is_list(value: object) -> TypeGuard[list[Any]]:
    """Whether a value is a list, of any values."""
    return isinstance(value, list)


def is_list_or_tuple(value: object) -> TypeGuard[list[Any] | tuple[Any, ...]]:
    """Whether a value is a list or a tuple, of any values."""
    return isinstance(value, (list, tuple))


def total(terms: Iterable[Tensor]) -> Tensor:
    """Return the sum of one or more tensors."""
    found = sum(terms)
    if isinstance(found, int):
        raise ValueError("terms: expected one or more tensors, found none")
    return found


def computed(get: Callable[[Any], T]) -> T:
    """A property that implements (or may be overridden by) an attribute, whose type it is declared to have.

    Static types know no attribute that one class stores and another computes; :func:`dataclasses.field` is
    declared in the same way.
    """
    return cast("T", property(get))


def cached(get: Callable[[Any], T]) -> T:
    """As :func:`computed`, computed once (:class:`~fa_pyg.lazy.cached_property`)."""
    return cast("T", cached_property(get))
