"""Frames that scale or boost: one element for each graph, wrapped around a frame of motions."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import replace
from typing import ClassVar, Literal

import torch
from torch import Tensor

from fa_pyg import checks
from fa_pyg.builders.base import Frame, MotionFrame
from fa_pyg.builders.cloud import Cloud, Quantity
from fa_pyg.frames import NO_RANK, Frames
from fa_pyg.frames.similarity import align, moved_back, positive
from fa_pyg.groups import Group
from fa_pyg.math.linalg import mean

__all__ = ["GalileanFrame", "RandomBoostFrame", "RandomScaleFrame", "ScaleFrame", "SimilarityFrame"]

# A root mean square below this multiple of the rounding of the centroid's coordinates is that of a point.
_ROUNDING = 32


class SimilarityFrame(MotionFrame):
    r"""One element h of scale or velocity for each graph, and the frames K of motions of the input in it.

    .. math:: F(x) = h(x)\, K(h(x)^{-1} x), \qquad
              \langle\Phi\rangle_F(x) = \rho_{out}(h)\, \langle\Phi\rangle_K(\rho_{in}(h)^{-1} x)

    The average in K first, and then in h: the model runs as often as in K.

    Args:
        frame: K, e.g. ``PCAFrame("E(3)")``; another of these frames; one that wraps or combines them.
        group: the group of this frame.

    Raises:
        ValueError: for a frame of permutations; in a call, if no declared input has a weight under scaling
            or boosts.
    """

    is_euclidean = False
    weight: ClassVar[Literal["scale", "boost"]]  # of the representations that h changes
    draws: ClassVar[bool] = False  # whether h is drawn at random

    def __init__(self, frame: Frame, group: Group) -> None:
        super().__init__(group)
        self.frame = frame

    @abstractmethod
    def element(self, cloud: Cloud) -> Tensor:
        """Return the scale ``[B]`` or the velocity ``[B, d]`` of each graph."""

    def build(self, cloud: Cloud) -> Frames:
        if not any(getattr(quantity.rep, self.weight) for quantity in cloud.declared):
            wanted = f"a representation with the weight {self.weight}, such as Rep(1, {self.weight}=1)"
            raise ValueError(f"inputs of a {type(self).__name__}: expected {wanted}, found none")
        element = self.element(cloud)
        scale, velocity = (element, None) if self.weight == "scale" else (None, element)
        inside = {id(q): _inside(q, cloud, scale, velocity) for q in (*cloud.declared, *cloud.read)}
        declared, read = (tuple(inside[id(q)] for q in some) for some in (cloud.declared, cloud.read))
        inner = self.frame.build(replace(cloud, declared=declared, read=read))
        if self.draws:
            inner = inner.with_exact(torch.full((cloud.size,), NO_RANK, device=cloud.device))
        return _composed(inner, cloud, scale, velocity)

    def extra_repr(self) -> str:
        return ""


class ScaleFrame(SimilarityFrame):
    r"""Frame of one element of the scalings R+: the root mean square radius of the points that are read.

    .. math:: \lambda(x)^2 = \frac{\sum_i w_i |x_i - \bar x|^2}{\sum_i w_i}, \qquad
              F(x) = \lambda(x)\, K(\lambda(x)^{-1} x)

    Inputs are divided by :math:`\lambda` to the power of their weight (``Rep(1, affine=True, scale=1)``), so
    that clouds have unit size; outputs are multiplied by it. Several inputs that are read, ``reads=["pos",
    "vel"]``, add up: :math:`\lambda^2 = \sum_k (\text{mean square})_k^{1/\text{scale}_k}`.

    Exact, also for the product with the group of K, since :math:`\lambda(\mu x) = \mu \lambda(x)` and
    motions k do not change :math:`\lambda`: let :math:`\Phi_K = \langle\Phi\rangle_K`, which is equivariant
    to the motions, and write D for the scalings. Then :math:`k D_\lambda = D_\lambda k'` with another motion
    k' (the translation is divided by :math:`\lambda`), and

    .. math:: \langle\Phi\rangle(D_\mu k x)
              = D_{\mu\lambda} \Phi_K(D_\lambda^{-1} D_\mu^{-1} D_\mu k x)
              = D_\mu D_\lambda \Phi_K(k' D_\lambda^{-1} x)
              = D_\mu D_\lambda k' \Phi_K(D_\lambda^{-1} x) = D_\mu k \langle\Phi\rangle(x)

    Where all points that are read coincide (one particle), every scaling fixes them, and a frame of finitely
    many scalings does not exist. There :math:`\lambda = 0`: the model runs on the input as it is, and its
    outputs that scale are multiplied by 0, the only value that all scalings leave alone. Points are then at
    their centroid. Read more inputs if that loses too much: velocities, if one particle moves.

    Args:
        frame: K, of a group without boosts: those are wrapped around, ``GalileanFrame(ScaleFrame(...))``.
        detach: treat the scale as a constant. Forces computed through it are *wrong*.

    Raises:
        ValueError: for another frame; in a call, unless all inputs that are read have a positive ``scale``.

    Not guaranteed: continuity where the points meet: inputs that do not vanish with them grow without bound
    in the frame. There outputs that do not scale are equivariant only if all scaling inputs vanish.
    """

    weight = "scale"

    def __init__(self, frame: Frame, detach: bool = False) -> None:
        group = _of_motions(frame).group
        if group.boosts:
            raise ValueError(
                f"frame: expected one without boosts, as in GalileanFrame(ScaleFrame(...)), found {frame}"
            )
        super().__init__(frame, replace(group, scales=True))
        self.detach = checks.flag("detach", detach)

    def element(self, cloud: Cloud) -> Tensor:
        origin = cloud.origin(self.group)
        square = sum(self._square(cloud, quantity, origin) for quantity in cloud.read)
        scale = torch.where(square == 0, 0, positive(square).sqrt())
        return scale.detach() if self.detach else scale

    def _square(self, cloud: Cloud, quantity: Quantity, origin: Tensor | None) -> Tensor:
        """The mean square of a quantity, in the units of the square of a length."""
        weight = quantity.rep.scale
        if weight <= 0:
            raise ValueError(
                f"reads: expected inputs with a positive scale, as in Rep(1, scale=1), found {quantity.rep}"
            )
        rows, index, node_weight = cloud.centered(quantity, origin)
        square = mean(rows.square().sum(1, keepdim=True), index, cloud.size, node_weight).squeeze(1)
        if origin is not None and quantity.rep.affine:
            far = (_ROUNDING * torch.finfo(rows.dtype).eps) ** 2 * origin.detach().square().sum(1)
            square = torch.where(square <= far, 0, square)
        return torch.where(square == 0, 0, positive(square).pow(1 / weight))

    def extra_repr(self) -> str:
        return "detach=True" if self.detach else ""


class GalileanFrame(SimilarityFrame):
    r"""Frame of one element of the boosts: the mean velocity u of each graph.

    .. math:: u(x) = \frac{\sum_i w_i v_i}{\sum_i w_i}, \qquad F(x) = u(x)\, K(x - \text{boost} \cdot u(x))

    The velocities are the first declared input with a weight under boosts (``Rep(1, boost=1)``). Weighted by
    masses, ``node_weight="mass"``, u is that of the center of mass. Positions at the time of the velocities
    have ``boost=0``, those to be predicted at a time t later ``Rep(1, affine=True, boost=t)``.

    Exact on every input, also for the product with the group of K. An element g of this group with the
    rotation R and the boost w takes u(x) to :math:`R u(x) + w`, so that :math:`h(gx) = g\, h(x)\, k` with a
    motion k. With :math:`\Phi_K = \langle\Phi\rangle_K`, which is equivariant to motions,

    .. math:: \langle\Phi\rangle(gx) = h(gx)\, \Phi_K(h(gx)^{-1} g x) = g h k\, \Phi_K(k^{-1} h^{-1} x)
              = g h\, \Phi_K(h^{-1} x) = g\, \langle\Phi\rangle(x)

    Args:
        frame: K; :class:`ScaleFrame` for scalings as well.
        detach: treat the velocity as a constant. Forces computed through it are *wrong*.

    Raises:
        ValueError: for a frame of permutations; in a call, if no declared input has a weight under boosts.
    """

    weight = "boost"

    def __init__(self, frame: Frame, detach: bool = False) -> None:
        super().__init__(frame, replace(_of_motions(frame).group, boosts=True))
        self.detach = checks.flag("detach", detach)

    def element(self, cloud: Cloud) -> Tensor:
        quantity = next(quantity for quantity in cloud.declared if quantity.rep.boost)
        rows, index, weight = cloud.rows(quantity)
        velocity = mean(rows, index, cloud.size, weight) / quantity.rep.boost
        return velocity.detach() if self.detach else velocity

    def extra_repr(self) -> str:
        return "detach=True" if self.detach else ""


class _RandomFrame(SimilarityFrame):
    """A random element for each graph and call, around frames of motions."""

    is_random = draws = True

    def __init__(self, frame: Frame, sigma: float, generator: torch.Generator | None) -> None:
        super().__init__(frame, _of_motions(frame).group)
        self.sigma = checks.number("sigma", sigma, 0)
        self.generator = checks.instance(
            "generator", generator, torch.Generator, "a torch.Generator", optional=True
        )

    def normal(self, cloud: Cloud, *shape: int) -> Tensor:
        """Draw normal numbers of standard deviation ``sigma`` for each graph."""
        device = cloud.device if self.generator is None else self.generator.device
        draw = torch.randn(cloud.size, *shape, generator=self.generator, device=device, dtype=cloud.dtype)
        return self.sigma * draw.to(cloud.device)

    def extra_repr(self) -> str:
        return f"sigma={self.sigma}"


class RandomScaleFrame(_RandomFrame):
    r"""Data augmentation by a random scale for each graph and call, around a frame of motions.

    .. math:: F(x) = \lambda\, K(\lambda^{-1} x), \qquad \log \lambda \sim \mathcal N(0, \sigma^2)

    The group R+ of scalings is not compact: it does not have a Haar *probability* measure, so that this is
    not group averaging, and averages are not equivariant to scalings, not even in expectation. It is for
    training: the model sees each input, and predicts each output, in another scale at every step, and the
    loss compares outputs in the units of the data.

    .. code-block:: python

        frame = PerMode(train=RandomScaleFrame(HaarFrame("E(3)"), 0.4), eval=PCAFrame("E(3)"))
        point = Rep(1, affine=True, scale=1)
        model = FrameAveraging(net, frame, {"pos": point, "charge": Rep(scale=1.5)}, output=point)

    Args:
        frame: K; the group of this frame is that of K.
        sigma: standard deviation of log :math:`\lambda`.
        generator: for reproducible draws; default the global generator of torch.

    Raises:
        ValueError: for a frame of permutations; in a call, if no declared vector or point scales.
    """

    weight = "scale"

    def __init__(self, frame: Frame, sigma: float = 0.4, generator: torch.Generator | None = None) -> None:
        super().__init__(frame, sigma, generator)

    def element(self, cloud: Cloud) -> Tensor:
        return self.normal(cloud).exp()


class RandomBoostFrame(_RandomFrame):
    r"""Data augmentation by a random boost for each graph and call, around a frame of motions.

    .. math:: F(x) = u\, K(x - \text{boost} \cdot u), \qquad u_i \sim \mathcal N(0, \sigma^2)

    Like the scalings, the group of boosts does not have a Haar probability measure: see
    :class:`RandomScaleFrame`. :class:`GalileanFrame` is exact, and as cheap.

    Args:
        frame: K; the group of this frame is that of K.
        sigma: standard deviation of each component of the velocity.
        generator: for reproducible draws; default the global generator of torch.

    Raises:
        ValueError: for a frame of permutations; in a call, if no declared input has a weight under boosts.
    """

    weight = "boost"

    def __init__(self, frame: Frame, sigma: float = 1.0, generator: torch.Generator | None = None) -> None:
        super().__init__(frame, sigma, generator)

    def element(self, cloud: Cloud) -> Tensor:
        return self.normal(cloud, self.group.dim)


def _of_motions(frame: Frame) -> Frame:
    checks.instance("frame", frame, Frame, 'a frame of motions such as PCAFrame("E(3)")')
    if frame.group.permutes:
        raise ValueError(f'frame: expected a frame of motions such as PCAFrame("E(3)"), found {frame}')
    return frame


def _inside(quantity: Quantity, cloud: Cloud, scale: Tensor | None, velocity: Tensor | None) -> Quantity:
    """The quantity in the element h, in the type that frames are computed in."""
    wide = quantity.value.to(cloud.dtype)
    return replace(quantity, value=moved_back(wide, quantity.rep, quantity.index, scale, velocity))


def _composed(inner: Frames, cloud: Cloud, scale: Tensor | None, velocity: Tensor | None) -> Frames:
    r"""The elements h k as (R, t, :math:`\lambda`, u), for inner elements k that may also scale and boost.

    .. math:: \lambda^s (\lambda'^s R x + t' + \text{boost} \cdot u') + \text{boost} \cdot u
    """
    values = dict(vars(inner))
    if scale is not None:
        length = positive(scale).pow(_scale_of(cloud, "affine"))
        for name, power in (("origin", 1), ("moments", 2)):  # in the units outside
            if values.get(name) is not None:
                values[name] = align(length.pow(power), values[name]) * values[name]
        if inner.velocity is not None:
            values["velocity"] = positive(scale).pow(_scale_of(cloud, "boost")).unsqueeze(1) * inner.velocity
        values["scale"] = scale if inner.scale is None else scale * inner.scale
    if velocity is not None:
        values["velocity"] = velocity if inner.velocity is None else velocity + inner.velocity
    return inner.made(**values)


def _scale_of(cloud: Cloud, weight: str) -> float:
    """The common weight under scaling of all points (affine), or of all that boosts change."""
    return next((q.rep.scale for q in cloud.declared if getattr(q.rep, weight)), 0)
