"""The groups O(d), SO(d), E(d), SE(d), T(d) and S(n): their properties, signs and Haar samples."""

from __future__ import annotations

import itertools
import math
import re
from dataclasses import dataclass, field, replace

import torch
from torch import Tensor

from fa_pyg import checks
from fa_pyg.groups.draw import draw
from fa_pyg.typed import computed, det, qr

__all__ = ["Group", "GroupLike"]

_PATTERN = re.compile(r"(SO|SE|O|E|T)\((\d{1,9})\)")
# Scaling (R+) and boosts (B) are prefixes of other groups.
_ALIASES = (("Sim(", "R+:E("), ("Gal(", "B:E("))
MOST_DIMENSIONS = 1024  # beyond it a matrix holds millions of numbers
MOST_SIGNS = 16  # dimensions up to which the 2^d patterns of signs are listed


@dataclass(frozen=True)
class Group:
    r"""A group of motions, ``O(d)``, ``SO(d)``, ``E(d)``, ``SE(d)``, ``T(d)``, or of permutations, ``S(n)``.

    ``S(n)`` reorders the n nodes of each graph, for every n.

    Groups of motions may also scale and boost: ``"R+:G"`` is the product with all scalings by a factor
    :math:`\lambda > 0`, ``"B:G"`` with all boosts by a velocity that is the same for all nodes of a graph.
    ``"Sim(d)"``, the similarities, is ``"R+:E(d)"``; ``"Gal(d)"``, the Galilean group at fixed times, is
    ``"B:E(d)"``. :class:`~fa_pyg.Rep` says how a quantity scales and is boosted.

    Args:
        kind: ``"O"`` rotations and reflections, ``"SO"`` rotations, ``"E"`` and ``"SE"`` the same with
            translations, ``"T"`` translations alone, ``"S"`` permutations.
        dim: the dimension d >= 1; 0 for permutations.
        scales: whether all scalings belong to the group.
        boosts: whether all boosts do.

    Raises:
        ValueError: for another kind or dimension, and permutations that scale or boost.
    """

    kind: str
    dim: int
    scales: bool = field(default=False, kw_only=True)
    boosts: bool = field(default=False, kw_only=True)

    def __post_init__(self) -> None:
        checks.one_of("kind", self.kind, ("O", "SO", "E", "SE", "T", "S"))
        self._check_extensions()
        if self.kind == "S":
            checks.integer("dim", self.dim, 0, 0, hint=" (S(n) moves no space)")
        else:
            checks.integer("dim", self.dim, 1, MOST_DIMENSIONS)

    def _check_extensions(self) -> None:
        for name in ("scales", "boosts"):
            if checks.flag(name, getattr(self, name)) and self.kind == "S":
                raise ValueError(f"{name}: expected False for S(n), which moves no space, found True")

    @classmethod
    def of(cls, spec: GroupLike) -> Group:
        """Return the group of a name such as ``"SE(3)"``, ``"S(n)"``, ``"C4"`` or ``"Oh"``.

        Raises:
            ValueError: for any other name; the message lists the valid ones.
        """
        return spec if isinstance(spec, Group) else _named(spec)

    @property
    def permutes(self) -> bool:
        """Whether the group reorders nodes instead of moving space."""
        return self.dim == 0

    @property
    def rotates(self) -> bool:
        """Whether the group has elements other than translations."""
        return self.kind not in ("T", "S")

    @property
    def reflects(self) -> bool:
        """Whether the group has elements of determinant -1."""
        return self.kind in ("O", "E")

    @computed
    def translates(self) -> bool:
        """Whether all translations belong to the group."""
        return self.kind in ("E", "SE", "T")

    @property
    def is_euclidean(self) -> bool:
        """Whether the group neither scales nor boosts."""
        return not (self.scales or self.boosts)

    @property
    def _prefix(self) -> str:
        return "R+:" * self.scales + "B:" * self.boosts

    def signs(self, device: torch.device | str | None = None, dtype: torch.dtype | None = None) -> Tensor:
        """Return the diagonals of the group's sign matrices, ``[K, d]`` of +-1: K = 2^d, 2^(d-1), or 1 for T.

        Raises:
            ValueError: for more than 16 dimensions.
        """
        if self.rotates and self.dim > MOST_SIGNS:
            raise ValueError(f"group: expected at most {MOST_SIGNS} dimensions, of 2^d signs, found {self}")
        if not self.rotates:
            return torch.ones(1, self.dim, device=device, dtype=dtype)
        patterns = list(itertools.product((1.0, -1.0), repeat=self.dim))
        if not self.reflects:
            patterns = [p for p in patterns if math.prod(p) > 0]
        return torch.tensor(patterns, device=device, dtype=dtype)

    @property
    def mirror(self) -> Tensor:
        """An element of determinant -1, ``[d, d]`` in float64, if the group reflects."""
        return torch.diag(torch.tensor([-1.0] + [1.0] * (self.dim - 1), dtype=torch.float64))

    def haar(
        self,
        n: int,
        generator: torch.Generator | None = None,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> Tensor:
        """Return n orthogonal matrices ``[n, d, d]`` drawn from the Haar (uniform) measure of the group.

        The factor Q of the QR decomposition of a Gaussian matrix, with its columns multiplied by the signs of
        the diagonal of R, is uniform on O(d) (Mezzadri 2007); for rotations the sign of the first column is
        chosen so that det = +1. For ``T(d)``: identities.
        """
        if not self.rotates:
            return torch.eye(self.dim, device=device, dtype=dtype).expand(n, -1, -1)
        gauss = draw(torch.randn, n, self.dim, self.dim, generator=generator, device=device, dtype=dtype)
        q, r = qr(gauss)
        # Not sign(): a zero on the diagonal, of probability 0, must not zero a column.
        q = q * torch.where(r.diagonal(dim1=-2, dim2=-1) < 0, -1.0, 1.0).to(q.dtype).unsqueeze(-2)
        if self.reflects:
            return q
        flip = torch.ones(n, self.dim, device=q.device, dtype=q.dtype)
        flip[:, 0] = det(q).sign()
        return q * flip.unsqueeze(-2)

    def __str__(self) -> str:
        return f"{self._prefix}{self.kind}({self.dim})" if self.dim else "S(n)"


GroupLike = str | Group
"""Group, or its name."""


def _named(spec: object) -> Group:
    from fa_pyg.groups.finite import FiniteGroup  # a subclass of Group

    if spec == "S(n)":
        return Group("S", 0)
    name = spec.replace(" ", "") if isinstance(spec, str) else ""
    for alias, written in _ALIASES:
        name = name.replace(alias, written)
    scales, name = name.startswith("R+:"), name.removeprefix("R+:")
    boosts, name = name.startswith("B:"), name.removeprefix("B:")
    match = _PATTERN.fullmatch(name)
    if match and 1 <= int(match[2]) <= MOST_DIMENSIONS:
        found = Group(match[1], int(match[2]))
    else:
        found = FiniteGroup.named(name)
    if found is None:
        raise ValueError(
            f"group: unknown group {checks.shown(spec)}: expected O(d), SO(d), E(d), SE(d) or T(d) with "
            f"d >= 1 (at most {MOST_DIMENSIONS}), S(n), or a finite group in Schoenflies notation "
            "of order up to some thousands: C4, D4 (2-d), C4(3), D4(3), C4v, D4h, S4, T, Td, Oh, Ih; "
            "with scaling R+:E(3) or Sim(3), with boosts B:E(3) or Gal(3)"
        )
    return replace(found, scales=scales, boosts=boosts)
