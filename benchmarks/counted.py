"""Operations of a call, and those among them that a GPU would wait for (synchronizations), on any machine."""

from __future__ import annotations

import contextlib
from collections import Counter
from collections.abc import Callable
from typing import Any
from unittest import mock

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

from fa_pyg import batches
from fa_pyg.math import columns, eigh

__all__ = ["counted"]

# Operations whose result, or its size, is read from the device: ``x.item()``, ``if x:``, ``x.nonzero()``, ...
_READ = {"_local_scalar_dense", "bincount", "equal", "is_nonzero", "item", "masked_select", "nonzero"}
_READ |= {"_unique2", "unique_consecutive", "unique_dim"}


class _Counter(TorchDispatchMode):
    def __init__(self) -> None:
        super().__init__()
        self.operations = 0
        self.syncs: Counter[str] = Counter()

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        self.operations += 1
        name, kwargs = func.overloadpacket.__name__, kwargs or {}
        if name in _READ or (name == "repeat_interleave" and kwargs.get("output_size") is None):
            self.syncs[name] += 1
        if name in ("index", "index_put", "index_put_") and any(
            x is not None and x.dtype == torch.bool for x in args[1]
        ):
            self.syncs["boolean index"] += 1
        return func(*args, **kwargs)


def counted(function: Callable[[], object]) -> tuple[int, Counter[str]]:
    """Return the number of operations of a call (views included), and its synchronizations by kind.

    ``tolist`` is counted, too, which reads the memory of a CPU without an operation. What is read only where
    it is at hand, on a CPU, is not read.
    """
    mode, tolist = _Counter(), Tensor.tolist

    def read(x: Tensor) -> Any:
        mode.syncs["tolist"] += 1
        return tolist(x)

    with contextlib.ExitStack() as patches:
        patches.enter_context(mock.patch.object(Tensor, "tolist", read))
        for module in (batches, columns, eigh):
            patches.enter_context(mock.patch.object(module, "is_at_hand", return_value=False))
        with mode:
            function()
    return mode.operations, mode.syncs
