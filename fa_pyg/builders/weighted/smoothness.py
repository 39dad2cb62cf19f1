"""Smoothness of weighted frames: how wide they blend, from few frames to smooth forces."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["SMOOTHNESS", "Smoothness"]


@dataclass(frozen=True)
class Smoothness:
    """The widths of the blends of a weighted frame: wider ones give more frames and less steep outputs.

    Args:
        tau: temperature of the scores of candidates, and of the odd moments if signs are chosen by them.
        gap: relative gap beyond which eigenvalues count as distinct.
        start: fraction of the gap at which its blend begins.
        flat, line: relative spreads along an axis, and across a line.
        order: difference of the logarithms of two spreads beyond which their order is clear; None where
            signs are chosen, else frames are taken in all signs.
        near: anisotropy below which a cloud does not have a good axis.
    """

    tau: float
    gap: float
    start: float = 0.5
    flat: float = 0.1
    line: float = 0.1
    order: float | None = None
    near: float | None = None


SMOOTHNESS = {
    "fast": Smoothness(tau=0.025, gap=0.05),
    "forces": Smoothness(tau=0.035, gap=0.03, start=0.05, order=0.15, near=0.2),
    "dynamics": Smoothness(tau=0.1, gap=0.2, start=0.5, order=0.8, near=0.25),
}
"""Settings of :class:`~fa_pyg.WeightedPCAFrame` by the value of ``smoothness=``."""
