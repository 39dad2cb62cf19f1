"""Solids of revolution of random profiles: shafts, pulleys, knobs, vessels."""

from __future__ import annotations

from typing import Any

from fa_pyg.cad.draw import Draw

__all__ = [
    "ball_knob",
    "dome",
    "dumbbell",
    "flanged_bushing",
    "nozzle",
    "piston",
    "spoked_wheel",
    "stepped_shaft",
    "torus_ring",
    "turned_profile",
    "turned_spline",
    "v_pulley",
]


def stepped_shaft(cad: Any, draw: Draw) -> Any:
    """A shaft of several diameters with chamfered ends and a keyway or not."""
    radii = draw.reals("radii", draw.whole("steps", 2, 5), 3, 12)
    lengths = draw.reals("lengths", len(radii), 5, 25)
    solid = _stack(cad, radii, lengths)
    if draw.flag("chamfered"):
        ends = solid.edges().filter_by(cad.GeomType.CIRCLE).sort_by(cad.Axis.Z)
        solid = cad.chamfer([ends[0], ends[-1]], 0.12 * min(radii))
    if draw.flag("keyway"):
        r, length = radii[0], lengths[0]
        slot = cad.SlotOverall(0.7 * length, 0.5 * min(r, length))
        cut = cad.extrude(cad.Plane((r * 0.6, 0, length / 2), x_dir=(0, 0, 1), z_dir=(1, 0, 0)) * slot, r)
        solid -= cut
    return solid


def turned_profile(cad: Any, draw: Draw) -> Any:
    """A revolved polyline: cylinders, cones and disks."""
    count = draw.whole("corners", 4, 8)
    radii, steps = draw.reals("radii", count, 3, 15), draw.reals("steps", count, 1, 8)
    heights = [sum(steps[:k]) for k in range(count)]
    inner = draw.choice("bore", (0, 0, 1)) * 0.5 * min(radii)
    points = [(inner, heights[0]), *zip(radii, heights, strict=True), (inner, heights[-1])]
    return _revolved(cad, cad.Polyline(*points, close=True))


def turned_spline(cad: Any, draw: Draw) -> Any:
    """A revolved smooth curve: a vase, a handle."""
    count = draw.whole("corners", 4, 7)
    radii, step = draw.reals("radii", count, 4, 12), draw.real("step", 4, 10)
    curve = cad.Spline(*((r, k * step) for k, r in enumerate(radii)))
    top = (count - 1) * step
    inner = draw.choice("bore", (0.0, 1.0)) * 1.5
    return _revolved(cad, curve + cad.Polyline((radii[-1], top), (inner, top), (inner, 0), (radii[0], 0)))


def v_pulley(cad: Any, draw: Draw) -> Any:
    """A pulley with V grooves, a bore and a keyway or not."""
    radius, grooves, width = (
        draw.real("radius", 12, 40),
        draw.whole("grooves", 1, 3),
        draw.real("groove", 4, 9),
    )
    depth, rim = width * draw.real("depth", 0.6, 1), 0.25 * width
    points, x = [(radius, 0.0)], rim
    for _ in range(grooves):
        points += [
            (radius, x),
            (radius - depth, x + 0.35 * width),
            (radius - depth, x + 0.65 * width),
            (radius, x + width),
        ]
        x += width + rim
    bore = (radius - depth) * draw.real("bore", 0.15, 0.5)
    solid = _revolved(cad, cad.Polyline(*points, (radius, x), (bore, x), (bore, 0), close=True))
    return solid - cad.Pos(bore, 0, 0) * cad.Box(bore, 0.5 * bore, 10 * x) if draw.flag("keyed") else solid


def spoked_wheel(cad: Any, draw: Draw) -> Any:
    """A wheel with a rim, a hub and round spokes."""
    radius, spokes, width = draw.real("radius", 20, 50), draw.whole("spokes", 3, 8), draw.real("width", 3, 12)
    rim, hub = 0.84 * radius, radius * draw.real("hub", 0.15, 0.35)
    solid = cad.Cylinder(radius, width) - cad.Cylinder(rim, 2 * width)
    solid += cad.Cylinder(hub, width * draw.real("hub_width", 1, 2))
    spoke = cad.Rot(0, 90, 0) * cad.Cylinder(0.3 * min(width, hub), 0.92 * radius - 0.5 * hub)
    for location in cad.PolarLocations(0.46 * radius + 0.25 * hub, spokes):
        solid += location * spoke
    return solid - cad.Cylinder(0.5 * hub, 10 * width)


def ball_knob(cad: Any, draw: Draw) -> Any:
    """A ball on a neck with a flat and a threaded hole's bore."""
    radius = draw.real("radius", 6, 20)
    neck, length = radius * draw.real("neck", 0.3, 0.6), radius * draw.real("length", 1, 3)
    solid = cad.Sphere(radius) + cad.Pos(0, 0, -length / 2) * cad.Cylinder(neck, length)
    if draw.flag("collar"):
        solid += cad.Pos(0, 0, -length) * cad.Cylinder(1.5 * neck, 0.2 * length)
    return solid - cad.Pos(0, 0, -length) * cad.Cylinder(0.5 * neck, 1.2 * length)


def dumbbell(cad: Any, draw: Draw) -> Any:
    """A bar between two balls or disks."""
    length, bar = draw.real("length", 20, 60), draw.real("bar", 2, 5)
    first, second = bar * draw.real("first", 1.5, 3.5), bar * draw.real("second", 1.5, 3.5)
    ends = [
        cad.Sphere(r) if draw.flag(f"ball{k}") else cad.Cylinder(r, r) for k, r in enumerate((first, second))
    ]
    return (
        cad.Cylinder(bar, length) + cad.Pos(0, 0, length / 2) * ends[0] + cad.Pos(0, 0, -length / 2) * ends[1]
    )


def nozzle(cad: Any, draw: Draw) -> Any:
    """A hollow cone between two tubes."""
    wide, narrow, t = draw.real("wide", 8, 20), draw.real("narrow", 2, 6), draw.real("wall", 0.8, 2)
    a, b, c = draw.reals("lengths", 3, 4, 20)
    outer = [(wide + t, 0), (wide + t, a), (narrow + t, a + b), (narrow + t, a + b + c)]
    inner = [(narrow, a + b + c), (narrow, a + b), (wide, a), (wide, 0)]
    return _revolved(cad, cad.Polyline(*outer, *inner, close=True))


def piston(cad: Any, draw: Draw) -> Any:
    """A piston: ring grooves, a hollow skirt and a pin bore."""
    radius, height = draw.real("radius", 10, 30), draw.real("height", 0.9, 1.6)
    height, rings = height * radius, draw.whole("rings", 1, 3)
    solid = cad.Cylinder(radius, height)
    solid -= cad.Pos(0, 0, -0.3 * height) * cad.Cylinder(0.78 * radius, height)
    for k in range(rings):
        ring = cad.Cylinder(2 * radius, 0.04 * height) - cad.Cylinder(0.93 * radius, height)
        solid -= cad.Pos(0, 0, height * (0.42 - 0.09 * k)) * ring
    pin = cad.Rot(90, 0, 0) * cad.Cylinder(radius * draw.real("pin", 0.15, 0.25), 3 * radius)
    return solid - cad.Pos(0, 0, -0.15 * height) * pin


def dome(cad: Any, draw: Draw) -> Any:
    """A hollow or solid spherical cap on a flange with holes."""
    radius, t = draw.real("radius", 10, 30), draw.real("wall", 0.06, 0.2)
    solid = cad.Sphere(radius, arc_size1=0)
    flange = radius * draw.real("flange", 1.2, 1.6)
    solid += cad.Cylinder(flange, t * radius)
    if draw.flag("hollow"):
        solid -= cad.Sphere(radius * (1 - t))
    for location in cad.PolarLocations((radius + flange) / 2, draw.whole("holes", 3, 8)):
        solid -= location * cad.Cylinder(0.25 * (flange - radius), 10 * radius)
    return solid


def flanged_bushing(cad: Any, draw: Draw) -> Any:
    """A bushing with a flange, filleted or chamfered."""
    bore, wall, length = draw.real("bore", 3, 15), draw.real("wall", 0.8, 3), draw.real("length", 5, 30)
    flange = draw.real("flange", 1.3, 1.9) * (bore + wall)
    solid = cad.Cylinder(bore + wall, length)
    solid += cad.Pos(0, 0, -length / 2) * cad.Cylinder(flange, wall)
    solid -= cad.Cylinder(bore, 3 * length)
    rims = solid.edges().filter_by(cad.GeomType.CIRCLE)
    size = wall * draw.real("edge", 0.1, 0.35)
    return cad.fillet(rims, size) if draw.flag("filleted") else cad.chamfer(rims, size)


def torus_ring(cad: Any, draw: Draw) -> Any:
    """A whole or partial ring of round section, with a stem or not: an eye bolt, a handle."""
    major = draw.real("major", 8, 25)
    minor = major * draw.real("minor", 0.1, 0.35)
    solid = cad.Torus(major, minor)
    kind, length = draw.choice("kind", ("ring", "eye", "eye")), major * draw.real("stem", 1, 3)
    if kind == "ring":
        return solid - cad.Pos(2 * major, 0, 0) * cad.Box(
            2 * draw.real("cut", 1, 2) * major, 9 * major, 9 * major
        )
    stem = cad.Pos(0, -major - length / 2, 0) * cad.Rot(90, 0, 0) * cad.Cylinder(0.8 * minor, length)
    return solid + stem


def _stack(cad: Any, radii: list[float], lengths: list[float]) -> Any:
    """Return cylinders, one on the other."""
    points, z = [(0.0, 0.0)], 0.0
    for radius, length in zip(radii, lengths, strict=True):
        points += [(radius, z), (radius, z + length)]
        z += length
    return _revolved(cad, cad.Polyline(*points, (0, z), close=True))


def _revolved(cad: Any, curve: Any) -> Any:
    return cad.revolve(cad.Plane.XZ * cad.make_face(curve), cad.Axis.Z)
