"""Bearings, gears, sprockets, keys, retaining rings and bushings (bd_warehouse)."""

from __future__ import annotations

from typing import Any

from fa_pyg.cad.draw import Draw

__all__ = [
    "ball_bearing",
    "eccentric_bushing",
    "helical_gear",
    "rack_gear",
    "retaining_ring",
    "roller_bearing",
    "shaft_key",
    "sprocket",
    "spur_gear",
    "worm",
]

MODULES = (0.5, 0.8, 1.0, 1.25, 1.5, 2.0, 2.5, 3.0, 4.0)  # of gears, ISO 54, in mm


def ball_bearing(cad: Any, draw: Draw) -> Any:
    names = "SingleRowDeepGrooveBallBearing", "SingleRowCappedDeepGrooveBallBearing"
    return _bearing(draw, *names, "SingleRowAngularContactBallBearing")


def roller_bearing(cad: Any, draw: Draw) -> Any:
    return _bearing(draw, "SingleRowCylindricalRollerBearing", "SingleRowTaperedRollerBearing")


def spur_gear(cad: Any, draw: Draw) -> Any:
    from bd_warehouse.gear import SpurGear

    module, teeth = draw.choice("module", MODULES), draw.whole("teeth", 12, 48)
    gear = SpurGear(module, teeth, draw.choice("pressure_angle", (14.5, 20.0)), _thickness(draw, module))
    return _bored(cad, draw, gear, module * teeth)


def helical_gear(cad: Any, draw: Draw) -> Any:
    from bd_warehouse.gear import HelicalGear

    module, teeth = draw.choice("module", MODULES), draw.whole("teeth", 12, 36)
    angle, thickness = draw.real("helix_angle", 10, 35), _thickness(draw, module)
    gear = HelicalGear(module, teeth, 20, angle, thickness)
    return _bored(cad, draw, gear, module * teeth)


def rack_gear(cad: Any, draw: Draw) -> Any:
    from bd_warehouse.gear import RackGear

    module, teeth = draw.choice("module", MODULES), draw.whole("teeth", 6, 30)
    angle = draw.choice("helix_angle", (0.0, 0.0, 10.0, 20.0))
    return RackGear(
        module, teeth, draw.choice("pressure_angle", (14.5, 20.0)), _thickness(draw, module), angle
    )


def worm(cad: Any, draw: Draw) -> Any:
    from bd_warehouse.gear import Worm

    module, starts = draw.choice("module", MODULES), draw.whole("starts", 1, 4)
    quotient, hand = draw.choice("quotient", (8, 10, 12.5, 16)), draw.choice("hand", ("right", "left"))
    return Worm(module, starts, quotient, round(module * draw.real("length", 10, 25), 2), hand=hand)


def sprocket(cad: Any, draw: Draw) -> Any:
    from bd_warehouse.sprocket import Sprocket

    teeth, pitch = draw.whole("teeth", 10, 40), draw.choice("pitch", (6.35, 9.525, 12.7, 15.875))
    radius = teeth * pitch / 6.2832
    bore, bolts = round(radius * draw.real("bore", 0.15, 0.45), 2), draw.choice("bolts", (0, 4, 5, 6))
    circle = (
        {}
        if not bolts
        else {
            "num_mount_bolts": bolts,
            "bolt_circle_diameter": round(1.25 * radius, 2),
            "mount_bolt_diameter": round(0.12 * radius, 2),
        }
    )
    thickness = round(pitch * draw.real("thickness", 0.15, 0.5), 2)
    return Sprocket(teeth, pitch, 0.6 * pitch, thickness=thickness, bore_diameter=2 * bore, **circle)


def shaft_key(cad: Any, draw: Draw) -> Any:
    from bd_warehouse.shaft_key import ShaftKey

    sizes = [size for size in ShaftKey.sizes() if size % 3 == 0]
    cases = [
        {"shaft_diameter": size, "length": length, "key_form": form}
        for size in sizes
        for form in ("A", "B")
        for length in (round(1.2 * size), round(2 * size), round(3 * size))
    ]
    return ShaftKey(**draw.case(cases))


def retaining_ring(cad: Any, draw: Draw) -> Any:
    from bd_warehouse import retaining_ring as rings

    names = "ExternalSnapRing", "InternalSnapRing"
    case = draw.case(
        [{"class": name, "size": size} for name in names for size in getattr(rings, name).sizes()]
    )
    return getattr(rings, case["class"])(case["size"])


def eccentric_bushing(cad: Any, draw: Draw) -> Any:
    from bd_warehouse.bushing import HexFlangedEccentricBushing

    body = draw.real("body", 6, 30)
    bore = body * draw.real("bore", 0.4, 0.7)
    eccentricity = (body - bore) / 2 * draw.real("eccentricity", 0.1, 0.7)
    length, flange = body * draw.real("length", 0.3, 1.5), body * draw.real("flange", 0.15, 0.5)
    return HexFlangedEccentricBushing(bore, body, length, flange, 1.3 * body, eccentricity)


def _bearing(draw: Draw, *names: str) -> Any:
    from bd_warehouse import bearing

    classes = [getattr(bearing, name) for name in names]
    cases = [
        {"class": of.__name__, "bearing_type": kind, "size": size}
        for of in classes
        for kind in sorted(of.types())
        for size in of.sizes(kind)
    ]
    case = draw.case(cases)
    return getattr(bearing, case["class"])(case["size"], case["bearing_type"])


def _thickness(draw: Draw, module: float) -> float:
    return round(module * draw.real("thickness", 3, 12), 2)


def _bored(cad: Any, draw: Draw, gear: Any, pitch: float) -> Any:
    """Return a gear with a bore, a keyway or a hub, or none."""
    kind, radius = (
        draw.choice("bore", ("none", "round", "keyed", "hub")),
        pitch * draw.real("bore_size", 0.08, 0.2),
    )
    if kind == "none":
        return gear
    height = gear.bounding_box().size.Z
    if kind == "hub":
        gear += cad.Pos(0, 0, height) * cad.Cylinder(1.5 * radius, height)
    gear -= cad.Cylinder(radius, 5 * height)
    return gear - cad.Pos(radius, 0, 0) * cad.Box(radius, radius / 2, 5 * height) if kind == "keyed" else gear
