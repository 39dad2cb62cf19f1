"""The point symmetries of a coloured cloud, by trying all of them: a slow oracle, for tests."""

from __future__ import annotations

import torch
from torch import Tensor

from fa_pyg import checks

__all__ = ["idealised", "point_symmetries"]


def point_symmetries(pos: Tensor, z: Tensor | None = None, tol: float = 1e-6) -> Tensor:
    r"""Returns the orthogonal matrices that fix a coloured cloud about its centroid: its point group.

    .. math:: \{R \in O(d) : \{(R (x_i - \bar x), z_i)\}_i = \{(x_i - \bar x, z_i)\}_i\}

    A frame that is exact has at least as many frames (those of determinant +1 for rotations).

    Args:
        pos: one cloud ``[N, d]``, d = 2 or 3.
        z: colours ``[N]``, or None.
        tol: distance at which two points are one, relative to the cloud's radius.

    Shapes:
        ``[K, d, d]``, float64.

    Raises:
        ValueError: if the group is infinite: all points in one, or (d = 3) on one line.
    """
    x, z = _centred(pos), _colours(pos, z)
    checks.number("tol", tol, above=0)
    tol = tol * x.norm(dim=1).max().clamp_min(torch.finfo(x.dtype).tiny).item()
    basis = _basis(x, z, tol)
    places = torch.arange(len(x)).unsqueeze(1)
    images = places[:0].reshape(1, 0)  # tuples of points that the basis may go to, [M, 0]
    for depth, b in enumerate(basis):
        fits = (z == z[b]) & ((x.norm(dim=1) - x[b].norm()).abs() <= tol)
        found = [torch.cat([images, places[i].expand(len(images), 1)], 1) for i in fits.nonzero().flatten()]
        images = torch.cat(found)
        gram = x[images] @ x[images].mT
        wanted = x[basis[: depth + 1]] @ x[basis[: depth + 1]].T
        images = images[(gram - wanted).abs().amax((1, 2)) <= 4 * tol * x.norm(dim=1).max()]
    maps = _maps(x[basis], x[images])
    moved = x @ maps.mT  # [M, N, d]
    near = (_distances(moved, x) <= 10 * tol) & (z.unsqueeze(0) == z.unsqueeze(1))
    maps = maps[near.any(-1).all(-1)]
    return maps[_first_of_each(maps)]  # coincident points give a map several times


def idealised(pos: Tensor, z: Tensor | None = None, tol: float = 1e-3) -> tuple[Tensor, Tensor]:
    """Returns a nearly symmetric cloud made symmetric to rounding, and its point group ``[K, d, d]``.

    The mean over the group found at ``tol``, each element fitted anew (Procrustes) until nothing changes.
    """
    centre, z, x = pos.double().mean(0), _colours(pos, z), _centred(pos)
    maps = point_symmetries(x, z, tol)
    apart = (z.unsqueeze(0) != z.unsqueeze(1)) * (10 * x.norm(dim=1).max())
    place = (_distances(x @ maps.mT, x) + apart).argmin(-1)  # R x_i = x_place(i)
    for _ in range(20):
        fitted = _fitted(x[place], x, torch.linalg.det(maps))
        x = _centred((x[place] @ fitted).mean(0))
    return x + centre, fitted


def _centred(pos: Tensor) -> Tensor:
    x = pos.detach().cpu().double()
    x = x - x.mean(0)
    return x - x.mean(0)


def _distances(a: Tensor, b: Tensor) -> Tensor:
    """Without the matrix product that torch takes for many points, which loses half the digits."""
    return torch.cdist(a, b.expand_as(a), compute_mode="donot_use_mm_for_euclid_dist")


def _colours(pos: Tensor, z: Tensor | None) -> Tensor:
    return torch.zeros(len(pos), dtype=torch.long) if z is None else z.detach().cpu()


def _basis(x: Tensor, z: Tensor, tol: float) -> list[int]:
    """Points, of rare kinds first, that span the space: d - 1 of them where all lie in one hyperplane."""
    radius = x.norm(dim=1)
    alike = ((radius.unsqueeze(0) - radius.unsqueeze(1)).abs() <= tol) & (z.unsqueeze(0) == z.unsqueeze(1))
    basis, rest = [], x
    for _ in range(x.size(1)):
        far = rest.norm(dim=1) > max(0.1 * rest.norm(dim=1).max().item(), 10 * tol)
        if not far.any():
            break
        b = torch.where(far, alike.sum(1), len(x) + 1).argmin().item()
        basis.append(b)
        unit = rest[b] / rest[b].norm()
        rest = rest - (rest @ unit).unsqueeze(1) * unit
    if len(basis) < x.size(1) - 1:
        raise ValueError(f"pos: expected points that span a plane, found rank {len(basis)}: infinitely many")
    return basis


def _first_of_each(maps: Tensor) -> Tensor:
    flat = maps.flatten(1)
    same = (flat.unsqueeze(0) - flat.unsqueeze(1)).abs().amax(-1) < 0.1
    return ~same.tril(-1).any(1)


def _maps(basis: Tensor, images: Tensor) -> Tensor:
    """The orthogonal matrices that take ``basis [r, d]`` to each of ``images [M, r, d]``."""
    if len(basis) == basis.size(1):
        return _fitted(images, basis)
    sign = torch.ones(len(images), dtype=basis.dtype)
    return torch.cat([_fitted(images, basis, sign), _fitted(images, basis, -sign)])


def _fitted(images: Tensor, x: Tensor, sign: Tensor | None = None) -> Tensor:
    """The orthogonal R nearest to ``R x_i = images_i``, of determinant ``sign``, which flat x leave open."""
    u, _, v = torch.linalg.svd(images.mT @ x)
    if sign is None:
        return u @ v
    last = (torch.linalg.det(u @ v) * sign).sign().view(-1, 1, 1)
    return torch.cat([u[..., :-1], u[..., -1:] * last], dim=-1) @ v
