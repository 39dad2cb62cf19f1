"""Files that are complete or absent: atomic writes, locks, checked JSON, tensors.

Only ``tensors`` loads torch.
"""

from __future__ import annotations

from fa_pyg.files.atomic import atomic_write, check_folder, check_target, write_atomically

__all__ = ["atomic_write", "check_folder", "check_target", "write_atomically"]
