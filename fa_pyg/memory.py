"""Memory of freed tensors, kept for the next ones.

glibc returns large blocks to the system when they are freed, and every page of the next one is mapped and
cleared again. Framed copies are large and live for a step: on a CPU this takes up to half the time of a
training.
"""

from __future__ import annotations

import ctypes
import sys

from fa_pyg.environment import is_off

__all__ = ["VARIABLE", "keep_freed_memory"]

VARIABLE = "FA_PYG_KEEP_MEMORY"
"""Environment variable that lets commands give freed memory back: ``0``, ``false``, ``no`` or ``off``."""

# Of <malloc.h>: free memory at the end of the heap that is not returned, and blocks outside of the heap.
M_TRIM_THRESHOLD, M_MMAP_MAX = -1, -4


def keep_freed_memory() -> bool:
    """Let this process keep the memory of freed tensors, so that the next ones need not fault it in again.

    All commands do so. The process then stays at its peak memory until it ends, and that peak can be somewhat
    higher. Tensors on a GPU have an allocator of their own, and are not concerned.

    Returns:
        Whether it does now. It does not where ``FA_PYG_KEEP_MEMORY=0``, nor without glibc.
    """
    if is_off(VARIABLE) or not sys.platform.startswith("linux"):
        return False
    library = ctypes.CDLL(None)
    if not hasattr(library, "gnu_get_libc_version"):
        return False
    return bool(library.mallopt(M_MMAP_MAX, 0)) and bool(library.mallopt(M_TRIM_THRESHOLD, 2**31 - 1))
