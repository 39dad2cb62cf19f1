"""Random motions of whole samples, for data augmentation."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor
from torch.utils.data import get_worker_info
from torch_geometric.data import Data
from torch_geometric.data.datapipes import functional_transform
from torch_geometric.transforms import BaseTransform

from fa_pyg import checks
from fa_pyg.calls.declared import check_acted_on, check_weights, declared_reps
from fa_pyg.frames import Frames
from fa_pyg.groups import Group, GroupLike
from fa_pyg.math.linalg import working_dtype
from fa_pyg.reps import RepLike
from fa_pyg.transforms.declared import Declared, check_levels, described
from fa_pyg.transforms.stored import check_free

__all__ = ["RandomMotion"]


@functional_transform("random_motion")
class RandomMotion(BaseTransform):
    r"""Move each graph by a random element of a group, all its declared attributes together.

    .. math:: x \mapsto \rho(g)\, x, \qquad g = (R, t), \quad R \sim \mathrm{Haar}, \quad
              t \sim \mathcal N(0, \text{scale}^2)

    Declare everything that transforms, including targets: other attributes stay, with a warning if they have
    the shape of vectors (declare these "scalar" if they are invariant). PyG's ``RandomRotate`` rotates
    ``pos`` only, so that forces no longer fit. Every graph of a ``Batch`` moves independently. Computed in
    float64 and rounded to the type of each attribute.

    Groups that scale or boost are not compact, and do not have a Haar probability measure either: as for
    translations, elements are normal, :math:`\log \lambda \sim \mathcal N(0, \text{sigma}^2)` and
    :math:`u \sim \mathcal N(0, \text{boost}^2)`.

    Args:
        group: ``"O(d)"``, ``"SO(d)"``, ``"E(d)"``, ``"SE(d)"`` or ``"T(d)"``; with scaling ``"Sim(d)"``, with
            boosts ``"Gal(d)"``, with both ``"R+:Gal(d)"``.
        inputs: the representation of each attribute, e.g. ``{"pos": "point", "force": "vector", "cell":
            "vector", "stress": "tensor"}``; default points in ``pos``.
        generator: for reproducible draws; default torch's global one, which a ``DataLoader`` seeds in each
            worker and epoch. In a worker, this generator is reseeded with its seed plus the worker's, so that
            workers and epochs differ.
        scale: standard deviation of each component of the translation, in the units of the points.
        levels: the level ("node", "edge", "graph") of attributes whose name and size are ambiguous, in a
            Data with ``batch`` that PyG did not collate.
        sigma: standard deviation of the logarithm of the scale, in groups that scale.
        boost: standard deviation of each component of the velocity, in groups that boost.

    Shapes:
        the last ``rank`` axes of length d. A graph-level vector is ``[1, d]``: a Batch then has ``[B, d]``.

    Raises:
        ValueError: for an attribute that is missing or of another shape or type, or if the data holds frames;
            for a group that scales or boosts if no attribute has a weight for it.
    """

    def __init__(
        self,
        group: GroupLike,
        inputs: Mapping[str, RepLike] | None = None,
        generator: torch.Generator | None = None,
        scale: float = 1.0,
        levels: Mapping[str, str] | None = None,
        sigma: float = 0.4,
        boost: float = 1.0,
    ) -> None:
        checks.instance("generator", generator, torch.Generator, "a torch.Generator", optional=True)
        for name, value in (("scale", scale), ("sigma", sigma), ("boost", boost)):
            checks.number(name, value, 0)
        check_levels(levels)
        self.group = Group.of(group)
        if not self.group.dim:
            raise ValueError(
                "group: expected motions, found S(n): CanonicalPose(RandomNodeFrame()) permutes nodes"
            )
        self.inputs = declared_reps(inputs)
        check_weights(self.inputs)
        check_acted_on(self.group, self.inputs, "inputs")
        self.generator = generator
        self.scale, self.sigma, self.boost = scale, sigma, boost
        self.levels = levels
        self._worker: tuple[int, torch.Generator] | None = None

    def forward(self, data: Data) -> Data:
        declared = Declared(data, self.inputs, self.group.dim, self.levels)
        check_free(data)
        declared.warn_undeclared(self)
        return declared.moved(self._draw(declared.size, declared.like))

    def _draw(self, size: int, like: Tensor) -> Frames:
        """A random element of the group for each graph."""
        generator, kind = self._generator(), {"device": like.device, "dtype": working_dtype(like)}
        rotation = self.group.haar(size, generator, **kind)

        def normal(*shape: int) -> Tensor:
            device = like.device if generator is None else generator.device
            draw = torch.randn(*shape, generator=generator, device=device, dtype=kind["dtype"])
            return draw.to(like.device)

        shift = self.scale * normal(size, self.group.dim) if self.group.translates else None
        scale = (self.sigma * normal(size)).exp() if self.group.scales else None
        velocity = self.boost * normal(size, self.group.dim) if self.group.boosts else None
        return Frames.uniform(rotation.unsqueeze(0), shift).with_similarity(scale, velocity)

    def _generator(self) -> torch.Generator | None:
        """The generator to draw from in this process."""
        worker = get_worker_info()
        if self.generator is None or worker is None:
            return self.generator
        if self._worker is None or self._worker[0] != worker.seed:
            seed = (self.generator.initial_seed() + worker.seed) % 2**63
            self._worker = worker.seed, torch.Generator().manual_seed(seed)
        return self._worker[1]

    def __repr__(self) -> str:
        return f'RandomMotion("{self.group}", {described(self.inputs, scale=self.scale)})'
