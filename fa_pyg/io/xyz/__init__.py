"""Read and write XYZ files: plain XYZ, QM9's raw files, and extended XYZ."""

from __future__ import annotations

from fa_pyg.io.xyz.errors import XYZError
from fa_pyg.io.xyz.files import find_files
from fa_pyg.io.xyz.read import iterate_xyz, read_xyz
from fa_pyg.io.xyz.table import Table
from fa_pyg.io.xyz.write import write_xyz

__all__ = ["Table", "XYZError", "find_files", "iterate_xyz", "read_xyz", "write_xyz"]
