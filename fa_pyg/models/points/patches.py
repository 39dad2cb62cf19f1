"""Normals of clouds of any size, by a model of small clouds on overlapping patches."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor, nn

from fa_pyg import checks
from fa_pyg.math.eigh import safe_axes
from fa_pyg.math.linalg import gather, mean, working_dtype
from fa_pyg.models.points.clouds import Clouds, read_clouds
from fa_pyg.models.points.vn_head import centered
from fa_pyg.neighbors import fps, knn

__all__ = ["PatchedNormals"]

SHARPNESS = 4.0  # the weight of a point falls from 1 at the center of a patch to exp(-4) at its border


class PatchedNormals(nn.Module):
    r"""Normals of scans of any size: a model on overlapping patches, averaged where they overlap.

    Patches are the nearest points of centers by farthest point sampling; centers are added until every point
    is in a patch. A patch is centered, divided by its root mean square radius, and passed to the model as a
    cloud of a batch, so that a framed model has a frame of its own for each patch. With the distance d of a
    point from the center of a patch of radius r,

    .. math:: T_i = \sum_p e^{-4 (d_{ip} / r_p)^2}\, n_{ip} n_{ip}^\top

    and the normal is the leading eigenvector of T: signs of patches need not agree. For ``oriented`` models
    it is the normalized sum of vectors instead. Symmetries of the model are kept. Coincident points (invalid
    pixels of a scan at the origin, say) count as one, and share its normal.

    Args:
        model: called ``model(pos, batch)``; returns unit normals ``[N, 3]``. Trained on clouds like patches,
            of unit size (:class:`~fa_pyg.transforms.NormalizeCloud`).
        patch_size: points of a patch.
        overlap: mean number of patches that a point is in, at least 1 and rather more.
        oriented: average vectors, whose signs are meaningful.
        chunk: patches per call of the model.

    Shapes:
        pos ``[N, 3]``, batch ``[N]`` (None: one cloud); returns unit normals ``[N, 3]``. Positions may be
        float64 for a float32 model: patches are centered before they are rounded.

    Raises:
        ValueError: for arguments out of range, a model of classes, inputs of other shapes and points that are
            not finite.

    Memory is that of ``chunk`` patches in the model, plus about 100 bytes times the overlap a point. Computed
    without gradients: train the model on patches.

    Not guaranteed: signs, unless ``oriented``; the same results for every ``chunk`` by a model in training
    mode (batch norm); features of a cloud larger than a patch; the same patches for
    another order of the points, since sampling starts at the first.
    """

    num_classes = None

    def __init__(
        self,
        model: nn.Module,
        patch_size: int = 512,
        overlap: float = 2.0,
        oriented: bool = False,
        chunk: int = 32,
    ) -> None:
        super().__init__()
        self.model = checks.instance("model", model, nn.Module, "a module of normals")
        if (classes := getattr(model, "num_classes", None)) is not None:
            raise ValueError(f"model: expected a model of normals, found one of {classes} classes")
        self.patch_size = checks.integer("patch_size", patch_size)
        self.overlap = checks.number("overlap", overlap, 1)
        self.oriented = checks.flag("oriented", oriented)
        self.chunk = checks.integer("chunk", chunk)

    @torch.no_grad()
    def forward(self, pos: Tensor, batch: Tensor | None = None) -> Tensor:
        clouds = read_clouds(pos, batch)
        if not pos.isfinite().all():
            raise ValueError("pos: expected finite points, found others")
        wide = centered(pos.to(working_dtype(pos)), clouds)
        first, place = _places(wide, clouds.batch)
        wide, clouds = wide[first], read_clouds(wide[first], clouds.batch[first])
        total = wide.new_zeros(len(wide), 3 if self.oriented else 6)
        for patch, point in self.patches(wide, clouds):
            for part, index in _chunks(patch, point, self.chunk):
                total.index_add_(0, index, self._votes(wide[index], part))
        if self.oriented:
            normal = nn.functional.normalize(total, dim=1)
        else:
            normal = safe_axes(_symmetric(total))[..., -1]
        return normal[place].to(pos.dtype)

    def patches(self, pos: Tensor, clouds: Clouds) -> Iterator[tuple[Tensor, Tensor]]:
        """Yield rounds of patches that cover all points together: the patch and the index of each entry."""
        open_ = torch.arange(len(pos), device=pos.device)
        ratio = min(self.overlap / self.patch_size, 1.0)
        while len(open_):
            center = open_[fps(pos[open_], clouds.batch[open_], ratio, random_start=False)]
            patch, point = knn(pos, pos[center], self.patch_size, clouds.batch, clouds.batch[center])
            point = _with_centers(patch, point, center)
            yield patch, point
            is_open = torch.zeros(len(pos), dtype=torch.bool, device=pos.device)
            is_open[open_] = True
            is_open[point] = False
            open_ = is_open.nonzero().view(-1)

    def _votes(self, pos: Tensor, patch: Tensor) -> Tensor:
        """Return what the points of some patches add to their sums; the nearest of a patch is its center."""
        count = int(patch[-1]) + 1
        first = torch.searchsorted(patch, torch.arange(count, device=patch.device))
        distance = (pos - gather(pos[first], patch)).square().sum(1)
        largest = distance.new_zeros(count).scatter_reduce_(0, patch, distance, "amax")
        x = pos - gather(mean(pos, patch, count), patch)
        scale = mean(x.square().sum(1, keepdim=True), patch, count).sqrt()
        x = x / gather(scale.masked_fill(scale == 0, 1), patch)
        normal = self.model(x.to(_dtype(self.model, pos)), patch).to(pos.dtype)
        share = distance / gather(largest.masked_fill(largest == 0, 1), patch)
        weight = (-SHARPNESS * share).exp().unsqueeze(1)
        return weight * (normal if self.oriented else _products(normal))

    def extra_repr(self) -> str:
        return f"patch_size={self.patch_size}, overlap={self.overlap}, oriented={self.oriented}"


def _places(pos: Tensor, batch: Tensor) -> tuple[Tensor, Tensor]:
    """Return the first point of each place of a cloud, in order, and the place of each point."""
    order = torch.arange(len(pos), device=pos.device)
    for column in (*pos.t(), batch):  # several times faster than torch.unique
        order = order[column[order].argsort(stable=True)]
    is_new = (pos[order].diff(dim=0) != 0).any(dim=1) | (batch[order].diff() != 0)
    is_new = nn.functional.pad(is_new, (1, 0), value=True)
    first, by_first = order[is_new].sort()
    place = torch.empty_like(order)
    place[order] = by_first.argsort()[is_new.cumsum(0) - 1]
    return first, place


def _with_centers(patch: Tensor, point: Tensor, center: Tensor) -> Tensor:
    """Put centers into their patches that are full of points which coincide with them."""
    is_in = torch.zeros(len(center), dtype=torch.bool, device=point.device)
    is_in[patch[point == center[patch]]] = True
    first = torch.searchsorted(patch, torch.arange(len(center), device=point.device))
    return point.scatter(0, first[~is_in], center[~is_in])


def _chunks(patch: Tensor, point: Tensor, chunk: int) -> Iterator[tuple[Tensor, Tensor]]:
    """Split the entries of patches, sorted by patch, into so many patches at a time, numbered from 0."""
    count = torch.bincount(patch)
    sizes = [int(part.sum()) for part in count.split(chunk)]
    start = range(0, len(count), chunk)
    for first, some, index in zip(start, patch.split(sizes), point.split(sizes), strict=True):
        yield some - first, index


def _products(v: Tensor) -> Tensor:
    """Return the six products of the components of vectors ``[N, 3]``."""
    return torch.cat([v.square(), v * v.roll(1, 1)], dim=1)


def _symmetric(products: Tensor) -> Tensor:
    """Return matrices ``[N, 3, 3]`` of sums of these products."""
    xx, yy, zz, xz, xy, yz = products.unbind(1)
    return torch.stack([xx, xy, xz, xy, yy, yz, xz, yz, zz], dim=1).view(-1, 3, 3)


def _dtype(model: nn.Module, pos: Tensor) -> torch.dtype:
    """Return the type of the parameters of a model, of the positions where there are none."""
    return next((p.dtype for p in model.parameters()), pos.dtype)
