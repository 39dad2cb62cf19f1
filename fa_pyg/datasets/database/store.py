"""The files of a database of structures, ``<base>.db`` and ``<base>.json``, with checksums."""

from __future__ import annotations

import json
import os
import sqlite3
import zlib
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

from torch_geometric.data.database import SQLiteDatabase

from fa_pyg.datasets.database.layout import CHECK, PLACE, Layout, columns, schema
from fa_pyg.files.checked_json import DamagedFile, is_regular_file, read_checked_json, write_checked_json

__all__ = ["DAMAGE", "TABLE", "Store"]

VERSION = 2
TABLE = "structures"
NEW = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_NOFOLLOW", 0)

DAMAGE = (sqlite3.Error, OSError, AttributeError, OverflowError, RuntimeError, TypeError, ValueError)


class Store:
    """A database and its state: layout, whether it is complete, number of rows, time of change."""

    def __init__(self, base: Path) -> None:
        self.state, self.file = Path(f"{base}.json"), Path(f"{base}.db")
        self.identity = {"version": VERSION, "key": base.name}

    def read(self) -> bool | None:
        """Return whether the database is complete; None where it is missing, or damaged (with a warning)."""
        try:
            found = read_checked_json(self.state)
            if found is None and not os.path.lexists(self.file):
                return None
            if found is None or {key: found.get(key) for key in self.identity} != self.identity:
                raise DamagedFile(self.state, "the state of another database")
            self._set_layout(found["layout"])
            self._check(found)
            return found["done"]
        except DamagedFile as damage:
            damage.warn(stacklevel=4)
            return None

    def begin(self, layout: Layout) -> None:
        """Create an empty database, in place of stored files.

        Raises:
            ValueError: where they cannot be replaced.
        """
        self._set_layout(layout)
        try:
            for suffix in ("", "-journal", "-wal", "-shm"):
                Path(f"{self.file}{suffix}").unlink(missing_ok=True)
            os.close(os.open(self.file, NEW, 0o666))
        except OSError as error:
            raise ValueError(
                f"{error.filename or self.file}: expected a file of OnDiskXYZ that can be written, or none, "
                f"found something else ({error.strerror}); move it elsewhere"
            ) from error
        self._write(done=False)

    def finish(self, rows: int) -> None:
        """Record that all rows are stored."""
        self._write(done=True, rows=rows, stamp=self._stamp())

    def recheck(self, rows: int) -> None:
        """Let all rows be checked when the database is next opened."""
        with suppress(OSError, ValueError):
            self._write(done=True, rows=rows)

    def with_checksum(self, row: dict[str, Any]) -> dict[str, Any]:
        """Return a row with its checksum."""
        return row | {CHECK: self._checksum(row)}

    def check(self, rows: list[dict[str, Any]], count: int) -> None:
        """Check the number of rows and their checksums.

        Raises:
            DamagedFile: where rows are missing or were changed.
        """
        if len(rows) != count:
            raise DamagedFile(self.file, f"{len(rows)} of {count} rows")
        for row in rows:
            if row[CHECK] != self._checksum(row):
                raise DamagedFile(self.file, f"a changed row, of structure {row[PLACE]}")

    def _set_layout(self, layout: Layout) -> None:
        self.layout, self.columns = layout, columns(layout)
        self._seed = zlib.crc32(json.dumps([self.identity, layout]).encode())

    def _check(self, found: dict[str, Any]) -> None:
        """Count the rows of a database that is unchanged since it was completed; check all rows of others."""
        try:
            if not is_regular_file(self.file):
                raise DamagedFile(self.file, "a link or a folder")
            same = found["done"] and found["stamp"] == self._stamp()
            if not found["done"] and not self.file.stat().st_size:
                return
            self._check_table()
            with closing(SQLiteDatabase(str(self.file), TABLE, schema(self.layout))) as database:
                if not same:
                    self._check_rows(database)
                if found["done"] and len(database) != found["rows"]:
                    raise DamagedFile(self.file, f"{len(database)} structures instead of {found['rows']}")
        except DamagedFile:
            raise
        except DAMAGE as error:
            self.raise_if_busy(error)
            raise DamagedFile(self.file, f"a damaged database ({error})") from error
        if found["done"] and not same:
            with suppress(OSError, ValueError):  # a copy without its times
                self.finish(found["rows"])

    def _check_table(self) -> None:
        """Raise DamagedFile for a database of another program, before it is opened for writing."""
        with closing(sqlite3.connect(f"{self.file.absolute().as_uri()}?immutable=1", uri=True)) as database:
            query = "SELECT COUNT(*) FROM sqlite_master WHERE type = 'table' AND name = ?"
            if database.execute(query, (TABLE,)).fetchone() != (1,):
                raise DamagedFile(self.file, f"a database without a table {TABLE}")

    def raise_if_busy(self, error: Exception) -> None:
        """Raise TimeoutError for a database in use by another program, which is not damaged."""
        if isinstance(error, sqlite3.OperationalError) and "locked" in str(error):
            raise TimeoutError(
                f"{self.file}: expected a database to write, found it locked elsewhere"
            ) from error

    def _check_rows(self, database: SQLiteDatabase) -> None:
        (verdict,) = database.cursor.execute("PRAGMA quick_check(1)").fetchone()
        if verdict != "ok":
            raise DamagedFile(self.file, f"a damaged database ({' '.join(verdict.split())})")
        before = -1
        for number in range(len(database)):
            row = database.get(number)
            self.check([row], 1)
            if row[PLACE] <= before:
                raise DamagedFile(self.file, f"row {number} out of order")
            before = row[PLACE]

    def _checksum(self, row: dict[str, Any]) -> int:
        """Return the CRC-32 of a row, its position, and the layout."""
        check = zlib.crc32(b"%d" % row[PLACE], self._seed)
        for column in self.columns:
            value = row[column]
            check = zlib.crc32(value.encode() if isinstance(value, str) else value.numpy(), check)
        return check

    def _stamp(self) -> list[int]:
        status = self.file.stat()
        return [status.st_size, status.st_mtime_ns]

    def _write(self, done: bool, rows: int | None = None, stamp: list[int] | None = None) -> None:
        about = {"layout": self.layout, "done": done, "rows": rows, "stamp": stamp}
        write_checked_json(self.state, {**self.identity, **about})
