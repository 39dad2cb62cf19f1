"""Small models with and without faults, which a report must tell apart."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch_geometric.data import Data
from torch_geometric.nn import global_add_pool

from fa_pyg import FrameAveraging, PCAFrame, WeightedPCAFrame

__all__ = ["MODELS"]


class Bare(nn.Module):
    """MLP of the coordinates: no symmetry at all, apart from that of permutations."""

    def __init__(self, out: int = 1) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.first = nn.Sequential(nn.Linear(4, 32), nn.SiLU(), nn.Linear(32, 32), nn.SiLU())
        self.last = nn.Linear(32, out)

    def forward(self, z: Tensor, pos: Tensor, batch: Tensor) -> Tensor:
        h = self.first(torch.cat([pos, z.unsqueeze(1).to(pos.dtype) / 10], dim=1))
        return self.last(global_add_pool(h, batch)).squeeze(1)


class Pairs(nn.Module):
    """Sum of a function of the distances of all pairs of a structure: invariant, smooth."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.net = nn.Sequential(nn.Linear(3, 16), nn.SiLU(), nn.Linear(16, 1))

    def pairs(self, pos: Tensor, batch: Tensor) -> tuple[Tensor, Tensor]:
        same = batch.unsqueeze(0) == batch.unsqueeze(1)
        return same.triu(1).nonzero().T

    def each(self, z: Tensor, pos: Tensor, i: Tensor, j: Tensor) -> Tensor:
        r = (pos[i] - pos[j]).norm(dim=1, keepdim=True)
        kinds = torch.stack([z[i] + z[j], z[i] * z[j]], dim=1).to(pos.dtype)
        return self.net(torch.cat([r, kinds / 10], 1)) * torch.exp(-r)

    def forward(self, z: Tensor, pos: Tensor, batch: Tensor) -> Tensor:
        i, j = self.pairs(pos, batch)
        size = int(batch.max()) + 1
        return pos.new_zeros(size).index_add(0, batch[i], self.each(z, pos, i, j).squeeze(1))


class HardCutoff(Pairs):
    """Pairs within 3 Å only: the energy jumps."""

    def pairs(self, pos: Tensor, batch: Tensor) -> tuple[Tensor, Tensor]:
        i, j = super().pairs(pos, batch)
        near = (pos[i] - pos[j]).norm(dim=1) < 3.0
        return i[near], j[near]


class Kinked(Pairs):
    """Energy with a kink at a distance of 1.2 Å."""

    def each(self, z: Tensor, pos: Tensor, i: Tensor, j: Tensor) -> Tensor:
        r = (pos[i] - pos[j]).norm(dim=1, keepdim=True)
        return super().each(z, pos, i, j) + 0.05 * (1.2 - r).relu()


class Forces(Pairs):
    """Energy and forces, which are its gradient."""

    def forward(self, z: Tensor, pos: Tensor, batch: Tensor) -> dict[str, Tensor]:
        with torch.enable_grad():
            pos = pos if pos.requires_grad else pos.detach().requires_grad_()
            energy = super().forward(z, pos, batch)
            forces = -torch.autograd.grad(energy.sum(), pos, create_graph=True)[0]
        return {"energy": energy, "forces": forces}


class ForcesHead(Forces):
    """Forces that are equivariant, but not the gradient of the energy."""

    def forward(self, z: Tensor, pos: Tensor, batch: Tensor) -> dict[str, Tensor]:
        found = super().forward(z, pos, batch)
        return {**found, "forces": found["forces"] * (1 + 0.1 * z.unsqueeze(1))}


class Detached(Pairs):
    """Energy whose gradient is not that of the energy: a factor is detached."""

    def each(self, z: Tensor, pos: Tensor, i: Tensor, j: Tensor) -> Tensor:
        r = (pos[i] - pos[j]).norm(dim=1, keepdim=True).detach()
        return super().each(z, pos, i, j) * (1 + 0.3 * r)


class NoGrad(Pairs):
    @torch.no_grad()
    def forward(self, z: Tensor, pos: Tensor, batch: Tensor) -> Tensor:
        return super().forward(z, pos, batch)


class Dropout(Pairs):
    """Dropout that evaluation mode does not switch off."""

    def each(self, z: Tensor, pos: Tensor, i: Tensor, j: Tensor) -> Tensor:
        return nn.functional.dropout(super().each(z, pos, i, j), 0.2, training=True)


class Float32(Pairs):
    """Hard-coded precision: float64 is not taken."""

    def forward(self, z: Tensor, pos: Tensor, batch: Tensor) -> Tensor:
        return super().forward(z, pos.float(), batch)


class Float32Inside(Pairs):
    """Computes in float32 and returns what it is given."""

    def forward(self, z: Tensor, pos: Tensor, batch: Tensor) -> Tensor:
        return self.float() and super().forward(z, pos.float(), batch).to(pos.dtype)


class GlobalMean(Pairs):
    """Leaks: the mean energy of the batch is removed."""

    def forward(self, z: Tensor, pos: Tensor, batch: Tensor) -> Tensor:
        energy = super().forward(z, pos, batch)
        return energy + 0.01 * energy.mean()


class BatchCentered(Bare):
    """Leaks, and is translation invariant for batches of equally moved structures only."""

    def forward(self, z: Tensor, pos: Tensor, batch: Tensor) -> Tensor:
        return super().forward(z, pos - pos.mean(0), batch)


class Normalized(Pairs):
    """BatchNorm, which leaks in training mode."""

    def __init__(self) -> None:
        super().__init__()
        self.norm = nn.BatchNorm1d(1)

    def each(self, z: Tensor, pos: Tensor, i: Tensor, j: Tensor) -> Tensor:
        return super().each(z, pos, i, j) + 0.01 * self.norm(super().each(z, pos, i, j))


class Infinite(Pairs):
    """NaN for oxygen."""

    def each(self, z: Tensor, pos: Tensor, i: Tensor, j: Tensor) -> Tensor:
        has = ((z[i] == 8) | (z[j] == 8)).unsqueeze(1)
        return super().each(z, pos, i, j).masked_fill(has, float("nan"))


class BadGradient(Pairs):
    """Angle at the first atom by its sine, a root whose slope is infinite on a line."""

    def forward(self, z: Tensor, pos: Tensor, batch: Tensor) -> Tensor:
        first = torch.cat([batch.new_zeros(1), 1 + batch.diff().nonzero().flatten()])
        last = torch.cat([first[1:] - 1, first.new_tensor([len(batch) - 1])])
        a, b = pos[first + 1] - pos[first], pos[last] - pos[first]
        sine = torch.linalg.cross(a, b).square().sum(1).sqrt()
        return super().forward(z, pos, batch) + 0.1 * torch.atan2(sine, (a * b).sum(1))


class Ordered(Pairs):
    """Weights nodes by their numbers."""

    def each(self, z: Tensor, pos: Tensor, i: Tensor, j: Tensor) -> Tensor:
        return super().each(z, pos, i, j) * (1 + 0.1 * torch.cos((j - i).to(pos.dtype))).unsqueeze(1)


class Axes(Pairs):
    """Invariant to turns of the axes, and translations, only."""

    def each(self, z: Tensor, pos: Tensor, i: Tensor, j: Tensor) -> Tensor:
        v = pos[i] - pos[j]
        return super().each(z, pos, i, j) + 0.01 * v.pow(4).sum(1, keepdim=True).sqrt()


class Chiral(Pairs):
    """Invariant to rotations, not to reflections."""

    def forward(self, z: Tensor, pos: Tensor, batch: Tensor) -> Tensor:
        mean = global_add_pool(pos, batch) / global_add_pool(torch.ones_like(pos[:, :1]), batch)
        x, weight = pos - mean[batch], z.unsqueeze(1).to(pos.dtype) / 10
        first, second = (
            global_add_pool(weight * x, batch),
            global_add_pool(x * x.square().sum(1, True), batch),
        )
        third = global_add_pool(weight**2 * x * x.square().sum(1, True), batch)
        volume = (torch.linalg.cross(first, second) * third).sum(1)
        return super().forward(z, pos, batch) + 0.1 * volume


class OfData(nn.Module):
    """Takes one PyG Batch."""

    def __init__(self, inner: nn.Module) -> None:
        super().__init__()
        self.inner = inner

    def forward(self, data: Data) -> Tensor:
        return self.inner(data.z, data.pos, data.batch)


class OfDict(OfData):
    def forward(self, data: dict[str, Tensor]) -> Tensor:
        return self.inner(data["atomic_numbers"], data["positions"], data["batch"])


class Single(Pairs):
    """One structure in a call, by other names."""

    def forward(self, atomic_numbers: Tensor, coords: Tensor) -> Tensor:
        return super().forward(atomic_numbers, coords, torch.zeros_like(atomic_numbers)).sum()


class Edges(Pairs):
    """Needs edges."""

    def forward(self, z: Tensor, pos: Tensor, edge_index: Tensor, batch: Tensor) -> Tensor:
        i, j = edge_index
        size = int(batch.max()) + 1
        r = (pos[i] - pos[j]).norm(dim=1, keepdim=True)
        smooth = ((1 - (r / 4) ** 2).clamp(min=0) ** 3) * self.each(z, pos, i, j)
        return pos.new_zeros(size).index_add(0, batch[i], smooth.squeeze(1))


def framed(frame=WeightedPCAFrame) -> nn.Module:
    return FrameAveraging(Bare(), frame("E(3)"))


MODELS = {
    "bare": Bare,
    "framed": framed,
    "pca": lambda: framed(PCAFrame),
    "pairs": Pairs,
    "hard cutoff": HardCutoff,
    "kinked": Kinked,
    "forces": Forces,
    "forces head": ForcesHead,
    "detached": Detached,
    "no grad": NoGrad,
    "dropout": Dropout,
    "float32": Float32,
    "float32 inside": Float32Inside,
    "global mean": GlobalMean,
    "batch centered": BatchCentered,
    "normalized": Normalized,
    "infinite": Infinite,
    "bad gradient": BadGradient,
    "ordered": Ordered,
    "axes": Axes,
    "chiral": Chiral,
    "data": lambda: OfData(Pairs()),
    "dict": lambda: OfDict(Pairs()),
    "single": Single,
    "edges": Edges,
}
