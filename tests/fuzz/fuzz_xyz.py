"""Coverage-guided fuzzing of all readers of XYZ files, by libFuzzer through atheris.

    pip install atheris
    PYTHONPATH=. python tests/fuzz/fuzz_xyz.py CORPUS -max_total_time=3600 -timeout=20

CORPUS is a folder that keeps what reached new code. A run that finds something leaves the input as
`crash-...` and says what was wrong; `python tests/fuzz/fuzz_xyz.py crash-...` repeats it. What was found are
tests in ``test_readers.py`` beside this file, which also uses ``check``.

A fault is: an exception other than ValueError, a hang, a structure whose attributes do not fit its atoms, and
readers that do not agree, to the last bit or in the words of the error.
"""

from __future__ import annotations

import math
import os
import shutil
import sys
import tempfile
import warnings
import zlib
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import torch
from torch_geometric.data import Batch, Data

HEAD = b'Lattice="4 0 0 0 4 0 0 0 4" Properties=species:S:1:pos:R:3:forces:R:3:q:I:1 pbc="T T F" energy=-1.5'
SEEDS = (
    b"3\nwater\nO 0 0 0.1\nH 0 0.7 -0.4\nH 0 -0.7 -0.4\n\n1\n\n2 1.0D-5 0 0\n",
    b"2\nC 0 0 0\nO 0 0 1.1\n1\n6 1*^-6 2 3\n",
    b"1\n%s\nO 0 0 0 1 2 3 4\n2\n%s step=1\nD 0 0 0 1 2 3 4\nH 0 0 1 0 0 0 -1\n" % (HEAD, HEAD),
    b'1\nproperties=pos:R:3:Z:I:1:s:S:2:l:L:1 a={1 2} b=[[1,2],[3,4]] c="T F" s=C[N+](C)=O\n0 0 1 8 a b T\n',
    b'1\npbc=F F F stress="1 2 3 4 5 6" virial="1 2 3 4 5 6 7 8 9" j="_JSON [1, 2]" word nan=nan\nNe 0 0 0\n',
    b"1\npbc=F x=1 index=2 self=3 place=4 num_nodes=5 edge_index=6 batch=7\nNe 0 0 0\n"
    b"2\npbc=F x=none\nC 0 0 0\nO 0 0 1\n",
    b"2\n%s:x:R:1\nO 0 0 0 1 2 3 4 5\nH 0 0 1 5 6 7 8 9\n2\npbc=F x_=1\nC 0 0 0\nO 0 0 1\n"
    % HEAD.split(b" pbc")[0],
    b"3\ngdb 5 0. 44.5 44.5 2.8 12.9 -0.3 0.01 0.3 48.7 0.01 -93.4 -93.4 -93.4 -93.4 6.2\n"
    b"C 0 1.1 0 0.1\nN 0 0 1.9*^-6 -0.3\nH 0 2.1 0.0 0.2\n799.0 799.0 2198.4 3490.3\n"
    b"C#N C#N\nInChI=1 InChI=1\n",
)
WORDS = rb"""
    Lattice= lattice= Properties= pbc= pbc=\"TTF\" :R:1 :I:1 :L:1 :S:1 species:S:1 pos:R:3 energy= stress=
    nan inf 1e39 1e400 1*^5 1D5 _JSON [[ ]] {} \"\" '' = : , ; T F true D Xx gdb x= index= batch= edge
    self= place= num_nodes= 9999999999999999999 \x00 \x0d\x0a \x0d \xef\xbb\xbf \xff \x1f\x8b BZh 1\x0a\x0a
    C\x200\x200\x200\x0a
"""
SIZES = (1, 7, 64)


def check(content: bytes, folder: Path) -> list[Data] | str:
    """Return what ``read_xyz`` makes of a file; AssertionError where another reader disagrees."""
    from fa_pyg.datasets import XYZ, LazyXYZ, OnDiskXYZ, XYZStream, read_xyz
    from fa_pyg.io.xyz import stream as stream
    from fa_pyg.io.xyz.options import ReadOptions

    path = folder / "a.xyz"
    path.write_bytes(content)
    patience, stream.PATIENCE = stream.PATIENCE, 3
    try:
        expected = outcome(lambda: read_xyz(path))
        if not isinstance(expected, str):
            for data in expected:
                check_structure(data)
        size = SIZES[zlib.crc32(content) % len(SIZES)]
        same(expected, outcome(lambda: stream.structures(path, ReadOptions(), size)), "pieces")
        same(expected, outcome(lambda: XYZStream(path)), "XYZStream")
        same(expected, outcome(lambda: LazyXYZ(path, cache=folder / "cache", workers=0)), "LazyXYZ")
        memory = outcome(lambda: XYZ(path))
        same_in_common(expected, memory)
        same(memory, outcome(lambda: OnDiskXYZ(folder / "disk", path)), "OnDiskXYZ")
    finally:
        stream.PATIENCE = patience
    return expected


def outcome(read: Callable[[], Iterable[Data]]) -> list[Data] | str:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            return list(read())
        except ValueError as error:
            return str(error)


def check_structure(data: Data) -> None:
    """Every structure has finite numbers, rows for its atoms, and attributes that keep to themselves."""
    atoms = len(data.z)
    assert data.num_nodes == data["num_nodes"] == atoms > 0, "number of nodes"
    assert data.num_edges == 0, "edges"
    assert data.pos.shape == (atoms, 3), "positions"
    assert 1 <= int(data.z.min()) <= int(data.z.max()) <= 118, "elements"
    for name, value in data:
        assert getattr(data, name) is value or value == getattr(data, name), f"{name} is something else"
        if isinstance(value, torch.Tensor):
            assert bool(value.isfinite().all()), f"{name} is not finite"
            assert data.__cat_dim__(name, value) == 0, f"{name} is put together otherwise"
            assert data.__inc__(name, value) == 0, f"{name} is counted up"
    if "pbc" in data:
        assert data.pbc.any() <= bool(data.cell.any()), "periodic without a cell"
    batch = Batch.from_data_list([data, data])
    assert batch.num_nodes == 2 * atoms, "nodes of a batch"
    assert batch.batch.tolist() == [0] * atoms + [1] * atoms, "numbers of graphs"


def same(expected: list[Data] | str, found: list[Data] | str, reader: str) -> None:
    if isinstance(expected, str) or isinstance(found, str):
        assert expected == found, f"{reader}: found {found}, expected {expected}"
        return
    assert len(expected) == len(found), f"{reader}: {len(found)} structures, expected {len(expected)}"
    for one, other in zip(expected, found, strict=True):
        assert one.to_dict().keys() == other.to_dict().keys(), f"{reader}: {other.keys()}, {one.keys()}"
        for name, value in one:
            assert is_same(value, other[name]), f"{reader}: {name} is {other[name]}, expected {value}"


def is_same(one: Any, other: Any) -> bool:
    if not isinstance(one, torch.Tensor) or not isinstance(other, torch.Tensor):
        return type(one) is type(other) and one == other
    same_bits = one.numpy().tobytes() == other.numpy().tobytes()
    return one.dtype == other.dtype and one.shape == other.shape and same_bits


def same_in_common(expected: list[Data] | str, found: list[Data] | str) -> None:
    """In memory there is only what all structures have in one form."""
    if isinstance(expected, str) or isinstance(found, str):
        assert expected == found, f"XYZ: found {found}, expected {expected}"
        return
    assert len(expected) == len(found), f"XYZ: {len(found)} structures, expected {len(expected)}"
    names = {name for data in expected for name, _ in data}
    forms = {name: {form(data, name) for data in expected} for name in names}
    mixed = {name for name in names if len({level(data, name) for data in expected} - {None}) > 1}
    kept = {name for name in names - mixed if len(forms[name]) == 1} | ({"cell", "pbc"} & names)
    for one, other in zip(expected, found, strict=True):
        assert set(other.to_dict()) == kept, f"XYZ: {sorted(other.to_dict())}, expected {sorted(kept)}"
        for name in kept:
            value = other[name]
            wanted = one[name] if name in one else torch.zeros_like(value)
            wanted = wanted.to(value.dtype) if isinstance(wanted, torch.Tensor) else wanted
            assert is_same(wanted, value), f"XYZ: {name} is {value}, expected {wanted}"


def form(data: Data, name: str) -> object:
    value = data.get(name)
    if not isinstance(value, torch.Tensor):
        return type(value)
    return value.dtype == torch.bool, value.shape[1:], math.copysign(1, value.dim())


def level(data: Data, name: str) -> bool | None:
    """Whether a structure of extended XYZ has rows for its atoms, or one; None if that is the same."""
    value = data.get(name)
    if not isinstance(value, torch.Tensor) or "pbc" not in data or data.num_nodes == 1:
        return None
    return {1: False, data.num_nodes: True}.get(len(value))


def one_input(content: bytes) -> None:
    folder = Path(tempfile.mkdtemp(dir=FOLDER))
    try:
        check(content, folder)
    finally:
        shutil.rmtree(folder)


FOLDER = "/dev/shm" if os.path.isdir("/dev/shm") else None


def main() -> None:
    import atheris

    with atheris.instrument_imports(include=["fa_pyg.datasets"]):
        import fa_pyg.datasets  # noqa: F401

    os.fsync = lambda descriptor: None  # the disk is not tested, and takes most of the time
    args = list(sys.argv)
    folders = [arg for arg in args[1:] if not arg.startswith("-") and not os.path.isfile(arg)]
    for folder in folders[:1]:
        os.makedirs(folder, exist_ok=True)
        for number, seed in enumerate(SEEDS):
            Path(folder, f"seed-{number}").write_bytes(seed)
        words = Path(folder).with_suffix(".dict")
        words.write_bytes(b"".join(b'"%s"\n' % word for word in WORDS.split()))
        args.append(f"-dict={words}")
    atheris.Setup(args, one_input)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
