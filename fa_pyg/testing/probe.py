"""Smooth networks without any equivariance, to measure frames with."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from fa_pyg import checks
from fa_pyg.batches import graph_count
from fa_pyg.builders import Frame
from fa_pyg.builders.cloud import natural_reps
from fa_pyg.math.linalg import mean
from fa_pyg.neighbors.cutoffs import cubic_cutoff
from fa_pyg.nn.averaging import FrameAveraging
from fa_pyg.reps import Rep

__all__ = ["EdgeProbe", "Probe", "framed_probe"]

REPS = ("scalar", "vector", "pseudovector", "tensor")


class Probe(nn.Module):
    """MLP that predicts scalars, vectors, pseudovectors and tensors of every node and every graph.

    None of them is equivariant. The input of a node is its position and color, and the mean over its graph.

    Args:
        dim: d.
        length: unit of length, that of the clouds.
        velocities: whether there is an input ``vel``.
        seed: of the weights, which are the same on all machines.

    Shapes:
        z ``[N]`` or None, pos and vel ``[N, d]``, batch ``[N]``; returns a dict of ``"node scalar"`` ``[N]``,
        ``"graph tensor"`` ``[B, d, d]``, ... .
    """

    def __init__(self, dim: int, length: float = 1.0, velocities: bool = False, seed: int = 0) -> None:
        super().__init__()
        checks.size("dim", dim)
        checks.number("length", length, above=0)
        checks.flag("velocities", velocities)
        checks.integer("seed", seed, 0, checks.MOST)
        generator = torch.Generator().manual_seed(seed)
        self.length = length
        self.sizes = [dim ** Rep.of(rep).rank for rep in REPS]
        shapes = (dim * (1 + velocities) + 1, 16), (16, 16), (16, 2 * sum(self.sizes))
        self.layers = nn.ParameterList(
            torch.randn(a, b, generator=generator, dtype=torch.float64) / a**0.5 for a, b in shapes
        )

    def forward(
        self, z: Tensor | None, pos: Tensor, batch: Tensor, vel: Tensor | None = None
    ) -> dict[str, Tensor]:
        first, second, last = self.layers
        color = torch.zeros_like(pos[:, :1]) if z is None else z.unsqueeze(1).to(pos.dtype) / 10
        h = torch.cat([pos / self.length, *([] if vel is None else [vel]), color], dim=1)
        h = (h @ first + 0.3).tanh()
        pooled = mean((h @ second + 0.1).tanh(), batch, graph_count(batch))
        half = sum(self.sizes)
        node, graph = (h + pooled[batch]) @ last[:, :half], pooled @ last[:, half:]
        return {**self._named("node", node), **self._named("graph", graph)}

    def _named(self, level: str, x: Tensor) -> dict[str, Tensor]:
        parts = zip(REPS, x.tanh().split(self.sizes, 1), strict=True)
        dim = self.sizes[1]
        return {f"{level} {rep}": y.reshape(len(x), *(dim,) * Rep.of(rep).rank) for rep, y in parts}


def framed_probe(frame: Frame, **options) -> FrameAveraging:
    """Wrap a :class:`Probe` with these options in a frame; all its inputs are declared."""
    checks.instance("frame", frame, Frame, 'a frame such as PCAFrame("E(3)")')
    probe = Probe(frame.group.dim, **options)
    point, vector = natural_reps(frame.group)
    inputs = {"pos": point, "vel": vector} if options.get("velocities") else {"pos": point}
    names = [f"{level} {rep}" for level in ("node", "graph") for rep in REPS]
    output, level = ({name: name.split()[k] for name in names} for k in (1, 0))
    return FrameAveraging(probe, frame, inputs, output, level=level, chunk=32)  # there may be many frames


class EdgeProbe(nn.Module):
    r"""Smooth network on the vectors between neighbors that depends strongly on their directions.

    .. math:: E = \sum_i a \cdot \tanh\Big(\sum_j (1 - r_{ij}^2 / r_c^2)^3 \cos(W r_{ij} + b + z_j u)\Big)

    Its energies differ between frames, also for cubic crystals. Untrained networks are nearly polynomials of
    low degree in the directions, which hardly differ there.

    Args:
        cutoff: r_c.
        width: number of rows of W.
        seed: of the random numbers W (in inverse units of length), a, b and u.
    """

    wave: Tensor
    phase: Tensor
    kind: Tensor
    mix: Tensor

    def __init__(self, cutoff: float = 3.4, width: int = 16, seed: int = 0) -> None:
        super().__init__()
        self.cutoff = cutoff
        draw = torch.Generator().manual_seed(seed)
        for name, rows in (("wave", 3), ("phase", 1), ("kind", 1), ("mix", 1)):
            value = torch.randn(rows, width, generator=draw, dtype=torch.float64)
            self.register_buffer(name, value.squeeze(0))

    def forward(
        self,
        z: Tensor,
        edge_index: Tensor,
        edge_vec: Tensor,
        batch: Tensor | None = None,
        num_graphs: int = 1,
    ) -> Tensor:
        source, target = edge_index
        weight = cubic_cutoff(edge_vec.square().sum(1, keepdim=True) / self.cutoff**2)
        kind = z.index_select(0, source).unsqueeze(1) * self.kind
        waves = weight * torch.cos(edge_vec @ self.wave + self.phase + kind)
        energy = torch.zeros(len(z), len(self.mix)).to(waves).index_add(0, target, waves).tanh() @ self.mix
        batch = torch.zeros_like(z) if batch is None else batch
        return energy.new_zeros(num_graphs).index_add(0, batch, energy)
