"""Inputs of a module in the type of its parameters."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar

import torch
from torch import Tensor, nn

__all__ = ["rounded"]

Key = TypeVar("Key")


def rounded(values: Mapping[Key, Any], module: nn.Module) -> dict[Key, Any]:
    """Return values with tensors of floating point in the type of the module's parameters.

    Values stay as they are for a module without such parameters, and for one with parameters of several
    types, which converts between them itself.
    """
    dtype = _only_type(module, {x.dtype for x in values.values() if _is_real(x)})
    return {k: x if dtype is None or not _is_real(x) else x.to(dtype) for k, x in values.items()}


def _is_real(x: Any) -> bool:
    return isinstance(x, Tensor) and x.is_floating_point()


def _only_type(module: nn.Module, given: set[torch.dtype]) -> torch.dtype | None:
    """Return the type of all parameters, None if there is not exactly one, or nothing to convert."""
    parameters = (x.dtype for x in module.parameters() if x.is_floating_point())
    first = next(parameters, None)
    return None if given <= {first} or any(dtype != first for dtype in parameters) else first
