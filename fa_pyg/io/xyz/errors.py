"""The error of an XYZ file: the file, the line, what was expected and what was found."""

from __future__ import annotations

__all__ = ["XYZError", "binary_data"]


class XYZError(ValueError):
    """An error in an XYZ file: ``file``, ``line`` (from 1; None for the whole file), ``found``, ``expected``.

    ``ends_file`` is set by :func:`~fa_pyg.io.iterate_xyz` where it is unknown where the next structure
    begins.
    """

    ends_file = False

    def __init__(self, file: str, line: int | None = None, found: str = "", expected: str = "") -> None:
        super().__init__(file, line, found, expected)
        self.file, self.line, self.found, self.expected = file, line, found, expected

    def __str__(self) -> str:
        if not self.found:  # a data loader raises the errors of its workers again, with their text alone
            return self.file
        where = self.file if self.line is None else f"{self.file}, line {self.line}"
        return f"{where}: expected {self.expected}, found {self.found}"


def binary_data(file: str, line: int) -> XYZError:
    """Return the error of a zero byte in a text file."""
    return XYZError(file, line, "binary data (a zero byte)", "text")
