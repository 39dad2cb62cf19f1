"""Pipes, flanges and O-rings of ASME and ISO tables (bd_warehouse), and fittings of random sizes."""

from __future__ import annotations

from typing import Any

from fa_pyg.cad.draw import Draw

__all__ = [
    "blind_flange",
    "manifold",
    "o_ring",
    "pipe",
    "pipe_bend",
    "slip_on_flange",
    "socket_weld_flange",
    "tee_fitting",
    "weld_neck_flange",
]

SIZES = ("1/2", "3/4", "1", "1 1/4", "1 1/2", "2", "2 1/2", "3", "4", "5", "6", "8", "10", "12")
CLASSES = (150, 300, 600, 900, 1500)
FACES = ("Flat", "Raised", "Ring", "Groove")


def o_ring(cad: Any, draw: Draw) -> Any:
    from bd_warehouse.o_rings import ORing

    return ORing(**draw.case([{"size": size} for size in ORing.sizes()]))


def pipe(cad: Any, draw: Draw) -> Any:
    from bd_warehouse.pipe import PipeSection

    walls = sorted(set(PipeSection.pipe_data.values()))  # of all materials and schedules, in inches
    cases = [{"diameter": d, "wall": t, "length": length} for d, t in walls for length in (1, 2.5, 6)]
    case = draw.case(cases)
    radius, wall = 12.7 * case["diameter"], 25.4 * case["wall"]
    return cad.extrude(cad.Circle(radius) - cad.Circle(radius - wall), 2 * case["length"] * radius)


def pipe_bend(cad: Any, draw: Draw) -> Any:
    radius = draw.real("radius", 5, 60)
    bend, angle = radius * draw.real("bend", 1.5, 4), draw.choice("angle", (30, 45, 60, 90, 120, 180))
    path = cad.CenterArc((0, 0, 0), bend, 0, angle)
    ring = cad.Circle(radius) - cad.Circle(radius * draw.real("bore", 0.6, 0.92))
    tube = cad.sweep(cad.Plane((bend, 0, 0), x_dir=(1, 0, 0), z_dir=(0, 1, 0)) * ring, path)
    if draw.flag("straight"):
        end = radius * draw.real("end", 0.5, 3)
        tube += cad.extrude(cad.Plane((bend, 0, 0), x_dir=(1, 0, 0), z_dir=(0, -1, 0)) * ring, end)
    return tube


def blind_flange(cad: Any, draw: Draw) -> Any:
    return _flange(draw, "BlindFlange")


def slip_on_flange(cad: Any, draw: Draw) -> Any:
    return _flange(draw, "SlipOnFlange")


def socket_weld_flange(cad: Any, draw: Draw) -> Any:
    return _flange(draw, "SocketWeldFlange", SIZES[:8], FACES[:2])


def weld_neck_flange(cad: Any, draw: Draw) -> Any:
    return _flange(draw, "WeldNeckFlange")


def tee_fitting(cad: Any, draw: Draw) -> Any:
    radius = draw.real("radius", 5, 40)
    bore, length = radius * draw.real("bore", 0.55, 0.85), radius * draw.real("length", 3, 6)
    branch, ways = radius * draw.real("branch", 0.5, 0.95), draw.choice("ways", (3, 4))
    tilt = draw.choice("tilt", (90, 90, 60, 45))
    side = cad.Rot(0, tilt, 0)
    height = length / 2 if ways == 3 else length
    at = cad.Pos(0, 0, height / 2 if ways == 3 else 0)
    outer = cad.Cylinder(radius, length) + side * at * cad.Cylinder(branch, height)
    inner = cad.Cylinder(bore, 2 * length) + side * at * cad.Cylinder(bore * branch / radius, 1.01 * height)
    return outer - inner


def manifold(cad: Any, draw: Draw) -> Any:
    size = sorted(draw.reals("size", 3, 20, 80))
    count = draw.whole("ports", 2, 5)
    radius = min(size[0], size[1]) * draw.real("bore", 0.1, 0.22)
    block = cad.Box(size[2], size[1], size[0])
    block = cad.chamfer(block.edges(), 0.05 * size[0]) if draw.flag("chamfered") else block
    block -= cad.Rot(0, 90, 0) * cad.Cylinder(radius, 2 * size[2])
    pitch = size[2] / count
    port = min(radius, 0.35 * pitch)
    for k in range(count):
        x = (k - (count - 1) / 2) * pitch
        block -= cad.Pos(x, 0, size[0] / 2) * cad.Cylinder(0.8 * port, size[0])
        block -= cad.Pos(x, 0, size[0] / 2) * cad.Cylinder(1.2 * port, 0.3 * size[0])
    return block


def _flange(draw: Draw, name: str, sizes: tuple[str, ...] = SIZES, faces: tuple[str, ...] = FACES) -> Any:
    from bd_warehouse import flange

    cases = [
        {"nps": size, "flange_class": of, "face_type": face}
        for size in sizes
        for of in CLASSES
        for face in faces
    ]
    return getattr(flange, name)(**draw.case([case for case in cases if _is_standard(flange.Flange, case)]))


def _is_standard(flange: Any, case: dict[str, Any]) -> bool:
    try:
        flange.get_flange_data(*case.values())
    except (ValueError, KeyError):
        return False
    return True
