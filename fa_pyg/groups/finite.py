"""Point groups: finite groups of rotations and reflections, with or without translations."""

from __future__ import annotations

import re
from dataclasses import dataclass

import torch
from torch import Tensor

from fa_pyg import checks
from fa_pyg.groups import point_groups
from fa_pyg.groups.continuous import MOST_DIMENSIONS, Group
from fa_pyg.groups.draw import draw
from fa_pyg.typed import det

__all__ = ["FiniteGroup"]

_PATTERN = re.compile(r"(?:T\((\d{1,9})\):)?([CDSTOI])_?(\d{0,9})_?([vhdsi]?)(?:\((\d{1,9})\))?")
_ALIASES = {"Cs": "C1h", "Ci": "S2"}


@dataclass(frozen=True)
class FiniteGroup(Group):
    """A point group: a finite group of rotations and reflections, with or without all translations.

    Names are in Schoenflies notation, with an optional underscore: ``"O_h"`` is ``"Oh"``.

    - in the plane ``"Cn"``: n rotations; ``"Dn"``: these and n mirrors, one of which keeps x;
    - in space, about z: ``"Cn(3)"``, ``"Cnv"`` (with the mirror that keeps x and z), ``"Cnh"``, ``"Dn(3)"``,
      ``"Dnh"``, ``"Dnd"`` (with a twofold axis along x), ``"Sn"`` (n even), ``"Cs"``, ``"Ci"``;
    - in space, with twofold axes along x, y and z: ``"T"``, ``"Td"``, ``"Th"``, ``"O"``, ``"Oh"``, ``"I"``,
      ``"Ih"``;
    - with all translations, a semidirect product: ``"T(3):Oh"``.

    Args:
        kind: the name without underscore, dimension and translations: ``"C4"``, ``"Oh"``.
        dim: the dimension, 2 or 3.
        translates: whether all translations belong to the group (which is then infinite).

    Raises:
        ValueError: if there is no such group.
    """

    translates: bool = False

    def __post_init__(self) -> None:
        checks.instance("kind", self.kind, str, 'a name such as "C4" or "Oh"')
        checks.integer("dim", self.dim, 1, MOST_DIMENSIONS)
        checks.flag("translates", self.translates)
        self._check_extensions()
        if not point_groups.is_point_group(self.kind, self.dim):
            raise ValueError(
                f'kind: expected a finite group such as "C4" or "Oh", of order up to some thousands, found '
                f"{checks.shown(self.kind)} in {self.dim} dimensions"
            )

    @classmethod
    def named(cls, name: str) -> FiniteGroup | None:
        """Return the group of a name; None if there is no such group."""
        match = _PATTERN.fullmatch(name)
        if match is None:
            return None
        translations, family, number, suffix, space = match.groups()
        kind = _ALIASES.get(family + number + suffix, family + number + suffix)
        dim = int(space or (2 if kind[0] in "CD" and kind[-1].isdigit() else 3))
        if not point_groups.is_point_group(kind, dim) or int(translations or dim) != dim:
            return None
        return cls(kind, dim, translates=translations is not None)

    def elements(self, device: torch.device | str | None = None, dtype: torch.dtype | None = None) -> Tensor:
        """Return all elements ``[order, d, d]``, exact to rounding, the identity first."""
        elements = point_groups.elements(self.kind, self.dim)
        return elements.to(device=device, dtype=dtype or elements.dtype)

    @property
    def order(self) -> int:
        """The number of elements, not counting translations."""
        return len(point_groups.elements(self.kind, self.dim))

    @property
    def rotates(self) -> bool:
        """Whether there are elements other than the identity (and translations)."""
        return self.order > 1

    @property
    def reflects(self) -> bool:
        """Whether the group has elements of determinant -1."""
        return bool((det(self.elements()) < 0).any())

    @property
    def mirror(self) -> Tensor:
        """An element of determinant -1, ``[d, d]`` in float64, if the group reflects."""
        elements = self.elements()
        return elements[det(elements) < 0][0]

    def signs(self, device: torch.device | str | None = None, dtype: torch.dtype | None = None) -> Tensor:
        """Raise ValueError: principal axes are not elements of a finite group, whatever their signs."""
        d = self.dim
        raise ValueError(
            f"group: expected O({d}), SO({d}), E({d}) or SE({d}) for principal axes, found the finite group "
            f"{self}: they are not elements of it; use GroupFrame, or one of these groups, which contain it"
        )

    def haar(
        self,
        n: int,
        generator: torch.Generator | None = None,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> Tensor:
        """Return n elements ``[n, d, d]``, drawn independently with equal probabilities."""
        index = draw(torch.randint, self.order, (n,), generator=generator, device=device)
        return self.elements(device, dtype or torch.get_default_dtype())[index]

    def distance(self, matrix: Tensor) -> Tensor:
        """Return the distance of each matrix ``[n, d, d]`` to the nearest element (max norm), ``[n]``."""
        elements = self.elements(matrix.device, matrix.dtype)
        return (matrix.unsqueeze(1) - elements).abs().amax((-2, -1)).amin(1)

    def __str__(self) -> str:
        in_space = self.dim == 3 and self.kind[0] in "CD" and self.kind[-1].isdigit()
        name = f"{self.kind}(3)" if in_space else self.kind
        return self._prefix + (f"T({self.dim}):{name}" if self.translates else name)
