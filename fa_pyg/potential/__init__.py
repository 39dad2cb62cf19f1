"""Trained potentials without their trainer: loaded, used for predictions and in ASE."""

from __future__ import annotations

from fa_pyg.potential.saved import build, load

__all__ = ["build", "load"]
