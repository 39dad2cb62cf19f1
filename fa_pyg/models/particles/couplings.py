"""Couplings of features of types l along the edges of particle systems."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn

from fa_pyg.models.irreps import import_o3
from fa_pyg.models.particles.edges import displacements

__all__ = ["Couplings", "Edges", "Features", "Pair", "Types", "unit_and_norm"]

Types = dict[int, int]  # number of channels of each type l
Features = dict[int, Tensor]  # of each type l, [N, 2 l + 1, channels]
Pair = tuple[int, int]  # types of input and output

TINY = 1e-24  # squared norm below which a vector counts as 0, so that gradients are finite


class Couplings(nn.Module):
    r"""Basis of the equivariant linear maps from type a to type b along an edge of direction u.

    .. math:: K^J_{ab}(u) = \sum_m C^{bJa}_{\cdot m \cdot}\, Y^J_m(u), \qquad J = |a - b|, \dots, a + b

    with Wigner's 3j symbols C and real spherical harmonics Y, normalized over the sphere. Parities are not
    restricted, as in tensor field networks: maps commute with rotations, but not with reflections.

    Args:
        lmax: largest type; e3nn has harmonics for ``lmax`` up to 5.
        model: name of the network in errors.

    Shapes:
        ``u [E, 3]``, of unit length; returns ``[E, (2 b + 1) * (2 min(a, b) + 1), 2 a + 1]`` for each (a, b).

    Raises:
        ImportError: without e3nn.
    """

    def __init__(self, lmax: int, model: str = "Couplings") -> None:
        super().__init__()
        self.model, self.degrees = model, list(range(2 * lmax + 1))
        tables = {(a, b): _table(a, b, lmax, model) for a in range(lmax + 1) for b in range(lmax + 1)}
        self.columns = {pair: table.size(1) for pair, table in tables.items()}
        self.register_buffer("table", torch.cat(list(tables.values()), dim=1), persistent=False)

    def forward(self, u: Tensor) -> dict[Pair, Tensor]:
        o3 = import_o3(self.model)
        harmonics = o3.spherical_harmonics(self.degrees, u, normalize=False, normalization="integral")
        parts = (harmonics @ self.table.to(harmonics)).split(list(self.columns.values()), dim=1)
        return {
            (a, b): part.view(len(u), part.size(1) // (2 * a + 1), 2 * a + 1)
            for (a, b), part in zip(self.columns, parts, strict=True)
        }


def _table(a: int, b: int, lmax: int, model: str) -> Tensor:
    """Couplings of all harmonics with type a to type b, ``[harmonics, (2 b + 1) * J * (2 a + 1)]``."""
    o3, kinds = import_o3(model), range(abs(a - b), a + b + 1)
    # Exact where the network is float64.
    table = torch.zeros((2 * lmax + 1) ** 2, 2 * b + 1, len(kinds), 2 * a + 1, dtype=torch.float64)
    for column, j in enumerate(kinds):
        block = o3.wigner_3j(j, b, a, dtype=torch.float64)
        table[j * j : (j + 1) ** 2, :, column] = block
    return table.flatten(1)


class Edges(NamedTuple):
    """Edges as kernels need them; both directions of an edge follow each other, if every edge has both."""

    source: Tensor  # [E]
    target: Tensor  # [E]
    couplings: dict[Pair, Tensor]  # of the directions
    features: Tensor  # [E / share, edge_dim]
    share: int  # number of consecutive edges with the same features: 2, or 1 if an edge lacks its reverse

    @classmethod
    def measure(cls, pos: Tensor, edge_index: Tensor, couplings: Couplings) -> Edges:
        """Compute couplings and lengths of edges from source to target.

        Both directions of an edge have the same length, so that radial networks run once for both, which
        halves most of the cost. Whether all edges have both is a device sync.
        """
        order, share = _paired(edge_index, len(pos))
        source, target = edge_index[:, order]
        u, distance = unit_and_norm(displacements(pos, source, target))
        return cls(source, target, couplings(u), distance[::share], share)


def _paired(edge_index: Tensor, size: int) -> tuple[Tensor, int]:
    """Return an order in which both directions of every edge follow each other, and 2; or 1 if one lacks."""
    pair = edge_index.amin(0) * size + edge_index.amax(0)
    pair, order = pair.sort(stable=True)
    return order, 2 if len(order) % 2 == 0 and torch.equal(pair[::2], pair[1::2]) else 1


def unit_and_norm(x: Tensor) -> tuple[Tensor, Tensor]:
    """Return vectors along axis 1 divided by their norms, and the norms, with finite derivatives at 0."""
    square = x.square().sum(1, keepdim=True)
    above = square > TINY
    norm = torch.where(above, square, 1).sqrt()
    return x / norm, norm * above
