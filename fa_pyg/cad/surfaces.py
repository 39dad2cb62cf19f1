"""Elementary surfaces of solids in closed form: point and normal at (u, v). NumPy alone, no CAD kernel."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

__all__ = ["SURFACES", "cone", "cylinder", "plane", "sphere", "torus"]

SURFACES = ("plane", "cylinder", "cone", "sphere", "torus", "spline", "other")
"""Kinds of surfaces; the label ``surface`` of a point is an index of this tuple."""

Array = np.ndarray
Evaluated = tuple[Array, Array]  # points [n, 3] and unit normals [n, 3]
Surface = Callable[[Array, Array], Evaluated]


def plane(origin: Array, axes: Array) -> Surface:
    """Return the plane O + u X + v Y, of normal X x Y.

    Args:
        origin: O ``[3]``.
        axes: the unit rows X, Y, Z ``[3, 3]``. As in STEP, normals are those of dP/du x dP/dv, so that
            left-handed axes turn them around, here and in all others.
    """
    normal = _handedness(axes) * axes[2]

    def at(u: Array, v: Array) -> Evaluated:
        return origin + np.stack([u, v], -1) @ axes[:2], np.broadcast_to(normal, (len(u), 3))

    return at


def cylinder(origin: Array, axes: Array, radius: float) -> Surface:
    """Return the cylinder O + r (X cos u + Y sin u) + v Z; see :func:`plane`."""
    hand = _handedness(axes)

    def at(u: Array, v: Array) -> Evaluated:
        radial = _radial(u, axes)
        return origin + radius * radial + v[:, None] * axes[2], hand * radial

    return at


def cone(origin: Array, axes: Array, radius: float, angle: float) -> Surface:
    """Return the cone O + (r + v sin a) (X cos u + Y sin u) + v cos a Z; see :func:`plane`."""
    hand, sin, cos = _handedness(axes), np.sin(angle), np.cos(angle)

    def at(u: Array, v: Array) -> Evaluated:
        radial, distance = _radial(u, axes), (radius + v * sin)[:, None]
        normal = hand * np.where(distance < 0, -1, 1) * (cos * radial - sin * axes[2])
        return origin + distance * radial + (v * cos)[:, None] * axes[2], normal

    return at


def sphere(origin: Array, axes: Array, radius: float) -> Surface:
    """Return the sphere O + r (cos v (X cos u + Y sin u) + sin v Z); see :func:`plane`."""
    hand = _handedness(axes)

    def at(u: Array, v: Array) -> Evaluated:
        direction = np.cos(v)[:, None] * _radial(u, axes) + np.sin(v)[:, None] * axes[2]
        return origin + radius * direction, hand * direction

    return at


def torus(origin: Array, axes: Array, major: float, minor: float) -> Surface:
    """Return the torus O + (R + r cos v) (X cos u + Y sin u) + r sin v Z; see :func:`plane`."""
    hand = _handedness(axes)

    def at(u: Array, v: Array) -> Evaluated:
        radial = _radial(u, axes)
        direction = np.cos(v)[:, None] * radial + np.sin(v)[:, None] * axes[2]
        inside_out = np.where(major + minor * np.cos(v) < 0, -1, 1)[:, None]  # of a torus without a hole
        return origin + major * radial + minor * direction, hand * inside_out * direction

    return at


def _radial(u: Array, axes: Array) -> Array:
    return np.stack([np.cos(u), np.sin(u)], -1) @ axes[:2]


def _handedness(axes: Array) -> float:
    return float(np.sign(np.linalg.det(axes)))
