"""Unions and differences of primitives, with fillets and chamfers: blocks, levers, fittings."""

from __future__ import annotations

from typing import Any

from fa_pyg.cad.draw import Draw

__all__ = [
    "chamfered_block",
    "clevis",
    "connecting_rod",
    "die_block",
    "filleted_block",
    "lever",
    "pillow_block",
    "primitive_cut",
    "primitive_union",
    "t_handle",
    "universal_cross",
]


def primitive_union(cad: Any, draw: Draw) -> Any:
    """A union of overlapping boxes, cylinders, cones, spheres and tori."""
    solid = _primitive(cad, draw, 0)
    for k in range(1, draw.whole("count", 2, 5)):
        x, y, z = draw.reals(f"at{k}", 3, -5, 5)
        solid += cad.Pos(x, y, z) * _primitive(cad, draw, k)
    return solid


def primitive_cut(cad: Any, draw: Draw) -> Any:
    """A block or cylinder from which primitives are cut."""
    size = draw.reals("size", 3, 14, 24)
    solid = cad.Box(*size) if draw.flag("block") else cad.Cylinder(size[0] / 2, size[1])
    for k in range(draw.whole("count", 1, 4)):
        x, y, z = draw.reals(f"at{k}", 3, -10, 10)
        solid -= cad.Pos(x, y, z) * _primitive(cad, draw, k)
    return solid


def filleted_block(cad: Any, draw: Draw) -> Any:
    """A block with some or all edges filleted, and a boss or a pocket."""
    size = draw.reals("size", 3, 8, 30)
    solid, radius = cad.Box(*size), min(size) * draw.real("fillet", 0.1, 0.4)
    axis = draw.choice("edges", ("all", "X", "Y", "Z"))
    edges = solid.edges() if axis == "all" else solid.edges().filter_by(getattr(cad.Axis, axis))
    solid = cad.fillet(edges, radius)
    kind, tool = draw.choice("kind", ("plain", "boss", "pocket")), 0.25 * min(size)
    if kind == "boss":
        return solid + cad.Pos(0, 0, size[2] / 2) * cad.Cylinder(tool, size[2])
    return solid - cad.Pos(0, 0, size[2] / 2) * cad.Cylinder(tool, size[2]) if kind == "pocket" else solid


def chamfered_block(cad: Any, draw: Draw) -> Any:
    """A block with chamfered edges and a cross bore or slot."""
    size = draw.reals("size", 3, 8, 30)
    solid = cad.Box(*size)
    length = min(size) * draw.real("chamfer", 0.05, 0.3)
    axis = draw.choice("edges", ("all", "X", "Y", "Z"))
    edges = solid.edges() if axis == "all" else solid.edges().filter_by(getattr(cad.Axis, axis))
    solid = cad.chamfer(edges, length)
    if draw.flag("bored"):
        solid -= cad.Rot(90, 0, 0) * cad.Cylinder(0.25 * min(size), 100)
    if draw.flag("slotted"):
        solid -= cad.Pos(0, 0, size[2] / 2) * cad.Box(100, 0.3 * size[1], 0.5 * size[2])
    return solid


def lever(cad: Any, draw: Draw) -> Any:
    """A lever: two bosses of different size joined by a tapered web."""
    first, second, length = draw.real("first", 5, 12), draw.real("second", 3, 9), draw.real("length", 25, 60)
    web, boss = draw.real("web", 2, 5), draw.real("boss", 6, 14)
    arm = cad.make_face(
        cad.Polyline(
            (0, 0.8 * first), (length, 0.8 * second), (length, -0.8 * second), (0, -0.8 * first), close=True
        )
    )
    solid = cad.extrude(arm, web / 2, both=True) + cad.Cylinder(first, boss)
    solid += cad.Pos(length, 0, 0) * cad.Cylinder(second, boss)
    solid -= cad.Cylinder(0.55 * first, 100) + cad.Pos(length, 0, 0) * cad.Cylinder(0.5 * second, 100)
    if draw.flag("window"):
        solid -= cad.Pos(length / 2, 0, 0) * cad.Cylinder(0.4 * min(first, second), 100)
    return solid


def connecting_rod(cad: Any, draw: Draw) -> Any:
    """Two rings joined by a bar with a milled pocket on each side."""
    big, small, length = draw.real("big", 8, 14), draw.real("small", 4, 7), draw.real("length", 30, 70)
    depth = draw.real("depth", 4, 10)
    bar = cad.Pos(length / 2, 0, 0) * cad.Box(length, 1.2 * small, 0.7 * depth)
    solid = bar + cad.Cylinder(big, depth) + cad.Pos(length, 0, 0) * cad.Cylinder(small, depth)
    solid -= cad.Cylinder(0.7 * big, 100) + cad.Pos(length, 0, 0) * cad.Cylinder(0.6 * small, 100)
    pocket = cad.SlotOverall(0.8 * (length - big - small), 0.6 * small)
    middle = (length + big - small) / 2
    for side in (1, -1):
        at = cad.Pos(middle, 0, side * 0.35 * depth)
        solid -= at * cad.extrude(pocket, 0.15 * depth, both=True)
    return solid


def pillow_block(cad: Any, draw: Draw) -> Any:
    """A bearing housing: a foot with two holes and a bored arch."""
    radius, width = draw.real("radius", 8, 20), draw.real("width", 6, 18)
    height, foot = radius * draw.real("height", 1, 1.8), radius * draw.real("foot", 1.7, 2.4)
    face = cad.Circle(radius) + cad.Pos(0, -height / 2) * cad.Rectangle(2 * radius, height)
    face += cad.Pos(0, -height) * cad.Rectangle(2 * foot, 0.35 * radius)
    face -= cad.Circle(radius * draw.real("bore", 0.4, 0.75))
    solid = cad.extrude(cad.Plane.XZ * face, width / 2, both=True)
    hole = cad.Cylinder(0.3 * min(foot - radius, width), 10 * height)
    x = (foot + radius) / 2
    return solid - cad.Pos(x, 0, 0) * hole - cad.Pos(-x, 0, 0) * hole


def clevis(cad: Any, draw: Draw) -> Any:
    """A fork on a round shank, with a cross bore and rounded ends."""
    size, gap, length = draw.real("size", 8, 20), draw.real("gap", 0.3, 0.55), draw.real("length", 1.2, 2.5)
    body = cad.Box(size, size, length * size)
    body = cad.fillet(body.edges().filter_by(cad.Axis.Z), 0.15 * size)
    body -= cad.Pos(0, 0, 0.3 * length * size) * cad.Box(gap * size, 2 * size, length * size)
    body -= cad.Pos(0, 0, 0.3 * length * size) * cad.Rot(0, 90, 0) * cad.Cylinder(0.22 * size, 3 * size)
    shank = size * draw.real("shank", 0.5, 2)
    return body + cad.Pos(0, 0, -(length * size + shank) / 2) * cad.Cylinder(0.35 * size, shank)


def universal_cross(cad: Any, draw: Draw) -> Any:
    """The cross of a universal joint: two crossing pins and a ball or a block."""
    pin, length, other = draw.real("pin", 2, 6), draw.real("length", 20, 40), draw.real("other", 0.6, 1)
    solid = cad.Rot(90, 0, 0) * cad.Cylinder(pin, length)
    solid += cad.Rot(0, 90, 0) * cad.Cylinder(pin, other * length)
    core = pin * draw.real("core", 1.3, 2)
    solid += cad.Sphere(core) if draw.flag("ball") else cad.Box(1.8 * core, 1.8 * core, 1.8 * core)
    return solid - cad.Rot(90, 0, 0) * cad.Cylinder(0.4 * pin, 2 * length) if draw.flag("drilled") else solid


def t_handle(cad: Any, draw: Draw) -> Any:
    """A hex key with a cross handle of filleted ends."""
    flats, length = draw.real("flats", 3, 8), draw.real("length", 25, 70)
    grip, width = flats * draw.real("grip", 0.8, 1.6), draw.real("width", 20, 50)
    handle = cad.Rot(0, 90, 0) * cad.fillet(
        cad.Cylinder(grip, width).edges().filter_by(cad.GeomType.CIRCLE), 0.5 * grip
    )
    blade = cad.extrude(cad.RegularPolygon(flats / 2, 6, major_radius=False), -length)
    return handle + blade


def die_block(cad: Any, draw: Draw) -> Any:
    """A cube with spherical or conical dimples on its faces."""
    size, depth = draw.real("size", 10, 30), draw.real("depth", 0.1, 0.25)
    solid = cad.fillet(cad.Box(size, size, size).edges(), size * draw.real("fillet", 0.04, 0.15))
    for k, turn in enumerate(((0, 0, 0), (90, 0, 0), (0, 90, 0), (180, 0, 0), (-90, 0, 0), (0, -90, 0))):
        count = draw.whole(f"dots{k}", 0, 3)
        for j in range(count):
            x = (j - (count - 1) / 2) * 0.28 * size
            tool = (
                cad.Sphere(0.5 * depth * size)
                if draw.flag(f"ball{k}{j}")
                else cad.Cone(0.01, 0.12 * size, depth * size)
            )
            solid -= cad.Rot(*turn) * cad.Pos(x, 0, size / 2) * tool
    return solid


def _primitive(cad: Any, draw: Draw, k: int) -> Any:
    kind = draw.choice(f"kind{k}", ("box", "cylinder", "cone", "sphere", "torus"))
    a, b, c = draw.reals(f"size{k}", 3, 4, 12)
    turn = cad.Rot(*draw.reals(f"turn{k}", 3, 0, 90)) if draw.flag(f"turned{k}") else cad.Rot(0, 0, 0)
    solids = {
        "box": lambda: cad.Box(a, b, c),
        "cylinder": lambda: cad.Cylinder(a / 2, 1.5 * b),
        "cone": lambda: cad.Cone(a / 1.5, c / 6, b),
        "sphere": lambda: cad.Sphere(a / 1.6),
        "torus": lambda: cad.Torus(a, a * b / 40),
    }
    return turn * solids[kind]()
