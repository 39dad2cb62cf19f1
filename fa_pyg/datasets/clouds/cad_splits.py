"""Splits of CAD parts: by whole families, which are published here, or part by part, by hashes of names.

Neither moves a part when others are added.
"""

from __future__ import annotations

import hashlib

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


def split_of(family: str, index: int, splitting: str) -> str:
    """Return the split that a part belongs to: ``"train"``, ``"val"`` or ``"test"``.

    Args:
        family: its family.
        index: its number in the family.
        splitting: ``"family"`` keeps families whole; ``"random"`` puts one of ten consecutive parts of every
            family into validation and one into test, chosen by hashes.
    """
    if splitting == "family":
        return "val" if family in VAL else "test" if family in TEST else "train"
    first = index - index % 10
    order = sorted(range(first, first + 10), key=lambda k: hashlib.sha256(f"{family}-{k}".encode()).digest())
    return {0: "val", 1: "test"}.get(order.index(index), "train")
