"""Signals on a grid: how rotations, reflections and shifts act on images, and group averaging over them."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from math import prod
from typing import Any

import torch
from torch import Tensor, nn

from fa_pyg import checks
from fa_pyg.groups import FiniteGroup, Group, GroupLike
from fa_pyg.nn.output_structure import check_dense
from fa_pyg.reps import Rep, RepLike
from fa_pyg.typed import total

__all__ = ["GridAveraging", "GridMotion"]


@dataclass(frozen=True)
class GridMotion:
    r"""A rotation or reflection of a grid about its center, then a cyclic shift.

    .. math:: (g\,x)(w) = \rho(R)\, x(g^{-1} w), \qquad g\,w = R\,w + t

    It reorders the points of the grid: exact in every type. Component i of a point, a shift or a vector is
    along the i-th axis of the grid; for an image, down and then right.

    Args:
        matrix: R, the rows of a signed permutation matrix.
        shift: t in pixels; default none.
    """

    matrix: tuple[tuple[int, ...], ...]
    shift: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        if not _is_signed_permutation(self.matrix):
            checks.refuse("matrix", "rows of a signed permutation matrix, ((0, -1), (1, 0))", self.matrix)
        if not isinstance(self.shift, Sequence) or len(self.shift) not in (0, self.dim):
            checks.refuse("shift", f"() or {self.dim} integers", self.shift)
        for step in self.shift:
            checks.integer("shift", step, -checks.MANY)

    @property
    def dim(self) -> int:
        return len(self.matrix)

    @property
    def determinant(self) -> int:
        columns, signs = zip(*self._rows(), strict=True)
        return prod(signs) * (-1) ** sum(a > b for a, b in itertools.combinations(columns, 2))

    @property
    def inverse(self) -> GridMotion:
        transposed = tuple(zip(*self.matrix, strict=True))
        back = (-sum(a * t for a, t in zip(row, self.shift, strict=True)) for row in transposed)
        return GridMotion(transposed, tuple(back) if self.shift else ())

    def __call__(self, x: Tensor, rep: RepLike = "scalar") -> Tensor:
        """Return g x, of a field or of a quantity of the whole image.

        Shapes:
            x: a field ``[B, C * d**rank, *grid]``, or ``[B, C * d**rank]``, or scalars ``[B]``: the d**rank
            components of a value are adjacent. On grids with unequal sides, sides may be swapped.

        Raises:
            ValueError: for any other shape.
        """
        rep = Rep.of(rep)
        size = self.dim**rep.rank
        if x.dim() not in (1, 2, 2 + self.dim) or (x.size(1) if x.dim() > 1 else 1) % size:
            grid = ", ".join(f"n{i}" for i in range(self.dim))
            wanted = f"[B, C * {size}, {grid}] or [B, C * {size}]"
            raise ValueError(f"x: expected {wanted} for {rep}, found {list(x.shape)}")
        return self._values(self._points(x) if x.dim() > 2 else x, rep)

    def _rows(self) -> list[tuple[int, int]]:
        """The column and the sign of the entry of each row."""
        return [next((j, a) for j, a in enumerate(row) if a) for row in self.matrix]

    def _points(self, x: Tensor) -> Tensor:
        # Component j of R^-1 w is s_i w_i, where row i of R has its entry s_i in column j.
        x = x.permute(0, 1, *(2 + j for j, _ in self._rows()))
        x = x.flip([2 + i for i, (_, sign) in enumerate(self._rows()) if sign < 0])
        return x.roll(self.shift, tuple(range(2, x.dim()))) if any(self.shift) else x

    def _values(self, x: Tensor, rep: Rep) -> Tensor:
        sign = self.determinant if rep.pseudo else 1
        if rep.rank == 0:
            return x * sign if rep.pseudo else x
        source = list(itertools.product(range(self.dim), repeat=rep.rank))
        components, rotated = x.unflatten(1, (-1, len(source))).unbind(2), []
        for rows in itertools.product(self._rows(), repeat=rep.rank):
            columns, signs = zip(*rows, strict=True)
            rotated.append(components[source.index(columns)] * (prod(signs) * sign))
        return torch.stack(rotated, dim=2).flatten(1, 2)


class GridAveraging(nn.Module):
    r"""Group averaging of any image model over the rotations, reflections and shifts of the grid.

    .. math:: \langle\Phi\rangle(x) = \frac{1}{|G|} \sum_{g \in G} \rho_{out}(g)\, \Phi(g^{-1} x), \qquad
              (g\,x)(w) = \rho(g)\, x(g^{-1} w)

    For a convolution, the average over C4 is the lifting group convolution of Cohen and Welling (2016) with
    the same kernel, followed by the mean over the group; see docs/guides/group_averaging.md.

    Args:
        model: a module of one tensor, such as a CNN. It returns a field, of any resolution, or quantities
            of the whole image ``[B, ...]``.
        group: a finite group that maps the grid onto itself: ``"C1"``, ``"C2"``, ``"C4"``, ``"D1"``,
            ``"D2"``, ``"D4"`` for images; ``"O"``, ``"Oh"``, ``"T"``, ``"D4h"``, ... for voxels.
        input, output: the representations of the values, e.g. ``"vector"`` for a velocity field.
        shifts: ``"all"`` also averages over all cyclic shifts of the grid; a number n over shifts by 0 to
            n - 1 along each axis, which is equivalent if the model is equivariant to shifts by n (a periodic
            CNN of stride n) and n divides the sides. Default: none.
        chunk: copies in a call of the model; default: those of one shift. BatchNorm sees the
            copies of a call.

    Shapes:
        input ``[B, C * d**rank, *grid]``; output as the model returns it, components in the same order.

    Raises:
        ValueError: for a group that does not map the grid onto itself, shifts that do not fit the grid, or a
            model whose output does not have a row for each image.

    Not guaranteed: equivariance to rotations outside the group; nor to shifts without ``shifts``, unless the
    model is equivariant to them.
    """

    def __init__(
        self,
        model: nn.Module,
        group: GroupLike = "C4",
        input: RepLike = "scalar",
        output: RepLike = "scalar",
        shifts: int | str | None = None,
        chunk: int | None = None,
    ) -> None:
        super().__init__()
        checks.instance("model", model, nn.Module, "a torch.nn.Module")
        if not (isinstance(shifts, str) and shifts == "all"):
            checks.integer("shifts", shifts, optional=True, hint=' (or "all")')
        checks.integer("chunk", chunk, optional=True)
        self.model = model
        self.group = Group.of(group)
        self.matrices = _matrices(self.group)
        self.input = _field("input", input)
        self.output = _field("output", output)
        self.shifts = shifts
        self.chunk = chunk or len(self.matrices)

    def forward(self, x: Tensor) -> Tensor:
        motions = self.motions(tuple(x.shape[2:]))
        starts = range(0, len(motions), self.chunk)
        return total(self._sum(x, motions[first : first + self.chunk]) for first in starts) / len(motions)

    def _sum(self, x: Tensor, motions: Sequence[GridMotion]) -> Tensor:
        copies = [g.inverse(x, self.input) for g in motions]
        return total(g(y, self.output) for g, y in zip(motions, self._run(copies), strict=True))

    def motions(self, grid: tuple[int, ...]) -> list[GridMotion]:
        """Return the elements of the group on a grid of these sides."""
        if len(grid) != self.group.dim:
            raise ValueError(f"x: expected [B, C, *grid] with {self.group.dim} sides, found sides {grid}")
        if isinstance(self.shifts, int) and any(n % self.shifts for n in grid):
            raise ValueError(f"shifts={self.shifts}: expected a divisor of the sides of the grid, {grid}")
        steps: Iterable[tuple[int, ...]] = [()]
        if self.shifts is not None:
            most = None if isinstance(self.shifts, str) else self.shifts
            steps = itertools.product(*(range(n if most is None else most) for n in grid))
        return [GridMotion(matrix, step) for step in steps for matrix in self.matrices]

    def _run(self, copies: Sequence[Tensor]) -> Iterator[Tensor]:
        """Yield the outputs for each copy; consecutive copies of the same shape share a call."""
        for _, alike in itertools.groupby(copies, key=lambda copy: copy.shape):
            alike = list(alike)
            y = self.model(torch.cat(alike))
            rows = sum(map(len, alike))
            if not isinstance(y, Tensor) or y.dim() < 1 or len(y) != rows:
                found = list(y.shape) if isinstance(y, Tensor) else f"a {type(y).__name__}"
                raise ValueError(f"output: expected a row for each of {rows} images, found {found}")
            check_dense("output", y)
            if self.shifts is not None and y.dim() > 2 and y.shape[2:] != alike[0].shape[2:]:
                sides = f"{tuple(alike[0].shape[2:])}, found {tuple(y.shape[2:])}"
                raise ValueError(f"output: expected a field on the grid of the input, for shifts, {sides}")
            yield from y.tensor_split(len(alike))

    def extra_repr(self) -> str:
        return f'"{self.group}", input={self.input}, output={self.output}, shifts={self.shifts!r}'


def _is_signed_permutation(matrix: Any) -> bool:
    """Whether these are rows of integers with a single +1 or -1 in each row and column, else 0."""
    rows = list(matrix) if isinstance(matrix, Sequence) else []
    square = all(isinstance(row, Sequence) and len(row) == len(rows) for row in rows)
    if not rows or not square or not all(checks.is_integer(a, -1, 1) for row in rows for a in row):
        return False
    return all(sum(map(abs, line)) == 1 for line in [*rows, *zip(*rows, strict=True)])


def _field(name: str, rep: RepLike) -> Rep:
    rep = Rep.of(rep, name)
    if rep.affine:
        raise ValueError(f"{name}: expected a field that does not translate, such as a vector, found {rep}")
    return rep


def _matrices(group: Group) -> list[tuple[tuple[int, ...], ...]]:
    """Elements as integers; those that keep the order of the axes come first, as they share a call."""
    is_plain = group.is_euclidean and not group.translates
    elements = group.elements() if isinstance(group, FiniteGroup) and is_plain else None
    if elements is None or not torch.equal(elements, elements.round()):
        raise ValueError(f'group: expected a finite one of the grid such as "C4", "D4" or "O", found {group}')
    rows = [tuple(tuple(map(int, row)) for row in matrix) for matrix in elements.tolist()]
    return sorted(rows, key=lambda matrix: [list(map(abs, row)) for row in matrix], reverse=True)
