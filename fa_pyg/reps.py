"""Representations: how a quantity transforms under a motion. No torch needed."""

from __future__ import annotations

from dataclasses import dataclass

from fa_pyg import checks

__all__ = ["NAMED", "Rep"]

MOST_AXES = 16  # in space a tensor of more has 3^17 components


@dataclass(frozen=True)
class Rep:
    r"""The representation of a quantity: how it transforms under motions :math:`g = (R, t), R \in O(d)`.

    .. math:: \rho(g)\, x = \det(R)^{[pseudo]}\; R \otimes \dots \otimes R\; x \;(+\, t\ \text{if affine})

    and, in groups that also scale by :math:`\lambda > 0` or boost by a velocity u (frames that wrap others:
    :class:`~fa_pyg.ScaleFrame`, :class:`~fa_pyg.GalileanFrame`),

    .. math:: \rho(g)\, x = \lambda^{scale}\, \det(R)^{[pseudo]}\; R \otimes \dots \otimes R\; x
              \;(+\, t\ \text{if affine}) + boost \cdot u

    The last ``rank`` axes are geometric and have length d; the first axis counts nodes, edges or
    graphs; all axes between are channels: ``[N, C, 3]`` with ``rank=1`` is C vectors a node.

    Args:
        rank: number of geometric axes: 0 scalar, 1 vector, 2 tensor, ...
        pseudo: also changes sign under reflections (a torque, a chirality).
        affine: is also translated (a position). Vectors only.
        flat: channels and geometric axes are flattened into the last axis, ``[N, C * d**rank]``: the layout
            of PyG layers, which have a single feature axis.
        scale: the weight of the quantity under scaling: 1 for a length, 2 for an area, -1 for an inverse
            length, 0 if it does not change. All points have the same.
        boost: how often a boost adds its velocity: 1 for a velocity, t for a position at time t after that of
            the other positions. Vectors and points only.

    Raises:
        ValueError: for a rank that is not an integer from 0 to 16, a flag that is not True or False, a weight
            that is not finite, or affine or boost with a rank other than 1 or with pseudo.
    """

    rank: int = 0
    pseudo: bool = False
    affine: bool = False
    flat: bool = False
    scale: float = 0
    boost: float = 0

    def __post_init__(self) -> None:
        checks.integer("rank", self.rank, 0, MOST_AXES)
        for name in ("pseudo", "affine", "flat"):
            checks.flag(name, getattr(self, name))
        for name in ("scale", "boost"):
            weight = checks.number(name, getattr(self, name))
            # 0 and 1 as integers, which torch.compile takes as constants; of floats it would trace twice.
            object.__setattr__(self, name, int(weight) if weight in (0, 1) else weight)
        for name in ("affine", "boost"):
            if getattr(self, name) and (self.rank != 1 or self.pseudo):
                none = "False" if name == "affine" else "0"
                raise ValueError(
                    f"{name}: expected {none}, except for vectors (rank 1, not pseudo), found {self!r}"
                )

    @classmethod
    def of(cls, spec: RepLike, name: str = "rep") -> Rep:
        """Return the representation of a name; a :class:`Rep` is returned unchanged.

        Raises:
            ValueError: for anything else; ``name`` is the argument that the message names.
        """
        if isinstance(spec, Rep):
            return spec
        if isinstance(spec, str) and spec in NAMED:
            return NAMED[spec]
        names = ", ".join(NAMED)
        raise ValueError(
            f"{name}: unknown representation {checks.shown(spec)}: expected a Rep or one of {names}"
        )

    @property
    def is_invariant(self) -> bool:
        """Whether no group element changes the quantity."""
        return not (self.moves or self.scale)

    @property
    def moves(self) -> bool:
        """Whether some motion changes the quantity; scaling alone does not count."""
        return bool(self.rank or self.pseudo)

    def layout(self, shape: tuple[int, ...], dim: int, what: str = "a tensor") -> tuple[int, ...]:
        """Return ``shape`` with explicit geometric axes, ``[..., d, ..., d]``, and check that it has them.

        Raises:
            ValueError: if ``shape`` cannot hold this representation in ``dim`` dimensions.
        """
        axes = (dim,) * self.rank
        if self.flat and len(shape) >= 1 and shape[-1] % dim**self.rank == 0:
            return (*shape[:-1], shape[-1] // dim**self.rank, *axes)
        if not self.flat and len(shape) >= self.rank and tuple(shape[len(shape) - self.rank :]) == axes:
            return tuple(shape)
        wanted = f"[..., C * {dim**self.rank}]" if self.flat else f"[..., {', '.join(map(str, axes))}]"
        raise ValueError(
            f"{what} of shape {list(shape)} cannot be {self} in {dim} dimensions: expected {wanted}"
        )

    def __str__(self) -> str:
        names = [name for name, rep in NAMED.items() if rep == self]
        return f"a {names[0]}" if names else repr(self)


NAMED = {
    "scalar": Rep(0),
    "pseudoscalar": Rep(0, pseudo=True),
    "vector": Rep(1),
    "pseudovector": Rep(1, pseudo=True),
    "point": Rep(1, affine=True),
    "tensor": Rep(2),
    "pseudotensor": Rep(2, pseudo=True),
}
"""Representations by name: ``"scalar"``, ``"vector"``, ``"point"``, ..."""

RepLike = str | Rep
