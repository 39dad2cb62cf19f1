"""Files that are whole or absent: atomic writes, locks, digests, tensors. Only ``tensors`` loads torch."""

from fa_pyg.files.atomic import atomic_write, write_atomically

__all__ = ["atomic_write", "write_atomically"]
