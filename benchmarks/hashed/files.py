"""What is read and generated: XYZ files by every reader, splits, tables, loaders, n-body systems, graphs."""

from __future__ import annotations

import gzip
import json
import tempfile
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import torch
from torch_geometric.data import Batch, Data
from torch_geometric.loader import DataLoader

from fa_pyg.datasets import (
    XYZ,
    CovalentBonds,
    EXPLike,
    GRAPH8c,
    InMemoryLoader,
    LazyXYZ,
    MDTrajectory,
    NBody,
    OnDiskLoader,
    OnDiskXYZ,
    RadiusGraph,
    RDKitBonds,
    Table,
    XYZStream,
    read_xyz,
    statistics,
)
from hashed import Cases

__all__ = ["cases"]

MOLECULES = Path(__file__).resolve().parents[2] / "data" / "molecules"
HEAD = "Properties=species:S:1:pos:R:3"
ATOMS = "O 0 0 0\nH 0 0 1\n"
CELL = 'Lattice="3 0 0 0 4 0 1 0 5"'
QM9 = (
    "3\ngdb 5 0. 44.593883 44.593883 2.8937 12.99 -0.3604 0.0191 0.3796 48.7476 0.016601 -93.411888 "
    "-93.40937 -93.408425 -93.431246 6.278\nC -0.0133239314 1.1324657151 0.0082758861 0.107391\n"
    "N 0.0023107217 -0.0191585871 1.9291*^-6 -0.361194\nH -0.0278026991 2.1989492028 1.2*^-2 0.253803\n"
    "799.0101 799.0101 2198.4393 3490.3686\nC#N C#N\nInChI=1S/CHN/c1-2/h1H InChI=1S/CHN/c1-2/h1H\n"
)
VOIGT = 'stress="1 2 3 .4 .5 .6"'
GOOD = {
    "plain": "3\nwater\nO 0 0 0.119262\nH 0 0.763239 -0.477047\nH 0 -0.763239 -0.477047\n",
    "no comment": "2\nC 0 0 0\nO 0 0 1.1\n1\n6 1*^-6 2 3\n",
    "several": "3\nwater\nO 0 0 0.1\nH 0 0.7 -0.4\nH 0 -0.7 -0.4\n\n1\n\n2 1.0D-5 0 0\n\n \n",
    "returns": "2\r\nE = -3.5 step=1\r\nc 0 0 0\r\nO 0 0 1.1\r\n1\r\n\r\n006 1 2 3\r\n",
    "only returns": "1\rcomment\rC 0 0 0\r1\rother\rXx 0 0 0\r".replace("Xx", "D"),
    "columns": "2\nx\nC 0 0 0 1 2 3 9\nO 0 0 1.1 4 5 6 8\n",
    "numbers": "2\nE=-11025.123456789012 gap -0.5, 3e-2\nC 1e-3 +2. .5\nO 0 0 1.128\n",
    "extended": f"2\n{HEAD}:forces:R:3:tag:I:1:name:S:1:mask:L:1 energy=-1 a={{1 2}} step=7 ok=T word=bulk\n"
    "O 0 0 0 1 2 3 4 A T\nH 0 0 1 4 5 6 5 B F\n",
    "crystal": f"2\n{CELL} {HEAD} {VOIGT}\n{ATOMS}",
    "crystal, pbc": f'2\n{CELL} pbc="T T F" {HEAD} virial="1 2 3 4 5 6 7 8 9"\n{ATOMS}',
    "only pbc": f"2\npbc=F\n{ATOMS}",
    "names": f"2\n{HEAD}:energy:R:1:edge_x:R:2 batch=1 index=2 _x=3 self=4 pos=5 to=6 energy=7 y=nan\n"
    "O 0 0 0 1 2 3\nH 0 0 1 4 5 6\n",
    "json": f'1\n{HEAD} a=_JSON [[1, 2], [3, 4]] b="1 2 3" c="_JSON {{}}" d=[1,2] e=text\nC 0 0 0\n',
    "mixed": f"1\n{HEAD} a=1\nC 0 0 0\n1\n{HEAD} a=1.5 b=2\nC 0 0 0\n",
    "with and without a cell": f"1\n{HEAD} energy=1\nC 0 0 0\n1\n{CELL} {VOIGT}\nC 0 0 0\n",
    "qm9": QM9,
    "qm9, two": QM9 + QM9.replace("gdb 5", "gdb 6"),
    "invalid utf-8": "1\n" + HEAD + " \udcff=1 \udcfe=2\nC 0 0 0\n",
}
BAD = {
    "empty": "",
    "binary": "\0\0\0",
    "count": "3\nx\nC 0 0 0\n",
    "count too small": "1\nx\nC 0 0 0\nO 0 0 0\n",
    "element": "1\nx\nQq 0 0 0\n",
    "number": "1\nx\nC 0 0 x\n",
    "nan": "1\nx\nC 0 0 nan\n",
    "short": "1\nx\nC 0 0\n",
    "flat cell": '1\nLattice="1 0 0 1 0 0 0 0 1"\nC 0 0 0\n',
    "pbc": f"1\n{HEAD} pbc=TTX\nC 0 0 0\n",
    "columns, later": f"9\n{HEAD}:q:R:1\n" + "C 0 0 0 1\n" * 4 + "C 0 0 x 1\n" + "C 0 0 0 x\n" * 4,
    "energy": f"1\n{HEAD} energy=nan\nC 0 0 0\n",
    "second": "1\nx\nC 0 0 0\n1\nx\nC 0 0\n",
}
OPTIONS: dict[str, dict[str, Any]] = {
    "plain": {},
    "float64": {"dtype": torch.float64, "comment": None},
    "bonds": {"edges": CovalentBonds(), "dtype": torch.float64},
    "radius": {"edges": RadiusGraph(2.0)},
}


def read(folder: Path, found: Iterable[Data]) -> list[dict]:
    """The structures without the folder that they are in."""
    return [{**data.to_dict(), "source": str(data.source).replace(str(folder), "")} for data in found]


def tried(folder: Path, run: Callable[[], Iterable[Data]]) -> list:
    """What is read, or the line of the error."""
    try:
        return read(folder, run())
    except ValueError as error:
        return ["ValueError", getattr(error, "line", None)]


def written(folder: Path, name: str, text: str) -> Path:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    data = text.encode("utf-8", "surrogateescape")
    path.write_bytes(gzip.compress(data) if name.endswith(".gz") else data)
    return path


def readers(text: str, **options: Any) -> list:
    """One text by every reader."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name).resolve()
        path = written(folder, "a.xyz", text)
        return [
            tried(folder, lambda: read_xyz(path, **options)),
            tried(folder, lambda: XYZ(path, **options)),
            tried(folder, lambda: LazyXYZ(path, cache=folder / "cache", **options)),
            tried(folder, lambda: XYZStream(path, **options)),
            tried(folder, lambda: OnDiskXYZ(folder / "disk", path, **options)),
        ]


def numbered(total: int) -> str:
    return "".join(f"{1 + i % 3}\nE={i}\n" + f"He 0 0 {i}\n" * (1 + i % 3) for i in range(total))


def folders() -> list:
    """A folder with subfolders, packed and bad files: splits, targets, a table and filters of all readers."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name).resolve()
        data = folder / "data"
        for file, total in (("a.xyz", 20), ("sub/b.extxyz", 7), ("c.xyz.gz", 9)):
            written(data, file, numbered(total))
        written(data, "bad.xyz", BAD["second"])
        rows = "".join(f"{i},{i * i}.25\n" for i in range(20))
        table = written(folder, "table.csv", "index,y\n" + rows)
        split = written(folder, "split.json", json.dumps({"train": [0, 3, 5], "val": [1], "test": [2]}))
        given = {"targets": {"energy": "E"}, "on_error": "skip", "dtype": torch.float64}
        found: list = []
        for kind in (XYZ, LazyXYZ, lambda *a, **k: OnDiskXYZ(folder / "disk", *a, **k)):
            whole = kind(data, **given)
            found += [read(folder, whole), [error.line for error in whole.errors]]
            for part in ("train", "val", "test"):
                found += [read(folder, kind(data, split=part, seed=3, **given))]
                found += [read(folder, kind(data, split=part, splits=(5, None, 2), **given))]
                found += [read(folder, kind(data, split=part, splits=split, **given))]
            found += [read(folder, kind(data / "a.xyz", table=Table(table)))]
        found += [read(folder, XYZStream(data, **given)), vars_of(statistics(XYZ(data, **given), ["energy"]))]
        kept = {"pre_filter": lambda one: float(one.energy) % 2 == 0, "pre_transform": RadiusGraph(9.0)}
        found += [read(folder, XYZ(data, **given, **kept))]
        return found


def vars_of(value: Any) -> Any:
    """A dataclass as the numbers that it holds."""
    if hasattr(value, "_asdict"):
        return vars_of(value._asdict())
    if isinstance(value, dict):
        return {str(key): vars_of(one) for key, one in value.items()}
    if hasattr(value, "__dataclass_fields__"):
        return {name: vars_of(getattr(value, name)) for name in value.__dataclass_fields__}
    return [vars_of(one) for one in value] if isinstance(value, list | tuple) else value


def molecules(options: dict[str, Any]) -> list:
    with tempfile.TemporaryDirectory() as name:
        lazy = LazyXYZ(MOLECULES, cache=name, **options)
        disk = OnDiskXYZ(name, MOLECULES, **options)
        found = XYZ(MOLECULES, **options), lazy, XYZStream(MOLECULES, **options), disk
        batches = [batch.z for batch in DataLoader(disk, 5)]
        return [*(read(MOLECULES, one) for one in found), lazy.num_atoms, vars_of(statistics(lazy)), batches]


def bonded() -> list:
    """Bonds by RDKit in a process of its own, with their fall-back; graphs of a radius with few neighbors."""
    bonds = RDKitBonds(time_limit=60.0)
    found = read(MOLECULES, XYZ(MOLECULES, edges=bonds))
    return [found, len(bonds.fallbacks), read(MOLECULES, XYZ(MOLECULES, edges=RadiusGraph(3.0)))]


def simulated() -> list:
    """A short run of GFN2-xTB in another process."""
    run = {"steps": 20, "stride": 2, "equilibration": 4, "num_train": 2, "num_val": 3, "log": False}
    with tempfile.TemporaryDirectory() as name:
        path = written(Path(name), "h2.xyz", "2\nH2\nH 0 0 0\nH 0 0 0.8\n")
        return [list(MDTrajectory(name, path, split, **run)) for split in ("train", "val", "test", None)]


def loaded() -> list:
    """Batches in memory and from disk, shuffled, over two epochs, and those of one of two processes."""
    found = []
    with tempfile.TemporaryDirectory() as name:
        path = written(Path(name).resolve(), "a.xyz", numbered(23))
        for kind, data in ((InMemoryLoader, XYZ(path)), (OnDiskLoader, LazyXYZ(path))):
            for options in ({}, {"shuffle": True, "seed": 3}, {"shuffle": True, "rank": 1, "world_size": 2}):
                loader = kind(data, 4, **options)
                for epoch in range(2):
                    if hasattr(loader, "set_epoch"):
                        loader.set_epoch(epoch)
                    found.append([[batch.z, batch.pos, batch.batch, batch.ptr] for batch in loader])
    return found


def generated() -> list:
    with tempfile.TemporaryDirectory() as name:
        nbody = [NBody(f"{name}/nbody", split, 4, log=False) for split in ("train", "val", "test")]
        other = NBody(
            f"{name}/other", "train", 2, num_particles=3, length=500, input_frame=2, target_frame=3, log=False
        )
        graphs = GRAPH8c(f"{name}/graphs", 5, log=False)
        pairs = EXPLike(f"{name}/pairs", 4)
        return [[list(one) for one in (*nbody, other, graphs, pairs)], Batch.from_data_list(list(nbody[0]))]


def cases() -> Cases:
    """Yield the cases of this file."""
    for name, text in {**GOOD, **BAD}.items():
        yield f"xyz/{name}", lambda t=text: readers(t)
        yield f"xyz/{name}/float64", lambda t=text: readers(t, dtype=torch.float64, comment=True)
    yield "xyz/columns/named", lambda: readers(GOOD["columns"], columns={"forces": 3, "q": 1})
    said = {"energy": "E", "first": 0, "last": -1}
    yield "xyz/numbers/targets", lambda: readers(GOOD["numbers"], targets=said)
    yield "xyz/extended/targets", lambda: readers(GOOD["extended"], targets=["energy", "forces", "a"])
    yield "xyz/qm9/targets", lambda: readers(GOOD["qm9, two"], targets={"energy": "U0", "q": "mulliken"})
    for name, options in OPTIONS.items():
        yield f"xyz/data/molecules/{name}", lambda o=options: molecules(o)
    yield "xyz/folders", folders
    yield "xyz/bonds", bonded
    yield "simulated", simulated
    yield "loaders", loaded
    yield "generated", generated
