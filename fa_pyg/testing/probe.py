"""A smooth network on coordinates that knows nothing of geometry: what frames are measured with."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from fa_pyg import checks
from fa_pyg.builders import Frame
from fa_pyg.math.linalg import mean
from fa_pyg.nn.averaging import FrameAveraging
from fa_pyg.reps import Rep

__all__ = ["EdgeProbe", "Probe", "framed_probe"]

REPS = ("scalar", "vector", "pseudovector", "tensor")


class Probe(nn.Module):
    """Scalars, vectors, pseudovectors and tensors of every node and every graph, from two small perceptrons.

    None of them is equivariant. Each node sees itself and the mean over its graph, all with their colours.

    Args:
        dim: d.
        length: the unit of length; choose that of the clouds.
        velocities: whether ``vel`` is expected.
        seed: of the weights, which are the same wherever it is.

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
        colour = torch.zeros_like(pos[:, :1]) if z is None else z.unsqueeze(1).to(pos.dtype) / 10
        own = torch.cat([pos / self.length, *([] if vel is None else [vel]), colour], dim=1)
        own = (own @ first + 0.3).tanh()
        size = int(batch.max()) + 1
        whole = mean((own @ second + 0.1).tanh(), batch, size)
        half = sum(self.sizes)
        node, graph = (own + whole[batch]) @ last[:, :half], whole @ last[:, half:]
        return {**self._named("node", node), **self._named("graph", graph)}

    def _named(self, level: str, x: Tensor) -> dict[str, Tensor]:
        parts = zip(REPS, x.tanh().split(self.sizes, 1), strict=True)
        dim = self.sizes[1]
        return {f"{level} {rep}": y.reshape(len(x), *(dim,) * Rep.of(rep).rank) for rep, y in parts}


def framed_probe(frame: Frame, **options) -> FrameAveraging:
    """Returns a :class:`Probe` of these options in a frame; all its inputs are declared."""
    checks.instance("frame", frame, Frame, 'a frame such as PCAFrame("E(3)")')
    probe = Probe(frame.group.dim, **options)
    inputs = {"pos": "point" if frame.group.translates else "vector"}
    if options.get("velocities"):
        inputs["vel"] = "vector"
    names = [f"{level} {rep}" for level in ("node", "graph") for rep in REPS]
    output, level = ({name: name.split()[k] for name in names} for k in (1, 0))
    return FrameAveraging(probe, frame, inputs, output, level=level, chunk=32)  # frames may be many


class EdgeProbe(nn.Module):
    r"""A smooth network on the vectors between neighbors, with forces and a strong dependence on directions.

    .. math:: E = \sum_i a \cdot \tanh\Big(\sum_j (1 - r_{ij}^2 / r_c^2)^3 \cos(W r_{ij} + b + z_j u)\Big)

    Its energies tell frames apart, also those of cubic crystals, of which networks without training see
    little: they are nearly polynomials of low degree in the directions.

    Args:
        cutoff: r_c.
        width: rows of W.
        seed: of the random numbers W (of size 1 / unit of length), a, b and u.
    """

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
        weight = (1 - edge_vec.square().sum(1, keepdim=True) / self.cutoff**2).clamp(min=0) ** 3
        kind = z.index_select(0, source).unsqueeze(1) * self.kind
        waves = weight * torch.cos(edge_vec @ self.wave + self.phase + kind)
        energy = torch.zeros(len(z), len(self.mix)).to(waves).index_add(0, target, waves).tanh() @ self.mix
        batch = torch.zeros_like(z) if batch is None else batch
        return energy.new_zeros(num_graphs).index_add(0, batch, energy)
