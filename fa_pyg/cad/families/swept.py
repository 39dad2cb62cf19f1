"""Lofts and sweeps: adapters, blades, bent rods, springs, helices."""

from __future__ import annotations

from typing import Any

from fa_pyg.cad.draw import Draw

__all__ = [
    "bent_rod",
    "blade",
    "coil_spring",
    "duct_adapter",
    "impeller",
    "polygon_loft",
    "s_hook",
    "smooth_loft",
    "twisted_bar",
]


def duct_adapter(cad: Any, draw: Draw) -> Any:
    """A loft from a rounded rectangle to a circle, offset, solid or hollow."""
    w, h, height = draw.real("width", 10, 30), draw.real("depth", 10, 30), draw.real("height", 10, 40)
    radius, shift = draw.real("radius", 4, 12), draw.real("shift", 0, 10)

    def between(inset: float) -> Any:
        lower = cad.RectangleRounded(w - 2 * inset, h - 2 * inset, 0.2 * min(w, h) - 0.1 * inset)
        upper = cad.Pos(shift, 0, height) * cad.Circle(radius - inset)
        return cad.loft([lower, upper])

    return between(0) - between(0.12 * radius + 0.5) if draw.flag("hollow") else between(0)


def polygon_loft(cad: Any, draw: Draw) -> Any:
    """A loft between two polygons of one number of corners, turned and scaled."""
    sides, height = draw.whole("sides", 3, 8), draw.real("height", 8, 30)
    first, second = draw.real("first", 5, 15), draw.real("second", 3, 12)
    upper = (
        cad.Pos(0, 0, height)
        * cad.Rot(0, 0, draw.real("turn", 0, 90 / sides))
        * cad.RegularPolygon(second, sides)
    )
    return cad.loft([cad.RegularPolygon(first, sides), upper], ruled=draw.flag("ruled"))


def smooth_loft(cad: Any, draw: Draw) -> Any:
    """A loft through ellipses: a boat hull, a bottle."""
    count, step = draw.whole("sections", 3, 5), draw.real("step", 6, 14)
    a, b = draw.reals("a", count, 4, 12), draw.reals("b", count, 4, 12)
    return cad.loft([cad.Pos(0, 0, k * step) * cad.Ellipse(a[k], b[k]) for k in range(count)])


def blade(cad: Any, draw: Draw) -> Any:
    """A twisted blade: a loft of turned airfoils on a root block."""
    chord, span, twist = draw.real("chord", 10, 25), draw.real("span", 20, 60), draw.real("twist", 5, 45)
    thick, tip = draw.real("thickness", 0.12, 0.3), draw.real("tip", 0.4, 1)

    def airfoil(scale: float) -> Any:
        c, t = chord * scale, chord * scale * thick
        upper = cad.Spline((-0.5 * c, 0), (-0.25 * c, 0.55 * t), (0.15 * c, 0.4 * t), (0.5 * c, 0))
        return cad.make_face(upper + cad.Spline((0.5 * c, 0), (0, -0.25 * t), (-0.5 * c, 0)))

    sections = [
        cad.Pos(0, 0, k * span / 2) * cad.Rot(0, 0, k * twist / 2) * airfoil(1 + k * (tip - 1) / 2)
        for k in range(3)
    ]
    solid = cad.loft(sections)
    if draw.flag("root"):
        solid += cad.Pos(0, 0, -0.1 * span) * cad.Box(1.1 * chord, 0.5 * chord, 0.2 * span + 0.01)
    return solid


def bent_rod(cad: Any, draw: Draw) -> Any:
    """A round or square rod along a filleted polyline."""
    count = draw.whole("corners", 2, 4)
    steps = draw.reals("steps", count + 1, 12, 30)
    ups = draw.reals("ups", count + 1, -12, 12)
    points, x, z = [(0.0, 0.0, 0.0)], 0.0, 0.0
    for k in range(count + 1):
        x, z = x + steps[k], z + ups[k]
        points.append((x, (k % 2) * steps[k] / 2, z))
    size = draw.real("radius", 1, 2.5)
    path = cad.FilletPolyline(*points, radius=3)
    section = cad.Circle(size) if draw.flag("round") else cad.RectangleRounded(2 * size, 2 * size, 0.3 * size)
    return cad.sweep(cad.Plane(path ^ 0) * section, path, transition=cad.Transition.RIGHT)


def s_hook(cad: Any, draw: Draw) -> Any:
    """A hook of round bar: two arcs and a straight part."""
    first, second = draw.real("first", 5, 14), draw.real("second", 5, 14)
    bar, straight = min(first, second) * draw.real("bar", 0.2, 0.45), draw.real("straight", 4, 30)
    upper = cad.CenterArc((-first, straight, 0), first, 0, draw.real("angle", 150, 230))
    lower = cad.CenterArc((second, 0, 0), second, 180, draw.real("other", 150, 230))
    path = cad.Wire([lower, cad.Line((0, 0), (0, straight)), upper])
    ends = cad.Sphere(bar)
    solid = cad.sweep(cad.Plane(lower @ 1, z_dir=lower % 1) * cad.Circle(bar), path)
    return (
        solid + cad.Pos(*(upper @ 1)) * ends + cad.Pos(*(lower @ 1)) * ends if draw.flag("round") else solid
    )


def coil_spring(cad: Any, draw: Draw) -> Any:
    """A compression spring: a circle swept along a helix."""
    radius, turns = draw.real("radius", 5, 15), draw.whole("turns", 2, 6)
    wire = radius * draw.real("wire", 0.08, 0.22)
    pitch = wire * draw.real("pitch", 2.4, 5)
    path = cad.Helix(pitch, pitch * turns, radius)
    return cad.sweep(cad.Plane(path @ 0, z_dir=path % 0) * cad.Circle(wire), path, is_frenet=True)


def twisted_bar(cad: Any, draw: Draw) -> Any:
    """A square, star or oval bar twisted along its axis."""
    kind, length, twist = (
        draw.choice("kind", ("square", "oval", "hexagon")),
        draw.real("length", 20, 60),
        draw.real("twist", 30, 180),
    )
    a, b = draw.real("a", 4, 10), draw.real("b", 3, 8)
    face = {
        "square": lambda: cad.Rectangle(a, b),
        "oval": lambda: cad.RectangleRounded(a + 1, b + 1, 0.45 * min(a, b)),
        "hexagon": lambda: cad.RegularPolygon(a, 6),
    }[kind]()
    count = 5
    return cad.loft(
        [
            cad.Pos(0, 0, k * length / count) * cad.Rot(0, 0, k * twist / count) * face
            for k in range(count + 1)
        ]
    )


def impeller(cad: Any, draw: Draw) -> Any:
    """A disk with curved vanes around a hub."""
    radius, vanes, height = draw.real("radius", 15, 40), draw.whole("vanes", 3, 8), draw.real("height", 3, 12)
    t = 0.06 * radius
    solid = cad.Pos(0, 0, -t / 2) * cad.Cylinder(radius, t) + cad.Pos(0, 0, height / 2) * cad.Cylinder(
        0.25 * radius, height
    )
    bend = draw.real("bend", 0.6, 1.4) * radius
    arc = cad.RadiusArc((0.2 * radius, 0), (0.95 * radius, 0), bend)
    vane = cad.extrude(cad.trace(arc, 0.7 * t), height * draw.real("vane", 0.5, 1))
    for location in cad.PolarLocations(0, vanes):
        solid += location * vane
    return solid - cad.Cylinder(0.12 * radius, 10 * height)
