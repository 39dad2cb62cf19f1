"""Plots as SVG, colored by the style sheet of the page: bars of errors, curves, scatter."""

from __future__ import annotations

import html
import math
from collections.abc import Iterator, Sequence

from fa_pyg.testing.reports.result import FAULT, Curve, Points, Row
from fa_pyg.testing.reports.text import figure

__all__ = ["bars", "curve", "scatter"]

WIDTH, LEFT, LOWEST = 480, 150, 1e-17
HEIGHT, MARGIN = 240, 52


def bars(rows: Sequence[Row]) -> str:
    """Errors on a logarithmic axis, one bar for each precision; empty without errors."""
    rows = [row for row in rows if row.errors]
    if not rows:
        return ""
    values = [v for row in rows for v in row.errors.values() if 0 < v < math.inf]
    limits = [row.limit for row in rows if row.limit]
    low = max(LOWEST, min([*values, 1e-8]) / 10)
    low, high = math.floor(math.log10(low)), math.ceil(math.log10(max([*values, *limits, 1.0]))) + 1
    height = 34 + sum(14 * len(row.errors) + 8 for row in rows)

    def x(value: float) -> float:
        clipped = min(max(value, 10.0**low), 10.0**high)
        return LEFT + (WIDTH - LEFT - 60) * (math.log10(clipped) - low) / (high - low)

    parts = [
        _line(x(10.0**k), 4, x(10.0**k), height - 26, "grid")
        for k in range(low, high + 1, _every(high - low))
    ]
    parts += [
        _text(x(10.0**k), height - 10, f"1e{k}", "middle", "small")
        for k in range(low, high + 1, _every(high - low))
    ]
    y = 8.0
    for row in rows:
        words = ", ".join(filter(None, (row.case, row.output)))
        parts.append(_text(LEFT - 6, y + 7 * len(row.errors) + 3, _short(words), "end", "small"))
        for number, (precision, value) in enumerate(row.errors.items()):
            is_last = number == len(row.errors) - 1
            kind = ("bad" if is_last else "faint") if row.verdict == FAULT else "good" if is_last else "low"
            length = max(x(value) - LEFT, 1.5)
            parts.append(
                f'<rect class="{kind}" x="{LEFT}" y="{y:.1f}" width="{length:.1f}" height="11" rx="2">'
            )
            parts.append(f"<title>{precision}: {value:.2e}</title></rect>")
            parts.append(_text(WIDTH - 2, y + 10, figure(value), "end", "small"))
            y += 14
        if row.limit:
            parts.append(_line(x(row.limit), y - 16, x(row.limit), y - 1, "limit"))
        y += 8
    return _svg(height, "errors relative to the variation, by case and precision", parts)


def _short(words: str, most: int = 26) -> str:
    return words if len(words) <= most else words[: most - 3] + "..."


def _every(span: int) -> int:
    return max(1, math.ceil(span / 7))


def curve(one: Curve) -> str:
    """Energy along a scan, with the position of a kink or jump."""
    pairs = [(x, y) for x, y in zip(one.x, one.y, strict=True) if math.isfinite(y)]
    if len(pairs) < 2:
        return ""
    frame = _Axes([x for x, _ in pairs], [y for _, y in pairs])
    points = " ".join(f"{frame.x(x):.1f},{frame.y(y):.1f}" for x, y in pairs)
    parts = [*frame.parts(one.xlabel, "energy"), f'<polyline class="curve" points="{points}"/>']
    if one.mark is not None:
        parts.append(_line(frame.x(one.mark), 8, frame.x(one.mark), HEIGHT - MARGIN, "mark"))
    return _svg(HEIGHT, one.title, parts)


def scatter(one: Points) -> str:
    """Two quantities that should be equal, and the line where they are."""
    pairs = [(x, y) for x, y in zip(one.x, one.y, strict=True) if math.isfinite(x) and math.isfinite(y)]
    if not pairs:
        return ""
    both = [v for pair in pairs for v in pair]
    frame = _Axes(both, both)
    low, high = min(both), max(both)
    parts = [
        *frame.parts(one.xlabel, one.ylabel),
        _line(frame.x(low), frame.y(low), frame.x(high), frame.y(high), "grid"),
    ]
    parts += [f'<circle class="dot" cx="{frame.x(x):.1f}" cy="{frame.y(y):.1f}" r="3"/>' for x, y in pairs]
    return _svg(HEIGHT, one.title, parts)


class _Axes:
    """Linear axes around values."""

    def __init__(self, xs: Sequence[float], ys: Sequence[float]) -> None:
        self.xs, self.ys = _range(xs), _range(ys)

    def x(self, value: float) -> float:
        low, high = self.xs
        return 84 + (WIDTH - 104) * (value - low) / (high - low)

    def y(self, value: float) -> float:
        low, high = self.ys
        return HEIGHT - MARGIN - (HEIGHT - MARGIN - 12) * (value - low) / (high - low)

    def parts(self, xlabel: str, ylabel: str) -> Iterator[str]:
        for value in _ticks(*self.xs):
            yield _line(self.x(value), 8, self.x(value), HEIGHT - MARGIN, "grid")
            yield _text(self.x(value), HEIGHT - MARGIN + 16, f"{value:.4g}", "middle", "small")
        for value in _ticks(*self.ys):
            yield _line(84, self.y(value), WIDTH - 20, self.y(value), "grid")
            yield _text(78, self.y(value) + 4, f"{value:.5g}", "end", "small")
        yield _text((84 + WIDTH - 20) / 2, HEIGHT - 14, xlabel, "middle")
        turned = f"translate(14 {(HEIGHT - MARGIN) / 2:.0f}) rotate(-90)"
        yield f'<text transform="{turned}" text-anchor="middle">{html.escape(ylabel)}</text>'


def _range(values: Sequence[float]) -> tuple[float, float]:
    low, high = min(values), max(values)
    pad = 0.04 * (high - low) or max(abs(low), 1e-12) * 0.1
    return low - pad, high + pad


def _ticks(low: float, high: float) -> list[float]:
    step = 10.0 ** math.floor(math.log10((high - low) / 4))
    step *= next((k for k in (1, 2, 5) if (high - low) / (k * step) <= 6), 10)
    first = math.ceil(low / step)
    return [
        round(k * step, 12) if step > 1e-9 else k * step for k in range(first, math.floor(high / step) + 1)
    ]


def _line(x1: float, y1: float, x2: float, y2: float, kind: str) -> str:
    return f'<line class="{kind}" x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}"/>'


def _text(x: float, y: float, words: str, anchor: str, kind: str = "") -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" class="{kind}">{html.escape(words)}</text>'


def _svg(height: float, title: str, parts: Sequence[str]) -> str:
    head = f'<svg viewBox="0 0 {WIDTH} {height:.0f}" role="img"><title>{html.escape(title)}</title>'
    return f"{head}{''.join(parts)}</svg>"
