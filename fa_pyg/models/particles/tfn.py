"""Tensor field network for n-body systems."""

from __future__ import annotations

from itertools import pairwise

from torch import Tensor, nn

from fa_pyg import checks
from fa_pyg.models.particles.couplings import Couplings, Edges, Features
from fa_pyg.models.particles.edges import check_charge, check_system
from fa_pyg.models.particles.kernels import Convolution, NormActivation

__all__ = ["TFN", "typed_inputs"]


class TFN(nn.Module):
    r"""Tensor field network for particle systems (Thomas et al. 2018), as the n-body baseline.

    "Tensor field networks: Rotation- and translation-equivariant neural networks for 3D point clouds", in the
    form of the n-body experiment of Satorras et al. (2021), "E(n) Equivariant Graph Neural Networks".

    .. math:: h_i^b \leftarrow \phi\Big(\frac{1}{n_i} \sum_j \sum_{a, J} R^{ab}_J(d_{ij})\, K^J_{ab}(u_{ij})
              h_j^a + W^b h_i^b\Big), \qquad y_i = x_i + h_i^1

    from charges (type 0) and velocities (type 1), with couplings K of spherical harmonics
    (``Couplings``), radial networks R of the distance and a
    nonlinearity :math:`\phi` of the norms; the last layer has one vector as its output, and not :math:`\phi`.

    Equivariant to SE(3) and to the order of the particles, but *not* to reflections: all types couple, such
    as two vectors to their cross product.

    Args:
        hidden_channels: number of channels of each type; published: 16.
        num_layers: number of convolutions, including the last; published: 4.
        lmax: largest type of hidden features, 1 to 5; published: 1.
        radial: width of the two hidden layers of radial networks; published: 32.

    Shapes:
        pos, vel ``[N, 3]``, charge ``[N, 1]``, edge_index ``[2, E]`` from source to target without
        self-loops; returns positions ``[N, 3]``. ``edge_attr`` and ``batch`` are ignored: all models of the
        benchmark have the same signature.

    Raises:
        ImportError: without e3nn.
        ValueError: for arguments out of range, and missing charges and edges.

    Not guaranteed: derivatives where a norm is 0. The nonlinearity has none there; finite ones are returned.
    Differs from the released code in that a particle without edges keeps its self-interaction, where that
    code sets its features to 0.
    """

    def __init__(
        self, hidden_channels: int = 16, num_layers: int = 4, lmax: int = 1, radial: int = 32
    ) -> None:
        super().__init__()
        checks.size("hidden_channels", hidden_channels)
        checks.integer("num_layers", num_layers, 1, checks.DEEP)
        checks.integer("lmax", lmax, 1, 5)
        checks.size("radial", radial)
        self.couplings = Couplings(lmax, "TFN")
        hidden = dict.fromkeys(range(lmax + 1), hidden_channels)
        types = [{0: 1, 1: 1}] + [hidden] * (num_layers - 1) + [{1: 1}]
        self.convs = nn.ModuleList(Convolution(a, b, radial=radial) for a, b in pairwise(types))
        self.acts = nn.ModuleList(NormActivation(hidden, linear=True) for _ in range(num_layers - 1))

    def forward(
        self,
        pos: Tensor,
        vel: Tensor,
        charge: Tensor | None = None,
        edge_index: Tensor | None = None,
        edge_attr: Tensor | None = None,
        batch: Tensor | None = None,
    ) -> Tensor:
        h, edge_index = typed_inputs(pos, vel, charge, edge_index)
        edges = Edges.measure(pos, edge_index, self.couplings)
        for conv, act in zip(self.convs, self.acts, strict=False):
            h = act(conv(h, edges))
        return pos + self.convs[-1](h, edges)[1].squeeze(2)


def typed_inputs(
    pos: Tensor, vel: Tensor, charge: Tensor | None, edge_index: Tensor | None
) -> tuple[Features, Tensor]:
    """Return charges as features of type 0 and velocities of type 1, and the edges.

    Raises:
        ValueError: for missing charges or edges, and wrong shapes.
    """
    if charge is None or edge_index is None:
        raise ValueError("charge, edge_index: expected charges and edges, found None")
    check_system(pos, vel, edge_index, 3)
    check_charge(charge, len(pos))
    return {0: charge.view(-1, 1, 1), 1: vel.unsqueeze(2)}, edge_index
