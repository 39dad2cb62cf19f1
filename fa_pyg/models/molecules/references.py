"""Atomic reference energies: the part of a target that depends on the elements only."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

from fa_pyg import checks
from fa_pyg.math.linalg import mean, scatter_sum
from fa_pyg.models.molecules.inputs import check_types, is_checkable, number_of_graphs

__all__ = ["AtomicReference"]


class AtomicReference(nn.Module):
    r"""Sum (or mean) over the atoms of a number for each element, fitted by least squares.

    .. math:: E^0_b = \sum_{i \in b} \epsilon_{z_i}, \qquad
              \epsilon = \arg\min \sum_b (E_b - E^0_b)^2 \text{ of least norm}

    Total energies are 1e4 eV, of which chemistry is the sixth digit and below: float32 does not resolve it.
    The table and the result are float64, whatever the module is cast to.

    Args:
        reduce_mean: mean over the atoms instead, for intensive quantities.
        max_z: the largest atomic number.

    Shapes:
        ``z [N]``, ``batch [N]`` or None; returns ``[B]`` in float64.

    Raises:
        ValueError: for ``z`` that are not atomic numbers up to ``max_z`` (on the CPU).

    Not guaranteed: that the numbers of single elements have a meaning if the molecules do not determine them,
    as for one molecule in many poses; their sums do. Elements without a fit count 0 (``known``).
    """

    table: Tensor
    known: Tensor

    def __init__(self, reduce_mean: bool = False, max_z: int = 118) -> None:
        super().__init__()
        self.reduce_mean = checks.flag("reduce_mean", reduce_mean)
        checks.size("max_z", max_z)
        self.register_buffer("table", torch.zeros(max_z + 1, dtype=torch.float64))
        self.register_buffer("known", torch.zeros(max_z + 1, dtype=torch.bool))

    def forward(self, z: Tensor, batch: Tensor | None = None, size: int = 1) -> Tensor:
        check_types(z, len(self.table) - 1, values=isinstance(z, Tensor) and is_checkable(z))
        parts = self.table.index_select(0, z)
        if self.reduce_mean:
            return mean(parts.unsqueeze(1), batch, size).squeeze(1)
        return parts.sum(0, keepdim=True) if batch is None else scatter_sum(parts, batch, size)

    def fit(self, z: Tensor, batch: Tensor | None, target: Tensor) -> Tensor:
        """Fit the table to the targets ``[B]`` of molecules; return the residuals ``[B]``.

        Raises:
            ValueError: for targets that are not finite, fewer than there are graphs, or wrong ``z``.
        """
        check_types(z, len(self.table) - 1)
        target = target.detach().double().cpu().reshape(-1)
        z, size = z.cpu(), len(target)
        if not target.isfinite().all():
            raise ValueError(f"target: expected finite numbers, found {target[~target.isfinite()][0]}")
        if number_of_graphs(z, None if batch is None else batch.cpu(), None) > size:
            raise ValueError(f"target: expected a number for each graph of batch, found {size}")
        batch = torch.zeros_like(z) if batch is None else batch.cpu()
        elements, which = z.unique(return_inverse=True)
        counts = target.new_zeros(size * len(elements))
        counts.index_add_(0, batch * len(elements) + which, counts.new_ones(len(z)))
        counts = counts.view(size, -1)
        if self.reduce_mean:
            counts = counts / counts.sum(1, keepdim=True)
        found = torch.linalg.lstsq(counts, target.unsqueeze(1), driver="gelsd").solution.squeeze(1)
        self.table.zero_()[elements] = found.to(self.table.device)
        self.known.zero_()[elements] = True
        return target - counts @ found

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> AtomicReference:
        table = self.table
        super()._apply(fn, recurse)
        self.table = table.to(self.table.device)  # moved, but never rounded
        return self
