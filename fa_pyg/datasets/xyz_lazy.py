"""XYZ files larger than memory: random access by an index, or a stream of all structures."""

from __future__ import annotations

import itertools
import os
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import torch
from torch.utils.data import IterableDataset, get_worker_info
from torch_geometric.data import Data, Dataset

from fa_pyg import checks
from fa_pyg.datasets.splits import Splits, choose_split
from fa_pyg.io.xyz.common_attributes import CommonAttributes
from fa_pyg.io.xyz.files import Files, find_files, report
from fa_pyg.io.xyz.index import Index
from fa_pyg.io.xyz.lines import Block, Text
from fa_pyg.io.xyz.options import ReadOptions, requested_attributes
from fa_pyg.io.xyz.parse import structure
from fa_pyg.io.xyz.stream import iterate_blocks
from fa_pyg.io.xyz.table import Table

__all__ = ["LazyXYZ", "XYZStream"]


class LazyXYZ(Dataset):
    r"""The structures of :class:`~fa_pyg.datasets.XYZ`, read from their files at access.

    The first construction scans all files once, in parallel, to find where structures begin and whether they
    are good: errors are those of :func:`~fa_pyg.datasets.read_xyz`, and are raised then. The index, 40 bytes
    per structure, is stored in hidden files and mapped from there, so memory does not grow with the files. It
    is used again while names, sizes and times of change of the files stay the same; a damaged index is named
    in a warning and built again. A build that is killed ends with its workers, and the next one resumes it.
    Processes that open the same files wait for the process that builds the index, and name it.

    Args:
        root_or_files, on_error, table, split, splits, seed: As for :class:`~fa_pyg.datasets.XYZ`; a table and
            the positions of a split are held in memory.
        cache: Folder of the index; None is beside the files. Decompressed copies of packed files are stored
            there too. Where it cannot be written, a warning is given, and the index is temporary.
        workers: Processes that build the index; 0 for none, None for one per core if the files are large.
        transform: As in every PyG dataset; for ``pre_transform`` and ``pre_filter`` use
            :class:`~fa_pyg.datasets.OnDiskXYZ`.
        options: The keywords of ``read_xyz``: ``dtype``, ``comment``, ``columns``, ``edges``, ``targets``.
            ``edges`` run, and raise, at access.

    Attributes:
        num_atoms: Number of atoms of all structures ``[n]``.
        errors: Errors of the files that were left out.

    Raises:
        ValueError: as for ``XYZ``, and at access where a file has changed meanwhile.
        TimeoutError: where the process that builds the index shows no sign of life for ten minutes.

    Not guaranteed: that all structures have the same attributes; that a change of a file is noticed where its
    size and time of change stay the same.
    """

    def __init__(
        self,
        root_or_files: Files,
        *,
        on_error: str = "raise",
        table: Table | str | os.PathLike | None = None,
        split: str | None = None,
        splits: Splits = (0.8, 0.1, 0.1),
        seed: int = 0,
        cache: str | os.PathLike | None = None,
        workers: int | None = None,
        transform: Callable[[Data], Data] | None = None,
        **options: Any,
    ) -> None:
        super().__init__(None, transform)
        skip = _is_skip(on_error)
        self.reading = ReadOptions(**options)
        files = find_files(root_or_files)
        folder = _folder(root_or_files, files, cache)
        self._rows = None if table is None else Table.of(table).read()
        self._only_alike, self._alike = False, None
        self.index = Index(files, self.reading, folder, skip, workers)
        self.errors = self.index.errors
        if not len(self.index):
            raise self.errors[0] if len(files) == 1 else ValueError(report(self.errors, len(files)))
        if self._rows is not None:
            self._row = self._rows.match(files, self.index.counts(), self.index.source)
        if split is not None:
            vars(self)["_indices"] = choose_split(len(self.index), split, splits, seed)

    @property
    def num_atoms(self) -> torch.Tensor:
        """The number of atoms of each structure of this split ``[n]``, without reading any."""
        atoms = self.index.rows[:, -1]
        return torch.as_tensor(atoms.copy() if self._indices is None else atoms[self._indices])

    def len(self) -> int:
        return len(self.index)

    def only_alike(self) -> None:
        """Leave out attributes that not all structures have in one form, with a warning, as ``XYZ`` does.

        The first access takes a pass through all structures, unless ``look`` has taken it.
        """
        self._only_alike = True

    def look(self) -> None:
        """Take that pass, once, so that copies in other processes need not."""
        if self._only_alike and self._alike is None:
            bare = self.reading.without_edges()
            structures = (self._get(i, bare) for i in range(len(self.index)))
            alike = CommonAttributes(structures, requested_attributes(bare, self._rows))
            alike.warn(stacklevel=3)
            self._alike = alike

    def get(self, idx: int) -> Data:
        """Read a structure by its position among all."""
        data = self._get(idx, self.reading)
        self.look()
        return data if self._alike is None else self._alike.part(data)

    def _get(self, idx: int, reading: ReadOptions) -> Data:
        data = structure(*self.index.block(int(idx)), reading)
        if self._rows is not None:
            self._rows.add(data, int(self._row[idx]))
        return data


class XYZStream(IterableDataset):
    r"""A stream of the structures of XYZ files, in order, without an index and in constant memory.

    Workers of a data loader and processes of ``torch.distributed`` share the structures: of n, worker k gets
    every n-th structure from structure k on.

    Args:
        root_or_files: As for :class:`~fa_pyg.datasets.XYZ`.
        on_error: ``"raise"`` raises the errors of :func:`~fa_pyg.datasets.read_xyz`, after the good
            structures before; ``"skip"`` continues with the next file, keeps the error in ``errors`` (of this
            process), and shares whole files.
        transform: Called on each structure.
        options: The keywords of ``read_xyz``.

    Raises:
        ValueError: as described.

    Not guaranteed: that processes have equal numbers of structures.
    """

    def __init__(
        self,
        root_or_files: Files,
        *,
        on_error: str = "raise",
        transform: Callable[[Data], Data] | None = None,
        **options: Any,
    ) -> None:
        super().__init__()
        self._skip = _is_skip(on_error)
        self.files, self.reading, self.transform = (
            find_files(root_or_files),
            ReadOptions(**options),
            transform,
        )
        self.errors: list[ValueError] = []

    def __iter__(self) -> Iterator[Data]:
        share, shares = _share()
        self.errors = []
        make = self._maker(share, shares)
        for file in self.files[share::shares] if self._skip else self.files:
            for data in self._file(file, make):
                yield data if self.transform is None else self.transform(data)

    def _file(self, file: Path, make: Callable[[Text, Block], Data | None]) -> Iterator[Data]:
        try:
            yield from (data for _, _, data in iterate_blocks(file, self.reading, make) if data is not None)
        except ValueError as error:
            if not self._skip:
                raise
            self.errors.append(error)

    def _maker(self, share: int, shares: int) -> Callable[[Text, Block], Data | None]:
        """Return a function that makes a structure of a block, or None for a block of another share."""
        numbers = itertools.count()
        if self._skip:
            return lambda text, block: structure(text, block, self.reading)

        def make(text: Text, block: Block) -> Data | None:
            mine = next(numbers) % shares == share
            return structure(text, block, self.reading) if mine else None

        return make


def _folder(root_or_files: Files, files: list[Path], cache: str | os.PathLike | None) -> Path:
    if cache is not None:
        with suppress(PermissionError):  # the index is then temporary, with a warning
            _make_folder(Path(cache))
        return Path(cache)
    is_one = isinstance(root_or_files, str | os.PathLike)
    return Path(root_or_files) if is_one and Path(root_or_files).is_dir() else files[0].parent


def _make_folder(cache: Path) -> None:
    try:
        cache.mkdir(parents=True, exist_ok=True)
    except (FileExistsError, NotADirectoryError) as error:
        raise ValueError(f"cache: expected a folder, found a file at {cache}") from error


def _share() -> tuple[int, int]:
    """Return the share of this worker of this process, and the number of shares."""
    worker = get_worker_info()
    share, shares = (worker.id, worker.num_workers) if worker else (0, 1)
    if torch.distributed.is_available() and torch.distributed.is_initialized():
        rank, ranks = torch.distributed.get_rank(), torch.distributed.get_world_size()
        return rank * shares + share, ranks * shares
    return share, shares


def _is_skip(on_error: str) -> bool:
    return checks.one_of("on_error", on_error, ("raise", "skip")) == "skip"
