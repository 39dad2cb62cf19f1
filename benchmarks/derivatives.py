"""Derivatives through frames on the degenerate catalogue: how large, and whether they are finite.

The largest entry of d(sum of an output)/d(positions), per ångström, over the clouds of at most 30 points of
``fa_pyg.testing.catalogue`` in three dimensions, for a smooth network of slope about 1; float64.

    python benchmarks/derivatives.py
"""

from __future__ import annotations

from collections.abc import Iterator

import torch
from markdown_table import table
from torch import Tensor

from fa_pyg import Frame, PCAFrame, WeightedPCAFrame
from fa_pyg.testing import catalogue
from fa_pyg.testing.probe import framed_probe

LEVEL = "fast"  # the steepest of the three: the table of docs/guides/numerics.md
SMALL = 30
ROWS = {"energy": "graph scalar", "vectors": "node vector", "tensors": "node tensor"}


def batches() -> Iterator[tuple[Tensor | None, Tensor, Tensor]]:
    """Colors or None, positions and graphs of the clouds: those with colors, and those without."""
    clouds = [cloud for cloud in catalogue(3) if len(cloud.pos) <= SMALL]
    for colored in (True, False):
        part = [cloud for cloud in clouds if (cloud.z is not None) == colored]
        sizes = torch.tensor([len(cloud.pos) for cloud in part])
        z = torch.cat([cloud.z for cloud in part]) if colored else None
        yield z, torch.cat([c.pos for c in part]), torch.arange(len(part)).repeat_interleave(sizes)


def largest(frame: Frame) -> dict[str, float]:
    """The largest derivative of each output, and of the energy's derivative; NaN if one is not finite."""
    model, found = framed_probe(frame), {}
    for z, pos, batch in batches():
        pos.requires_grad_()
        out = model(z, pos, batch)
        grads = {row: _grad(out[name].sum(), pos) for row, name in ROWS.items()}
        some = torch.randn(pos.shape, generator=torch.Generator().manual_seed(0), dtype=pos.dtype)
        grads["energy, second derivative"] = _grad((grads["energy"] * some).sum(), pos)
        for row, grad in grads.items():
            size = grad.detach().abs().max() if grad.isfinite().all() else grad.new_tensor(torch.nan)
            found[row] = torch.maximum(size, found.get(row, size))  # keeps NaN
    return {row: size.item() for row, size in found.items()}


def _grad(value: Tensor, pos: Tensor) -> Tensor:
    return torch.autograd.grad(value, pos, create_graph=True)[0]


def main() -> None:
    torch.set_num_threads(1)
    found = {
        frame: largest(frame) for frame in (WeightedPCAFrame("E(3)", smoothness=LEVEL), PCAFrame("E(3)"))
    }
    rows = next(iter(found.values()))
    cells = ([row, *(f"{of_frame[row]:.0e}" for of_frame in found.values())] for row in rows)
    print("\n".join(table(["largest", *(type(frame).__name__ for frame in found)], cells)))


if __name__ == "__main__":
    main()
