"""Extrusions of random profiles: sections, plates, brackets, enclosures."""

from __future__ import annotations

from math import cos, pi, sin
from typing import Any

from fa_pyg.cad.draw import Draw

__all__ = [
    "angle_bracket",
    "angle_profile",
    "beam_profile",
    "channel_profile",
    "crescent_wrench",
    "enclosure",
    "gusset",
    "heat_sink",
    "hollow_section",
    "perforated_plate",
    "polygon_prism",
    "rounded_plate",
    "slotted_disk",
    "spline_prism",
    "yoke_bracket",
]


def polygon_prism(cad: Any, draw: Draw) -> Any:
    """A prism over a star-shaped polygon, straight or tapered."""
    points = _star(draw, draw.whole("corners", 5, 11), 0.5)
    solid = cad.extrude(
        cad.make_face(cad.Polyline(*points, close=True)), draw.real("height", 3, 25), taper=_taper(draw)
    )
    return solid - cad.Cylinder(draw.real("bore", 1, 4), 100) if draw.flag("bored") else solid


def spline_prism(cad: Any, draw: Draw) -> Any:
    """A prism over a closed smooth curve: a cam or a lobed rotor."""
    points = _star(draw, draw.whole("corners", 4, 8), 0.6)
    solid = cad.extrude(cad.make_face(cad.Spline(*points, periodic=True)), draw.real("height", 3, 25))
    return solid - cad.Cylinder(draw.real("bore", 1, 4), 100) if draw.flag("bored") else solid


def rounded_plate(cad: Any, draw: Draw) -> Any:
    """A rounded plate with four holes in its corners and a window."""
    w, h, t = draw.real("width", 20, 60), draw.real("depth", 15, 40), draw.real("thickness", 1, 8)
    corner = min(w, h) * draw.real("corner", 0.08, 0.22)
    plate = cad.extrude(cad.RectangleRounded(w, h, corner), t)
    hole = cad.Cylinder(corner * draw.real("hole", 0.3, 0.6), 100)
    for location in cad.GridLocations(w - 2 * corner, h - 2 * corner, 2, 2):
        plate -= location * hole
    kind = draw.choice("window", ("none", "circle", "slot"))
    if kind == "circle":
        plate -= cad.Cylinder(0.25 * min(w, h), 100)
    elif kind == "slot":
        plate -= cad.extrude(cad.Pos(0, 0, -t) * cad.SlotOverall(0.6 * w, 0.25 * h), 3 * t)
    return plate


def perforated_plate(cad: Any, draw: Draw) -> Any:
    """A plate with a grid of round or hexagonal holes."""
    columns, rows, pitch = draw.whole("columns", 2, 7), draw.whole("rows", 2, 5), draw.real("pitch", 5, 10)
    hole, sides = pitch * draw.real("hole", 0.2, 0.38), draw.choice("sides", (0, 6, 4))
    shape = cad.Circle(hole) if not sides else cad.RegularPolygon(hole, sides)
    face = cad.Rectangle(columns * pitch, rows * pitch)
    for location in cad.GridLocations(pitch, pitch, columns, rows):
        face -= location * shape
    return cad.extrude(face, pitch * draw.real("thickness", 0.1, 0.8))


def angle_profile(cad: Any, draw: Draw) -> Any:
    """An L profile, with a rounded inner corner."""
    a, b, t = draw.real("a", 10, 30), draw.real("b", 10, 30), draw.real("thickness", 1, 4)
    face = cad.make_face(cad.Polyline((0, 0), (a, 0), (a, t), (t, t), (t, b), (0, b), close=True))
    solid = cad.extrude(face, draw.real("length", 10, 80))
    inner = solid.edges().filter_by(cad.Axis.Z).sort_by_distance((t, t, 0))[0]
    return cad.fillet(inner, t * draw.real("fillet", 0.3, 1.2))


def channel_profile(cad: Any, draw: Draw) -> Any:
    """A U profile."""
    w, h, t = draw.real("width", 10, 30), draw.real("depth", 6, 25), draw.real("thickness", 1, 2.5)
    points = (0, 0), (w, 0), (w, h), (w - t, h), (w - t, t), (t, t), (t, h), (0, h)
    solid = cad.extrude(cad.make_face(cad.Polyline(*points, close=True)), draw.real("length", 10, 80))
    return cad.fillet(solid.edges().filter_by(cad.Axis.Z), 0.4 * t) if draw.flag("rounded") else solid


def beam_profile(cad: Any, draw: Draw) -> Any:
    """An I or T beam with filleted roots."""
    w, h, t = draw.real("width", 10, 30), draw.real("depth", 12, 40), draw.real("thickness", 1, 3)
    face = cad.Rectangle(t, h) + cad.Pos(0, (h - t) / 2) * cad.Rectangle(w, t)
    if draw.choice("kind", ("I", "I", "T")) == "I":
        face += cad.Pos(0, (t - h) / 2) * cad.Rectangle(w * draw.real("lower", 0.7, 1), t)
    roots = [v for v in face.vertices() if abs(abs(v.X) - t / 2) < 1e-6 and abs(abs(v.Y) - h / 2 + t) < 1e-6]
    return cad.extrude(cad.fillet(roots, t * draw.real("fillet", 0.3, 1.2)), draw.real("length", 10, 80))


def hollow_section(cad: Any, draw: Draw) -> Any:
    """A rectangular, round or hexagonal tube."""
    w, h, share = draw.real("width", 8, 30), draw.real("depth", 8, 30), draw.real("wall", 0.08, 0.2)
    kind, t = draw.choice("kind", ("rectangle", "hexagon", "slot")), share * min(w, h)
    if kind == "rectangle":
        face = cad.RectangleRounded(w, h, 2 * t) - cad.RectangleRounded(w - 2 * t, h - 2 * t, t)
    elif kind == "hexagon":
        face = cad.RegularPolygon(w / 2, 6) - cad.RegularPolygon(w / 2 - t, 6)
    else:
        face = cad.SlotOverall(w + h, h) - cad.SlotOverall(w + h - 2 * t, h - 2 * t)
    return cad.extrude(face, draw.real("length", 10, 80))


def angle_bracket(cad: Any, draw: Draw) -> Any:
    """An L bracket with holes in both legs and a rib or not."""
    w, a, b = draw.real("width", 10, 30), draw.real("a", 15, 35), draw.real("b", 15, 35)
    t = draw.real("thickness", 1.5, 4)
    solid = cad.Pos(a / 2, 0, t / 2) * cad.Box(a, w, t) + cad.Pos(t / 2, 0, b / 2) * cad.Box(t, w, b)
    if draw.flag("rib"):
        side = min(a, b) * draw.real("rib_size", 0.4, 0.8)
        rib = cad.make_face(cad.Polyline((t, t), (side, t), (t, side), close=True))
        solid += cad.extrude(cad.Plane.XZ * rib, t / 2, both=True)
    hole, count = w * draw.real("hole", 0.06, 0.13), draw.whole("holes", 1, 2)
    for k in range(count):
        y = 0.5 * w * (k - (count - 1) / 2) + (0.28 * w if count == 1 else 0)
        solid -= cad.Pos(0.65 * a, y, 0) * cad.Cylinder(hole, 100)
        solid -= cad.Pos(0, y, 0.65 * b) * cad.Rot(0, 90, 0) * cad.Cylinder(hole, 100)
    return solid


def yoke_bracket(cad: Any, draw: Draw) -> Any:
    """A U bracket: a base and two round ears with a cross bore."""
    w, gap, t = draw.real("width", 8, 24), draw.real("gap", 6, 24), draw.real("thickness", 2, 5)
    height, base = w * draw.real("height", 0.8, 2), gap + 2 * t
    ear = cad.Pos(0, height / 2) * cad.Rectangle(w, height) + cad.Pos(0, height) * cad.Circle(w / 2)
    ear -= cad.Pos(0, height) * cad.Circle(w * draw.real("bore", 0.15, 0.35))
    ears = cad.extrude(cad.Plane.XZ * ear, t)
    solid = cad.Pos(0, 0, t / 2) * cad.Box(w * draw.real("base", 1, 2), base, t)
    solid += cad.Pos(0, base / 2, 0) * ears + cad.Pos(0, t - base / 2, 0) * ears
    return solid - cad.Cylinder(0.2 * min(w, gap), 3 * t) if draw.flag("hole") else solid


def gusset(cad: Any, draw: Draw) -> Any:
    """A triangular plate with rounded corners and lightening holes."""
    a, b, t = draw.real("a", 15, 50), draw.real("b", 15, 50), draw.real("thickness", 1, 8)
    face = cad.make_face(cad.Polyline((0, 0), (a, 0), (0, b), close=True))
    face = cad.fillet(face.vertices(), 0.06 * min(a, b))
    radius = a * b / (a + b + (a * a + b * b) ** 0.5)  # of the inscribed circle
    face -= cad.Pos(radius, radius) * cad.Circle(radius * draw.real("hole", 0.3, 0.8))
    return cad.extrude(face, t)


def heat_sink(cad: Any, draw: Draw) -> Any:
    """A base with parallel fins."""
    fins, pitch = draw.whole("fins", 4, 12), draw.real("pitch", 2, 5)
    height, base, length = draw.real("height", 5, 25), draw.real("base", 1.5, 5), draw.real("length", 15, 60)
    fin, width = pitch * draw.real("fin", 0.2, 0.5), fins * pitch
    solid = cad.Pos(0, 0, -base / 2) * cad.Box(width, length, base)
    for k in range(fins):
        x = (k - (fins - 1) / 2) * pitch
        solid += cad.Pos(x, 0, height / 2) * cad.Box(fin, length, height)
    return solid


def enclosure(cad: Any, draw: Draw) -> Any:
    """An open box with rounded edges and screw posts."""
    w, d, h = draw.real("width", 25, 60), draw.real("depth", 20, 45), draw.real("height", 8, 30)
    t = draw.real("wall", 1, 2.5)
    corner = t + draw.real("corner", 0.5, 4)
    solid = cad.extrude(cad.RectangleRounded(w, d, corner), h)
    inside = cad.extrude(cad.RectangleRounded(w - 2 * t, d - 2 * t, corner - t + 0.01), h)
    solid -= cad.Pos(0, 0, t) * inside
    if draw.flag("posts"):
        post = cad.Cylinder(2 * t, 0.7 * h) - cad.Cylinder(t, h)
        for location in cad.GridLocations(w - 7 * t, d - 7 * t, 2, 2):
            solid += cad.Pos(0, 0, t + 0.35 * h) * location * post
    return solid


def slotted_disk(cad: Any, draw: Draw) -> Any:
    """A disk with radial slots or a circle of holes: an encoder wheel, a brake disk."""
    radius, count, t = draw.real("radius", 12, 40), draw.whole("count", 3, 16), draw.real("thickness", 1, 8)
    face = cad.Circle(radius) - cad.Circle(radius * draw.real("bore", 0.1, 0.3))
    size = radius * min(0.12, 1.2 / count)
    cut = cad.SlotOverall(radius * 0.35, 2 * size) if draw.flag("slots") else cad.Circle(size)
    for location in cad.PolarLocations(0.65 * radius, count):
        face -= location * cut
    return cad.extrude(face, t)


def crescent_wrench(cad: Any, draw: Draw) -> Any:
    """An open-end wrench: a bar between two heads with hexagonal jaws."""
    length, jaw = draw.real("length", 50, 120), draw.real("jaw", 6, 18)
    other, t = jaw * draw.real("other", 0.7, 1.2), draw.real("thickness", 2, 6)
    face = cad.Rectangle(length, 0.9 * min(jaw, other))
    for end, size in ((-1, jaw), (1, other)):
        at = cad.Pos(end * length / 2, 0)
        face += at * cad.Circle(1.15 * size)
        mouth = cad.RegularPolygon(size / 2, 6, major_radius=False) + cad.Pos(0.9 * size, 0) * cad.Rectangle(
            1.8 * size, size
        )
        face -= at * cad.Rot(0, 0, 15 if end > 0 else 195) * mouth
    return cad.extrude(face, t)


def _star(draw: Draw, count: int, least: float) -> list[tuple[float, float]]:
    """Return points around the origin at random distances."""
    distances = draw.reals("distances", count, 15 * least, 15)
    return [(r * cos(2 * pi * k / count), r * sin(2 * pi * k / count)) for k, r in enumerate(distances)]


def _taper(draw: Draw) -> float:
    return draw.choice("taper", (0, 0, 5))
