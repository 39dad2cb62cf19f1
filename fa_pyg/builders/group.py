"""Group averaging: all elements of a finite group."""

from __future__ import annotations

from dataclasses import replace

from fa_pyg import checks
from fa_pyg.builders.base import MotionFrame
from fa_pyg.builders.cloud import Cloud
from fa_pyg.frames import ALL_RANKS, Frames
from fa_pyg.groups import FiniteGroup, Group, GroupLike

__all__ = ["GroupFrame"]


class GroupFrame(MotionFrame):
    r"""Group averaging (the Reynolds operator): all elements of a finite group, for every input.

    .. math:: \langle\Phi\rangle(x) = \frac{1}{|G|} \sum_{g \in G} \rho_{out}(g)\, \Phi(\rho_{in}(g)^{-1} x)

    Since gG = G, this frame is equivariant for *every* input, symmetric ones included, and outputs are as
    smooth as the model. The model becomes equivariant to the finite group only, with one exception: if it is
    a polynomial of vectors or points, and the sum of its degree and the output's rank is at most L, then the
    average equals that over all of SO(d) (over O(d) if G reflects). In the plane L = n - 1 for ``"Cn"`` and
    ``"Dn"``; in space L = 2 for ``"T"``, ``"Td"`` and ``"Th"``, 3 for ``"O"`` and ``"Oh"``, 5 for ``"I"`` and
    ``"Ih"``.

    Args:
        group: a finite group by name (:class:`~fa_pyg.groups.FiniteGroup`): ``"C4"`` or ``"D4"`` in the
            plane; ``"C4(3)"``, ``"D4h"``, ``"O"``, ``"Oh"``, ``"Ih"`` in space; ``"T(3):Oh"`` with
            translations.
        translations: also remove translations, exactly, by the centroid. Otherwise the elements rotate about
            the origin.

    Raises:
        ValueError: if the group is not finite.

    Not guaranteed: equivariance to more than ``group``. The model runs once per element.
    """

    def __init__(self, group: GroupLike, translations: bool = False) -> None:
        group = Group.of(group)
        if not isinstance(group, FiniteGroup):
            raise ValueError(f'group: expected a finite group such as "C4", "Oh" or "T(3):Oh", found {group}')
        checks.flag("translations", translations)
        group = replace(group, translates=group.translates or translations)
        super().__init__(group)
        # Not a buffer: `.float()` must not round them. They are constant, so that copies can be asynchronous.
        self.elements = group.elements()

    def build(self, cloud: Cloud) -> Frames:
        elements = self.elements.to(cloud.device, cloud.dtype, non_blocking=True)
        rotation = elements.unsqueeze(1).expand(-1, cloud.size, -1, -1)
        return Frames.uniform(rotation, cloud.origin(self.group), cloud.batch, exact=ALL_RANKS)
