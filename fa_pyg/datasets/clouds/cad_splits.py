"""Splits of CAD parts: by whole families, which are published here, or part by part, by a hash of the name.

Neither moves a part when others are added.
"""

from __future__ import annotations

import hashlib

from fa_pyg.datasets.splits import PARTS

__all__ = ["SPLITTINGS", "TEST", "VAL", "split_of"]

SPLITTINGS = ("family", "random")

# Tables and random parts in each, and every kind of surface; all other families are for training.
VAL = (
    "clevis",
    "cheese_head_screw",
    "dumbbell",
    "eccentric_bushing",
    "gusset",
    "heat_set_nut",
    "nozzle",
    "polygon_loft",
    "spline_prism",
    "weld_neck_flange",
)
TEST = (
    "blade",
    "domed_cap_nut",
    "helical_gear",
    "lever",
    "retaining_ring",
    "roller_bearing",
    "s_hook",
    "turned_spline",
    "v_pulley",
    "yoke_bracket",
)


def split_of(family: str, name: str, splitting: str) -> str:
    """Return the split that a part belongs to: ``"train"``, ``"val"`` or ``"test"``.

    Args:
        family: its family.
        name: its name, unique among all parts.
        splitting: ``"family"`` keeps families whole; ``"random"`` takes 80, 10 and 10 % of the parts of all.
    """
    if splitting == "family":
        return "val" if family in VAL else "test" if family in TEST else "train"
    share = int.from_bytes(hashlib.sha256(name.encode()).digest()[:8], "big") / 2**64
    return PARTS[(share >= 0.8) + (share >= 0.9)]
