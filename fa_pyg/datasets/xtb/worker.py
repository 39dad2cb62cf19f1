"""Worker script: the tasks of ``tasks.py``, by RDKit, GFN2-xTB (tblite) and ASE."""

from __future__ import annotations

import runpy
import sys
from pathlib import Path

__all__ = ["TASKS", "serve", "versions"]

TASKS = runpy.run_path(str(Path(__file__).with_name("tasks.py")))["TASKS"]  # the package would load torch
serve = runpy.run_path(str(Path(__file__).parents[2] / "workers/serve.py"))["serve"]


def versions() -> dict[str, str]:
    """Import what the tasks need, keep RDKit quiet, and return the versions."""
    import ase
    import rdkit
    import tblite.library
    from rdkit import rdBase

    rdBase.DisableLog("rdApp.*")
    return {
        "ase": ase.__version__,
        "rdkit": rdkit.__version__,
        "tblite": ".".join(map(str, tblite.library.get_version())),
    }


if __name__ == "__main__":
    sys.path.pop(0)  # this folder, whose modules are not meant to be imported from the top
    serve(TASKS, versions)
