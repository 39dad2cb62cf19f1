"""Files of molecules, read and written: XYZ (``fa_pyg.io.xyz``) and the spellings of chemical elements."""

from __future__ import annotations

from fa_pyg.io.periodic import is_periodic
from fa_pyg.io.xyz import Table, XYZError, find_files, iterate_xyz, read_xyz, write_xyz

__all__ = ["Table", "XYZError", "find_files", "is_periodic", "iterate_xyz", "read_xyz", "write_xyz"]
