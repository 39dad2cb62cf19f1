"""Packed files: gzip, bzip2 and xz are read alike by every reader, and a broken one is never half a file."""

import bz2
import gzip
import lzma

import pytest

from fa_pyg.datasets import XYZ, LazyXYZ, OnDiskXYZ, XYZStream, read_xyz
from fa_pyg.io.xyz import stream as stream
from fa_pyg.io.xyz.open import open_bytes

PACK = {"gz": gzip.compress, "bz2": bz2.compress, "xz": lzma.compress}
KINDS = {"gz": "gzip", "bz2": "bzip2", "xz": "xz"}
TEXT = b"".join(b"1\n%d\nC 0 0 %d\n" % (i, i) for i in range(3000))


def outcome(read, path):
    try:
        return [(d.pos.tolist(), d.comment, d.source) for d in read(path)]
    except ValueError as error:
        return str(error)


@pytest.fixture(params=PACK)
def kind(request):
    return request.param


@pytest.fixture
def readers(tmp_path):
    return {
        "read_xyz": read_xyz,
        "XYZ": XYZ,
        "LazyXYZ": LazyXYZ,
        "XYZStream": XYZStream,
        "OnDiskXYZ": lambda path: OnDiskXYZ(tmp_path / "root", path),
    }


@pytest.mark.parametrize("name", ["a.xyz.{}", "A.EXTXYZ.{}", "a.xyz", "a"])
def test_every_reader(tmp_path, readers, kind, name):
    path = tmp_path / name.format(kind)
    path.write_bytes(PACK[kind](TEXT[:300]))
    (tmp_path / "plain.xyz").write_bytes(TEXT[:300])
    expected = [
        (pos, comment, source.replace("plain.xyz", path.name))
        for pos, comment, source in outcome(read_xyz, tmp_path / "plain.xyz")
    ]
    for reader, read in readers.items():
        assert outcome(read, path) == expected, reader


def test_folders_and_tables(tmp_path, kind):
    (tmp_path / f"a.xyz.{kind}").write_bytes(PACK[kind](b"1\n\nHe 0 0 0\n"))
    (tmp_path / "t.csv").write_text("file,e\na,5\n")
    (data,) = XYZ(tmp_path, table=tmp_path / "t.csv")
    assert data.e.tolist() == [5]


def test_several_streams_are_one_file(tmp_path, kind):
    path = tmp_path / f"a.xyz.{kind}"
    path.write_bytes(b"".join(PACK[kind](TEXT[i : i + 10_000]) for i in range(0, len(TEXT), 10_000)))
    assert [d.pos[0, 2].item() for d in XYZStream(path)] == list(range(3000))
    padded = path.read_bytes() + b"\0" * 8
    path.write_bytes(padded)
    assert len(read_xyz(path)) == 3000


@pytest.mark.parametrize("damage", ["cut", "flipped", "second", "cut second", "rest", "head", "text"])
def test_broken(tmp_path, readers, kind, damage):
    one, other = PACK[kind](TEXT[:12]), PACK[kind](TEXT[12:])
    whole = bytearray(PACK[kind](TEXT))
    whole[len(whole) // 2] ^= 0xFF
    content = {
        "cut": PACK[kind](TEXT)[:-9],
        "flipped": bytes(whole),
        "second": one + b"XX" + other[2:],
        "cut second": one + other[:-9],
        "rest": one + b"rest",
        "head": one[:6],
        "text": TEXT,
    }[damage]
    path = tmp_path / f"a.xyz.{kind}"
    path.write_bytes(content)
    for reader, read in readers.items():
        found = outcome(read, path)
        assert isinstance(found, str), reader
        assert (
            f"a.xyz.{kind}: expected a whole {KINDS[kind]} stream, found a broken {KINDS[kind]} stream ("
            in found
        )


def test_going_back(tmp_path, kind):
    """A structure longer than what was read is counted to its end, and then read from where it was."""
    path = tmp_path / "a.xyz"
    path.write_bytes(PACK[kind](TEXT))
    with open_bytes(path) as source:
        for offset in (0, 5000, 17, len(TEXT) - 1, 0):
            source.seek(offset)
            assert (source.tell(), source.read(9)) == (offset, TEXT[offset : offset + 9])


@pytest.mark.parametrize("size", [1, 7, 1 << 20])
def test_a_long_structure_is_read_in_pieces(tmp_path, monkeypatch, size, kind):
    monkeypatch.setattr(stream, "PATIENCE", 3)
    rows = b"".join(b"C 0 0 %d\n" % (i % 10) for i in range(40))
    good = b"40\nProperties=species:S:1:pos:R:3\n" + rows
    for text in (good, good.replace(b"40", b"41", 1), good + good, good.replace(b"C 0 0 5", b"C 0 0 x")):
        path = tmp_path / "a.xyz"
        path.write_bytes(PACK[kind](text))
        assert outcome(lambda p: stream.structures(p, stream.ReadOptions(), size), path) == outcome(
            read_xyz, path
        )


@pytest.mark.parametrize("ends", [b"\n", b"\r\n", b"\r"])
def test_a_piece_may_end_with_a_line(tmp_path, monkeypatch, ends):
    """The lines behind it count: where they did not, a whole structure was said to be cut short."""
    monkeypatch.setattr(stream, "PATIENCE", 3)
    path = tmp_path / "a.xyz"
    for count in (30, 31):
        text = b"%d\npbc=F\n" % count + b"C 0 0 0\n" * 30
        path.write_bytes(text.replace(b"\n", ends))
        expected = outcome(read_xyz, path)
        for size in range(1, 200):
            found = outcome(lambda p, size=size: stream.structures(p, stream.ReadOptions(), size), path)
            assert found == expected, size
