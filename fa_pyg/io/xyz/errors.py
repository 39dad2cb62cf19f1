"""The error of an XYZ file: the file, the line, what was expected and what was found."""

from __future__ import annotations

__all__ = ["XYZError", "binary_data"]


class XYZError(ValueError):
    """A file that could not be read: `file`, `line` (from 1, None if there is none), `found`, `expected`."""

    ends_file = False  # whether it is unknown where the next structure begins

    def __init__(self, file: str, line: int | None = None, found: str = "", expected: str = "") -> None:
        super().__init__(file, line, found, expected)
        self.file, self.line, self.found, self.expected = file, line, found, expected

    def __str__(self) -> str:
        if not self.found:  # a data loader hands on the words of its workers' errors
            return self.file
        where = self.file if self.line is None else f"{self.file}, line {self.line}"
        return f"{where}: found {self.found}, expected {self.expected}"


def binary_data(file: str, line: int) -> XYZError:
    """Return the error of a zero byte in a text file."""
    return XYZError(file, line, "binary data (a zero byte)", "text")
