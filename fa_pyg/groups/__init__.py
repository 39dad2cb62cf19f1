"""Groups by name: O(d), SO(d), E(d), SE(d), T(d), S(n), and the point groups."""

from fa_pyg.groups.continuous import Group, GroupLike
from fa_pyg.groups.finite import FiniteGroup

__all__ = ["FiniteGroup", "Group", "GroupLike"]
