"""Point group of a colored cloud by exhaustive search: a slow reference for tests."""

from __future__ import annotations

import torch
from torch import Tensor

from fa_pyg import checks

__all__ = ["idealised", "idealized", "point_symmetries"]


def point_symmetries(pos: Tensor, z: Tensor | None = None, tol: float = 1e-6) -> Tensor:
    r"""Find the point group of a colored cloud: the orthogonal matrices that fix it about its centroid.

    .. math:: \{R \in O(d) : \{(R (x_i - \bar x), z_i)\}_i = \{(x_i - \bar x, z_i)\}_i\}

    An exact frame has at least as many frames (of O(d), or of SO(d) for determinant +1).

    Args:
        pos: a cloud ``[N, d]``, d = 2 or 3.
        z: colors ``[N]``, or None.
        tol: distance up to which points coincide, relative to the radius of the cloud.

    Shapes:
        ``[K, d, d]``, float64.

    Raises:
        ValueError: for an infinite group: coincident points, or (d = 3) points on a line.
    """
    x, z = _centered(pos), _colors(pos, z)
    checks.number("tol", tol, above=0)
    tol = tol * x.norm(dim=1).max().clamp_min(torch.finfo(x.dtype).tiny).item()
    basis = _basis(x, z, tol)
    index = torch.arange(len(x)).unsqueeze(1)
    images = index[:0].reshape(1, 0)  # tuples of points that the basis may be mapped to, [M, 0]
    for depth, b in enumerate(basis):
        fits = (z == z[b]) & ((x.norm(dim=1) - x[b].norm()).abs() <= tol)
        found = [torch.cat([images, index[i].expand(len(images), 1)], 1) for i in fits.nonzero().flatten()]
        images = torch.cat(found)
        gram = x[images] @ x[images].mT
        wanted = x[basis[: depth + 1]] @ x[basis[: depth + 1]].T
        images = images[(gram - wanted).abs().amax((1, 2)) <= 4 * tol * x.norm(dim=1).max()]
    maps = _maps(x[basis], x[images])
    moved = x @ maps.mT  # [M, N, d]
    near = (_distances(moved, x) <= 10 * tol) & (z.unsqueeze(0) == z.unsqueeze(1))
    maps = maps[near.any(-1).all(-1)]
    return maps[_first_of_each(maps)]  # coincident points give duplicates


def idealized(pos: Tensor, z: Tensor | None = None, tol: float = 1e-3) -> tuple[Tensor, Tensor]:
    """Symmetrize a nearly symmetric cloud up to rounding; also return its point group ``[K, d, d]``.

    The mean over the group found at ``tol``, whose elements are fitted again (Procrustes) until convergence.

    Raises:
        ValueError: as :func:`point_symmetries`.
    """
    center, z, x = pos.double().mean(0), _colors(pos, z), _centered(pos)
    maps = point_symmetries(x, z, tol)
    apart = (z.unsqueeze(0) != z.unsqueeze(1)) * (10 * x.norm(dim=1).max())
    image = (_distances(x @ maps.mT, x) + apart).argmin(-1)  # R x_i = x_image(i)
    for _ in range(20):
        fitted = _fitted(x[image], x, torch.linalg.det(maps))
        x = _centered((x[image] @ fitted).mean(0))
    return x + center, fitted


idealised = idealized  # the old name


def _centered(pos: Tensor) -> Tensor:
    x = pos.detach().cpu().double()
    x = x - x.mean(0)
    return x - x.mean(0)


def _distances(a: Tensor, b: Tensor) -> Tensor:
    """Distances, without torch's matrix product for many points, which loses half the digits."""
    return torch.cdist(a, b.expand_as(a), compute_mode="donot_use_mm_for_euclid_dist")


def _colors(pos: Tensor, z: Tensor | None) -> Tensor:
    return torch.zeros(len(pos), dtype=torch.long) if z is None else z.detach().cpu()


def _basis(x: Tensor, z: Tensor, tol: float) -> list[int]:
    """Points that span the space, those with few equivalents first; d - 1 for clouds in a hyperplane."""
    radius = x.norm(dim=1)
    alike = ((radius.unsqueeze(0) - radius.unsqueeze(1)).abs() <= tol) & (z.unsqueeze(0) == z.unsqueeze(1))
    basis, rest = [], x
    for _ in range(x.size(1)):
        far = rest.norm(dim=1) > max(0.1 * rest.norm(dim=1).max().item(), 10 * tol)
        if not far.any():
            break
        b = int(torch.where(far, alike.sum(1), len(x) + 1).argmin())
        basis.append(b)
        unit = rest[b] / rest[b].norm()
        rest = rest - (rest @ unit).unsqueeze(1) * unit
    if len(basis) < x.size(1) - 1:
        raise ValueError(f"pos: expected points of a finite point group, found rank {len(basis)}")
    return basis


def _first_of_each(maps: Tensor) -> Tensor:
    """Mask of the first of equal maps."""
    flat = maps.flatten(1)
    same = (flat.unsqueeze(0) - flat.unsqueeze(1)).abs().amax(-1) < 0.1
    return ~same.tril(-1).any(1)


def _maps(basis: Tensor, images: Tensor) -> Tensor:
    """Orthogonal matrices that map ``basis [r, d]`` to ``images [M, r, d]``."""
    if len(basis) == basis.size(1):
        return _fitted(images, basis)
    sign = torch.ones(len(images), dtype=basis.dtype)
    return torch.cat([_fitted(images, basis, sign), _fitted(images, basis, -sign)])


def _fitted(images: Tensor, x: Tensor, sign: Tensor | None = None) -> Tensor:
    """Orthogonal R closest to ``R x_i = images_i``, of determinant ``sign``, which planar x do not fix."""
    u, _, v = torch.linalg.svd(images.mT @ x)
    if sign is None:
        return u @ v
    last = (torch.linalg.det(u @ v) * sign).sign().view(-1, 1, 1)
    return torch.cat([u[..., :-1], u[..., -1:] * last], dim=-1) @ v
