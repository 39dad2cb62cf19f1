"""Read piecemeal, by guesses, or from an index: the structures and the errors are those of `read_xyz`."""

import gzip
import os
import random
import time
from dataclasses import replace

import pytest
import torch

from fa_pyg.datasets import LazyXYZ, XYZStream, read_xyz
from fa_pyg.io.xyz import stream as stream
from fa_pyg.io.xyz.index.build import Builder
from fa_pyg.io.xyz.index.progress import Progress
from fa_pyg.io.xyz.index.scan import Part, follow
from fa_pyg.io.xyz.options import ReadOptions
from fa_pyg.io.xyz.stream import structures

MUTANTS = int(os.environ.get("FA_PYG_MUTANTS", "1000"))  # five thousand take about a minute of one core
PLAIN = b"3\nwater\nO 0 0 0.1\nH 0 0.7 -0.4\nH 0 -0.7 -0.4\n\n1\n\n2 1.0D-5 0 0\n"
SEEDS = (
    PLAIN * 4,
    b"2\nC 0 0 0\nO 0 0 1.1\n1\n6 1*^-6 2 3\n" * 5,
    b"\xef\xbb\xbf" + b"".join(b"2\n%d\nC 0 0 0\nO 0 0 1.1\n" % i for i in range(8)),  # comments like counts
    b"2\n2\nC 0 0 0\nO 0 0 1.1\n" * 6,
    PLAIN.replace(b"\n", b"\r\n") * 2 + PLAIN.replace(b"\n", b"\r") + PLAIN,
    b'2\nLattice="1 0 0 0 1 0 0 0 1" Properties=species:S:1:pos:R:3:forces:R:3 energy=-1 a={1 2}\n'
    b"O 0 0 0 1 2 3\nH 0 0 1 4 5 6\n" * 2,
    b"3\ngdb 5 0. 44.5 44.5 2.8 12.9 -0.3 0.01 0.3 48.7 0.01 -93.4 -93.4 -93.4 -93.4 6.2\n"
    b"C 0 1.1 0 0.1\nN 0 0 1.9*^-6 -0.3\nH 0 2.1 0.0 0.2\n799.0 799.0 2198.4 3490.3\n"
    b"C#N C#N\nInChI=1 InChI=1\n" * 2,
)
WORDS = b"\n,\r,\r\n,\t,1,3\n,0,-,.,e,nan,C,Xx,\0,\xff,=,#,[,1e400,99999999,\n\n\n".split(b",")
WORDS += [b"Properties=", b"Lattice=", b"2\n\nC 0 0 0\n", b"1\n1\nC 0 0 0\n"]


def mutant(rng):
    """A seed with some pieces put in, taken out, moved; half of them one only."""
    content = rng.choice(SEEDS)
    for _ in range(rng.choice([0, 1, 1, 1, 2, 4])):
        at = rng.randrange(len(content) + 1)
        piece = rng.choice([b"", rng.choice(WORDS), content[at // 2 : at // 2 + 9]])
        content = content[:at] + piece + content[at + rng.choice([0, 0, 1, 3, 20]) :]
    return content[: rng.randrange(len(content) + 1)] if rng.random() < 0.1 else content


def outcome(read, path):
    """What a reader makes of a file: the structures, or the words of the error."""
    try:
        return [(d.z.tolist(), d.pos.tolist(), sorted(d.keys()), d.comment, d.source) for d in read(path)]
    except ValueError as error:
        return str(error)


def built(path, span, workers=0):
    """Structures through an index that is built in parts of so many bytes."""
    for file in path.parent.glob("index*"):
        file.unlink()
    reading, progress = ReadOptions(), Progress(path.with_name("index"))
    Builder([str(path)], [str(path)], [path.stat().st_size], reading, progress, False, workers, span).run()
    content, one, data = path.read_bytes(), path.with_name("one.xyz"), []
    for file, offset, length, line, atoms in progress.rows().tolist():
        one.write_bytes(content[offset : offset + length])
        (structure,) = read_xyz(one)
        assert (file, atoms) == (0, structure.num_nodes)
        data.append(structure.update({"source": f"{path}:{line + 1}"}))
    return data


@pytest.mark.parametrize("seed", range(5))
def test_pieces_and_guesses_agree_with_the_whole(tmp_path, monkeypatch, seed):
    monkeypatch.setattr(stream, "PATIENCE", 3)
    monkeypatch.setattr(
        os, "fsync", lambda descriptor: None
    )  # thousands of tiny parts; the disk is not tested
    rng, path, refused = random.Random(seed), tmp_path / "a.xyz", 0
    for _ in range(MUTANTS // 5):
        path.write_bytes(mutant(rng))
        expected = outcome(read_xyz, path)
        size = rng.choice([1, 7, 64, 1 << 20])
        assert outcome(lambda p, size=size: structures(p, ReadOptions(), size), path) == expected
        assert outcome(lambda p: built(p, rng.choice([1, 30, 100])), path) == expected
        refused += isinstance(expected, str)
    assert MUTANTS // 10 < refused < MUTANTS // 5  # most are bad, some are good


def test_the_data_sets_agree_too(tmp_path):
    rng = random.Random(0)
    for number in range(150):
        path = tmp_path / str(number) / ("a.xyz.gz" if number % 3 == 0 else "a.xyz")
        path.parent.mkdir()
        content = mutant(rng)
        path.write_bytes(gzip.compress(content) if number % 3 == 0 else content)
        expected = outcome(read_xyz, path)
        assert outcome(XYZStream, path) == expected
        for _ in range(2):  # built, and found again
            assert outcome(LazyXYZ, path) == expected


@pytest.mark.parametrize("cut", [0, 2, 10, 30, -6])
def test_broken_gzip(tmp_path, cut):
    path = tmp_path / "a.xyz.gz"
    whole = gzip.compress(b"".join(b"1\n%d\nC 0 0 %d\n" % (i, i) for i in range(5000)), mtime=0)
    path.write_bytes(whole[:cut])
    expected = outcome(read_xyz, path)
    assert isinstance(expected, str)
    assert outcome(XYZStream, path) == outcome(LazyXYZ, path) == expected


def test_a_guess_is_not_believed(tmp_path):
    """Every comment is a count that fits: a chain that begins at one never meets the true one."""
    path = tmp_path / "a.xyz"
    path.write_bytes(b"1\n1\nC 0 0 0\n\n" * 50 + b"1\nC 0 0 0\n")
    size = path.stat().st_size
    guess = follow(Part(str(path), 2, size, None), ReadOptions())
    assert len(guess.found)
    assert outcome(lambda p: built(p, 2), path) == outcome(read_xyz, path)


def test_workers_agree(tmp_path):
    path = tmp_path / "a.xyz"
    path.write_bytes(PLAIN * 200)
    assert outcome(lambda p: built(p, 500, workers=2), path) == outcome(read_xyz, path)
    path.write_bytes(PLAIN * 100 + b"1\n\nC 0 0 x\n" + PLAIN * 100)
    message = outcome(lambda p: built(p, 500, workers=2), path)
    assert "line 903: expected a number in place of 'x'" in message
    assert message == outcome(read_xyz, path)


LONG = 1_000_000


@pytest.mark.parametrize(
    "content",
    [
        b"1" * LONG,
        b"\n" * LONG,
        b"\r" * LONG,
        b"%d\n" % LONG + b"\n" * LONG,
        b"%d\n\n" % LONG + b"C 0 0 0\n" * (LONG // 10),
        b"%d\nProperties=species:S:1:pos:R:3\n" % LONG + b"C 0 0 0\n" * (LONG // 10),
        b"5\n" * (LONG // 20),
        b"1\nE=[" + b" E=[" * (LONG // 4) + b"\nC 0 0 0\n",
        b"1\nE" + b" " * LONG + b"\nC 0 0 0\n",
    ],
)
def test_never_slow(tmp_path, content):
    path = tmp_path / "long.xyz"
    path.write_bytes(content)
    start = time.process_time()
    assert isinstance(outcome(lambda p: LazyXYZ(p, workers=0, targets=["E"]), path), str)
    assert isinstance(outcome(lambda p: XYZStream(p, targets=["E"]), path), str)
    assert time.process_time() - start < 10  # about one second; a quadratic step would take minutes


def test_a_wrong_count_does_not_fill_the_memory(tmp_path):
    """A count too large ends at the line that shows it, and not at the end of the file."""
    for comment in (b"", b"Properties=species:S:1:pos:R:3"):
        good = b"2\n%s\nC 0 0 0\nO 0 0 1\n" % comment
        path = tmp_path / "a.xyz"
        path.write_bytes(good + good.replace(b"2", b"400000", 1) + good * 300_000)
        expected = outcome(read_xyz, path)
        held = []
        with pytest.raises(ValueError) as raised:
            list(
                stream.iterate_blocks(
                    path, ReadOptions(), lambda text, block, held=held: held.append(len(text.rows))
                )
            )
        assert str(raised.value) == expected or comment
        assert max(held) < 400_000  # of 1.2 million: two pieces of lines that are short


def test_errors_keep_their_type_through_pickle():
    import pickle

    from fa_pyg.io.xyz.errors import XYZError

    assert str(XYZError("only words")) == "only words"
    assert replace(ReadOptions(), dtype=torch.float64).limit > ReadOptions().limit
    assert str(pickle.loads(pickle.dumps(XYZError("a", 1, "b", "c")))) == "a, line 1: expected c, found b"
