"""Rails, plates and small parts of the OpenBuilds system (bd_warehouse)."""

from __future__ import annotations

from typing import Any

from fa_pyg.cad.draw import Draw

__all__ = [
    "aluminum_rail",
    "open_builds_part",
]

PARTS = (
    ("AcmeAntiBacklashNutBlock8mm", {}),
    ("CBeamEndMount", {}),
    ("CBeamGantryPlate", {}),
    ("CBeamGantryPlateXLarge", {}),
    ("CBeamRiserPlate", {}),
    ("EccentricSpacer", {"cam_height": "6mm"}),
    ("EccentricSpacer", {"cam_height": "1/4in"}),
    ("FlexibleCoupler", {"shaft_diameter": "8mm"}),
    ("FlexibleCoupler", {"shaft_diameter": "1/4in"}),
    ("LBracket", {}),
    ("LockCollar", {"inside_diameter": "5mm"}),
    ("LockCollar", {"inside_diameter": "8mm"}),
    ("LockCollar", {"inside_diameter": "1/4in"}),
    ("RouterSpindleMount", {"parts": "base"}),
    ("RouterSpindleMount", {"parts": "faceplate"}),
    ("SpacerBlock", {}),
    ("TNut", {}),
    ("XtremeSolidVWheel", {}),
    *(("AluminumSpacer", {"length": length}) for length in ("3mm", "6mm", "9mm", "20mm", "35mm", "40mm")),
    *(("ShimWasher", {"shim_type": kind}) for kind in ("MiniVWheel", "12x8x1", "SlotWasher", "FlatWasher")),
)


def aluminum_rail(cad: Any, draw: Draw) -> Any:
    from bd_warehouse import open_builds

    length = draw.real("length", 10, 250)
    if draw.choice("kind", ("c-beam", "v-slot", "v-slot")) == "c-beam":
        return open_builds.CBeamLinearRail(length)
    return open_builds.VSlotLinearRail(
        draw.choice("size", ("20x20", "20x40", "20x60", "20x80", "40x40")), length
    )


def open_builds_part(cad: Any, draw: Draw) -> Any:
    from bd_warehouse import open_builds

    case = draw.case([{"class": name, **given} for name, given in PARTS])
    return getattr(open_builds, case["class"])(**{key: case[key] for key in case if key != "class"})
