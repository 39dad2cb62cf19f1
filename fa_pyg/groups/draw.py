"""Random numbers of an optional generator, on any device."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

__all__ = ["draw"]


def draw(
    sample: Callable[..., Tensor],
    *size: Any,
    generator: torch.Generator | None,
    device: torch.device | str | None,
    dtype: torch.dtype | None = None,
) -> Tensor:
    """Draw random numbers where the generator is, and return them on a device.

    Args:
        sample: ``torch.rand``, ``torch.randn`` or ``torch.randint``.
        size: its positional arguments.
        generator: default the global one, without which ``torch.compile`` takes a size that varies.
        device, dtype: of the result.
    """
    if generator is None:
        return sample(*size, device=device, dtype=dtype)
    return sample(*size, generator=generator, device=generator.device, dtype=dtype).to(device)
