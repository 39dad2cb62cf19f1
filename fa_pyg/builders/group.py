"""The whole of a finite group: group averaging."""

from __future__ import annotations

from dataclasses import replace

from fa_pyg import checks
from fa_pyg.builders.base import MotionFrame
from fa_pyg.builders.cloud import Cloud
from fa_pyg.frames import ALL_RANKS, Frames
from fa_pyg.groups import FiniteGroup, Group, GroupLike

__all__ = ["GroupFrame"]


class GroupFrame(MotionFrame):
    r"""All elements of a finite group, at every input: group averaging (the Reynolds operator).

    .. math:: \langle\Phi\rangle(x) = \frac{1}{|G|} \sum_{g \in G} \rho_{out}(g)\, \Phi(\rho_{in}(g)^{-1} x)

    Since gG = G, this frame is equivariant at *every* input, the symmetric ones included, and as smooth as
    the model itself. It makes a model equivariant to the finite group only, with one exception: where the
    model is a polynomial of vectors or points, and its degree and the output's rank together are at most L,
    the average is that over all of SO(d) (of O(d) where G reflects). In the plane L = n - 1 for ``"Cn"`` and
    ``"Dn"``; in space L = 2 for ``"T"``, ``"Td"`` and ``"Th"``, 3 for ``"O"`` and ``"Oh"``, 5 for ``"I"`` and
    ``"Ih"``.

    Args:
        group: a finite group by name (:class:`~fa_pyg.groups.FiniteGroup`): ``"C4"`` or ``"D4"`` in the
            plane; ``"C4(3)"``, ``"D4h"``, ``"O"``, ``"Oh"``, ``"Ih"`` in space; ``"T(3):Oh"`` with
            translations.
        translations: take translations out as well, exactly, by the centroid. Otherwise the elements turn
            about the origin.

    Raises:
        ValueError: if the group is not finite.

    Not guaranteed: equivariance to more than ``group``. The model runs once for every element.
    """

    def __init__(self, group: GroupLike, translations: bool = False) -> None:
        group = Group.of(group)
        if not isinstance(group, FiniteGroup):
            raise ValueError(f'group: expected a finite one such as "C4", "Oh" or "T(3):Oh", found {group}')
        checks.flag("translations", translations)
        super().__init__(replace(group, translates=group.translates or translations))
        # No buffer: `.float()` must not round them. They never change, so no copy waits for the device.
        self.elements = self.group.elements()

    def build(self, cloud: Cloud) -> Frames:
        elements = self.elements.to(cloud.device, cloud.dtype, non_blocking=True)
        rotation = elements.unsqueeze(1).expand(-1, cloud.size, -1, -1)
        return Frames.uniform(rotation, cloud.origin(self.group), cloud.batch, exact=ALL_RANKS)
