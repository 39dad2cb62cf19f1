"""Mechanical parts by a CAD kernel (extra ``cad``): families, points with exact normals, a parallel build.

No torch: parts can be built where only ``build123d``, ``bd_warehouse`` and NumPy are installed. Modules
import the kernel inside the functions that need it.
"""

from __future__ import annotations

from fa_pyg.cad.surfaces import SURFACES

__all__ = ["SURFACES"]
