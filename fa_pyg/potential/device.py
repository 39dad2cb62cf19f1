"""Find the device of a name, and check that it exists."""

from __future__ import annotations

import torch

__all__ = ["default_device", "find_device"]


def default_device() -> str:
    """Return the device of predictions where none is given: a GPU if there is one."""
    return "cuda" if torch.cuda.is_available() else "cpu"


def find_device(device: str | torch.device, name: str = "device") -> torch.device:
    """Return the device of a name such as ``"cpu"`` or ``"cuda:1"``, on which tensors can be made.

    Args:
        device: the name.
        name: of the argument, in errors.

    Raises:
        ValueError: for a device that this machine, or this build of PyTorch, does not have.
    """
    try:
        found = torch.device(device)
        torch.zeros(1, device=found).cpu()
    except (RuntimeError, AssertionError, NotImplementedError, TypeError, ValueError) as error:
        expected = " or ".join(["cpu", *(f"cuda:{index}" for index in range(torch.cuda.device_count()))])
        reason = str(error).partition("\n")[0][:150]
        raise ValueError(
            f"{name}: expected a device of this machine, {expected}, found {device!r} ({reason})"
        ) from error
    return found
