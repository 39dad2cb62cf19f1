"""XYZ files larger than the memory: any structure at any time, or all of them in a pass."""

import itertools
import os
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import torch
from torch.utils.data import IterableDataset, get_worker_info
from torch_geometric.data import Data, Dataset

from fa_pyg.datasets.splits import Splits, choose
from fa_pyg.io.xyz.blocks import Block, Text
from fa_pyg.io.xyz.common_attributes import CommonAttributes
from fa_pyg.io.xyz.files import find_files, report
from fa_pyg.io.xyz.index.cache import Index
from fa_pyg.io.xyz.parse import ReadOptions, asked, structure
from fa_pyg.io.xyz.stream import iterate_blocks
from fa_pyg.io.xyz.table import Table

__all__ = ["LazyXYZ", "XYZStream"]

Files = str | os.PathLike | Iterable[str | os.PathLike]


class LazyXYZ(Dataset):
    r"""The structures of :class:`~fa_pyg.datasets.XYZ`, each read from its file when it is asked for.

    The first time, all files are read once, in parallel, to find where every structure begins and whether it
    is good: whatever :func:`~fa_pyg.datasets.read_xyz` raises is raised then, in the same words. The index,
    40 bytes a structure, is kept in hidden files and read from there, so that the memory does not grow with
    the files. It is used again as long as names, sizes and times of change of the files are the same, and its
    checksum is right; an index that does not check out is named in a warning and built again. A build that is
    killed ends with its workers, and the next one goes on from where it was. Several processes that open the
    same files wait for one of them, and say for which.

    Args:
        root_or_files, on_error, table, split, splits, seed: As for :class:`~fa_pyg.datasets.XYZ`; a table and
            the list of a split are held in memory.
        cache: Folder of the index; None is beside the files. Compressed files have a decompressed copy there.
            If it cannot be written to, there is a warning, and the index lasts as long as the data set.
        workers: Processes that build the index; 0 for none, None for one a core if the files are large.
        transform: As in every PyG dataset; `pre_transform` and `pre_filter` are those of
            :class:`~fa_pyg.datasets.OnDiskXYZ`.
        options: The keywords of `read_xyz`: `dtype`, `comment`, `columns`, `edges`, `targets`. `edges` run,
            and raise, when a structure is read.

    Attributes: `num_atoms [n]`, of all structures, and `errors`, of the files that were left out.

    Raises ValueError as `XYZ` does, and at reading if a file has changed since; TimeoutError where the
    process that builds the index gives no sign of life for ten minutes.

    Not guaranteed: that all structures have the same attributes. A file that changes but keeps its size and
    its time of change is taken for the same.
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
            self._indices = choose(len(self.index), split, splits, seed)

    @property
    def num_atoms(self) -> torch.Tensor:
        """The number of atoms of each structure of this split `[n]`, without reading any."""
        atoms = self.index.rows[:, -1]
        return torch.as_tensor(atoms.copy() if self._indices is None else atoms[self._indices])

    def len(self) -> int:
        return len(self.index)

    def only_alike(self) -> None:
        """Leaves out from now on what not all structures have in one form, with a warning, as `XYZ` does.

        The first structure that is asked for takes a pass through all of them, unless `look` has.
        """
        self._only_alike = True

    def look(self) -> None:
        """Takes that pass, once; copies for other processes are spared it then."""
        if self._only_alike and self._alike is None:
            bare = self.reading.without_edges()
            structures = (self._get(i, bare) for i in range(len(self.index)))
            alike = CommonAttributes(structures, asked(bare, self._rows))
            alike.warn(stacklevel=3)
            self._alike = alike

    def get(self, idx: int) -> Data:
        """The structure of that place among all."""
        data = self._get(idx, self.reading)
        self.look()
        return data if self._alike is None else self._alike.part(data)

    def _get(self, idx: int, reading: ReadOptions) -> Data:
        data = structure(*self.index.block(int(idx)), reading)
        if self._rows is not None:
            self._rows.add(data, int(self._row[idx]))
        return data


class XYZStream(IterableDataset):
    r"""The structures of XYZ files in one pass, in order, with no index and in constant memory.

    In the workers of a data loader, and in the processes of `torch.distributed`, each parses its share: with
    n of them the k-th has every n-th structure, beginning with structure k.

    Args:
        root_or_files: As for :class:`~fa_pyg.datasets.XYZ`.
        on_error: `"raise"` raises what :func:`~fa_pyg.datasets.read_xyz` does, after the good structures
            before it; `"skip"` goes on with the next file, and keeps the error in `errors` (of this process).
            Files are then shared as a whole.
        transform: Called on each structure.
        options: The keywords of `read_xyz`.

    Not guaranteed: that processes have equally many structures.
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
        """What makes a structure of a block, and None of one of another share."""
        numbers = itertools.count()
        if self._skip:
            return lambda text, block: structure(text, block, self.reading)

        def make(text: Text, block: Block) -> Data | None:
            mine = next(numbers) % shares == share
            return structure(text, block, self.reading) if mine else None

        return make


def _folder(root_or_files: Files, files: list[Path], cache: str | os.PathLike | None) -> Path:
    if cache is not None:
        with suppress(PermissionError):  # the index is then kept elsewhere, with a warning
            _make_folder(Path(cache))
        return Path(cache)
    is_one = isinstance(root_or_files, str | os.PathLike)
    return Path(root_or_files) if is_one and Path(root_or_files).is_dir() else files[0].parent


def _make_folder(cache: Path) -> None:
    try:
        cache.mkdir(parents=True, exist_ok=True)
    except (FileExistsError, NotADirectoryError) as error:
        raise ValueError(f"cache: expected a folder, found {cache}, where a file is in the way") from error


def _share() -> tuple[int, int]:
    """Which of how many shares belongs to this worker of this process."""
    worker = get_worker_info()
    share, shares = (worker.id, worker.num_workers) if worker else (0, 1)
    if torch.distributed.is_available() and torch.distributed.is_initialized():
        rank, ranks = torch.distributed.get_rank(), torch.distributed.get_world_size()
        return rank * shares + share, ranks * shares
    return share, shares


def _is_skip(on_error: str) -> bool:
    if on_error not in ("raise", "skip"):
        raise ValueError(f"on_error: found {on_error!r}, expected 'raise' or 'skip'")
    return on_error == "skip"
