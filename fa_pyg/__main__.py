"""The command ``fa-pyg``, as ``python -m fa_pyg``."""

from __future__ import annotations

import sys

from fa_pyg.cli import main

__all__ = ["main"]

if __name__ == "__main__":
    sys.exit(main())
