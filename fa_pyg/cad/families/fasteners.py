"""Fasteners of ISO, DIN and ASME tables (bd_warehouse), with plain shanks and bores for threads."""

from __future__ import annotations

from typing import Any

from fa_pyg.cad.draw import Draw

__all__ = [
    "button_head_screw",
    "cheese_head_screw",
    "countersunk_screw",
    "domed_cap_nut",
    "heat_set_nut",
    "hex_flange_nut",
    "hex_flange_screw",
    "hex_head_screw",
    "hex_nut",
    "pan_head_screw",
    "plain_washer",
    "set_screw",
    "shoulder_screw",
    "socket_head_screw",
    "square_nut",
    "tooth_lock_washer",
]

LENGTHS = (2.0, 3.0, 4.5, 7.0)  # of screws, in diameters
SHOULDERS = (10.0, 12.0, 16.0, 20.0, 25.0, 30.0, 40.0, 50.0)  # lengths of ISO 7379, in mm


def button_head_screw(cad: Any, draw: Draw) -> Any:
    return _screw(draw, "ButtonHeadScrew", "ButtonHeadWithCollarScrew")


def cheese_head_screw(cad: Any, draw: Draw) -> Any:
    return _screw(draw, "CheeseHeadScrew", "RaisedCheeseHeadScrew")


def countersunk_screw(cad: Any, draw: Draw) -> Any:
    return _screw(draw, "CounterSunkScrew", "RaisedCounterSunkOvalHeadScrew")


def hex_head_screw(cad: Any, draw: Draw) -> Any:
    return _screw(draw, "HexHeadScrew")


def hex_flange_screw(cad: Any, draw: Draw) -> Any:
    return _screw(draw, "HexHeadWithFlangeScrew")


def pan_head_screw(cad: Any, draw: Draw) -> Any:
    return _screw(draw, "PanHeadScrew", "PanHeadWithCollarScrew")


def set_screw(cad: Any, draw: Draw) -> Any:
    return _screw(draw, "SetScrew")


def shoulder_screw(cad: Any, draw: Draw) -> Any:
    from bd_warehouse import fastener

    cases = _cases(fastener, ("ShoulderScrew",))
    return _made(draw.case([{**case, "length": length} for case in cases for length in SHOULDERS]), fastener)


def socket_head_screw(cad: Any, draw: Draw) -> Any:
    return _screw(draw, "SocketHeadCapScrew", "LowProfileScrew")


def domed_cap_nut(cad: Any, draw: Draw) -> Any:
    return _sized(draw, "DomedCapNut")


def heat_set_nut(cad: Any, draw: Draw) -> Any:
    return _sized(draw, "HeatSetNut")


def hex_nut(cad: Any, draw: Draw) -> Any:
    return _sized(draw, "HexNut", "UnchamferedHexagonNut")


def hex_flange_nut(cad: Any, draw: Draw) -> Any:
    return _sized(draw, "HexNutWithFlange")


def square_nut(cad: Any, draw: Draw) -> Any:
    return _sized(draw, "SquareNut")


def plain_washer(cad: Any, draw: Draw) -> Any:
    return _sized(draw, "PlainWasher", "ChamferedWasher", "CheeseHeadWasher")


def tooth_lock_washer(cad: Any, draw: Draw) -> Any:
    return _sized(draw, "InternalToothLockWasher")


def _screw(draw: Draw, *names: str) -> Any:
    from bd_warehouse import fastener

    cases = []
    for case in _cases(fastener, names):
        diameter = _diameter(case["size"])
        cases += [{**case, "length": round(diameter * length, 1)} for length in LENGTHS]
    return _made(draw.case(cases), fastener)


def _sized(draw: Draw, *names: str) -> Any:
    from bd_warehouse import fastener

    return _made(draw.case(_cases(fastener, names)), fastener)


def _cases(module: Any, names: tuple[str, ...]) -> list[dict[str, Any]]:
    """Return all types and sizes of some classes."""
    classes = [getattr(module, name) for name in names]
    return [
        {"class": of.__name__, "fastener_type": standard, "size": size}
        for of in classes
        for standard in sorted(of.types())
        for size in of.sizes(standard)
    ]


def _made(case: dict[str, Any], module: Any) -> Any:
    return getattr(module, case["class"])(**{key: case[key] for key in case if key != "class"})


def _diameter(size: str) -> float:
    """Return the diameter of a thread such as M6-1, #10-24, or 1/4-20, in mm."""
    if size.startswith("M"):
        return float(size[1:].split("-")[0])
    from bd_warehouse.fastener import decode_imperial_size

    return decode_imperial_size(size)[0]
