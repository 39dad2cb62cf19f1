"""Whatever the bytes are, reading them ends, with structures or with a `ValueError`, and rightly so."""

import gzip
import time

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from fa_pyg.datasets import read_xyz
from fa_pyg.io.elements import ATOMIC_NUMBER, SYMBOLS
from fa_pyg.io.xyz.grammar import parse_atoms, what_is_wrong

LIMIT = torch.finfo(torch.float64).max
quick = settings(max_examples=150, deadline=5000, suppress_health_check=[HealthCheck.function_scoped_fixture])


# -- whole files: what was written comes back

numbers = st.floats(-1e6, 1e6, allow_subnormal=False)
atoms = st.lists(st.tuples(st.integers(1, 118), numbers, numbers, numbers), min_size=1, max_size=6)


@st.composite
def styles(draw):
    """A way to write XYZ: element spelling, number format, ends of lines, comment, further columns."""
    return {
        "element": draw(
            st.sampled_from([SYMBOLS.__getitem__, lambda z: SYMBOLS[z].upper(), "{:03d}".format, str])
        ),
        "number": draw(st.sampled_from([repr, "{:.6f}".format, "{:+.12E}".format, "{:.3g}".format])),
        "exponent": draw(st.sampled_from(["e", "E", "D", "d", "*^"])),
        "comment": draw(
            st.sampled_from([None, "", "a comment", "1 2 3", "C H N", "step=1 E = -3.5", "C 1 2 x 4"])
        ),
        "more": draw(st.sampled_from(["", " 1.5", "\tlabel 3  "])),
        "blank": draw(st.sampled_from(["", "\n", " \t\n\n"])),
        "space": draw(st.sampled_from([" ", "\t", "   "])),
        "ends": draw(st.sampled_from(["\n", "\r\n", "\r"])),
    }


def written(structures, style):
    """The text of the structures, and the positions as the text says them."""
    text, positions = "", []
    for structure in structures:
        rows = [[style["number"](x) for x in xyz] for _, *xyz in structure]
        positions.append([[float(x) for x in row] for row in rows])
        text += f"{len(structure)}\n" + ("" if style["comment"] is None else style["comment"] + "\n")
        for (z, *_), row in zip(structure, rows, strict=True):
            row = [x.replace("e", "E").replace("E", style["exponent"]) for x in row]
            text += style["space"].join([style["element"](z), *row]) + style["more"] + "\n"
        text += style["blank"]
    return text.replace("\n", style["ends"]), positions


@quick
@given(structures=st.lists(atoms, min_size=1, max_size=4), style=styles(), zipped=st.booleans())
def test_round_trip(tmp_path, structures, style, zipped):
    text, positions = written(structures, style)
    path = tmp_path / "any.xyz"
    path.write_bytes(gzip.compress(text.encode()) if zipped else text.encode())
    found = read_xyz(path, dtype=torch.float64)
    assert [d.z.tolist() for d in found] == [[z for z, *_ in s] for s in structures]
    assert [d.pos.tolist() for d in found] == positions
    assert all(d.comment == (style["comment"] or "") for d in found)


# -- broken files

SEEDS = (
    b"3\nwater\nO 0 0 0.1\nH 0 0.7 -0.4\nH 0 -0.7 -0.4\n\n1\n\n2 1.0D-5 0 0\n",
    b"2\nC 0 0 0\nO 0 0 1.1\n1\n6 1*^-6 2 3\n",
    b'2\nLattice="1 0 0 0 1 0 0 0 1" Properties=species:S:1:pos:R:3:forces:R:3 energy=-1 a={1 2}\n'
    b"O 0 0 0 1 2 3\nH 0 0 1 4 5 6\n",
    b"3\ngdb 5 0. 44.5 44.5 2.8 12.9 -0.3 0.01 0.3 48.7 0.01 -93.4 -93.4 -93.4 -93.4 6.2\n"
    b"C 0 1.1 0 0.1\nN 0 0 1.9*^-6 -0.3\nH 0 2.1 0.0 0.2\n799.0 799.0 2198.4 3490.3\n"
    b"C#N C#N\nInChI=1 InChI=1\n",
)
WORDS = b'\n, \r, ,\t,1,0,-,.,e,nan,inf,C,Xx,\0,\xff,=,:,",Properties=,Lattice=,1e400,99999999,_JSON {,[,}'
pieces = st.sampled_from([*WORDS.split(b","), b"9" * 5000, b"VEC1 1 2 3\n"])
edits = st.lists(st.tuples(st.floats(0, 1), st.integers(0, 6), pieces | st.binary(max_size=4)), max_size=4)


def edited(content, changes):
    for where, removed, inserted in changes:
        at = int(where * len(content))
        content = content[:at] + inserted + content[at + removed :]
    return content


def read_or_refuse(path):
    """The structures, checked; or None after a `ValueError` that names the file."""
    message, structures = None, None
    try:
        structures = read_xyz(path)
    except ValueError as error:
        message = str(error)
    if message is not None:
        assert message.startswith(str(path))
        assert ": expected " in message
        assert ", found " in message
        return None
    assert structures
    for data in structures:
        assert torch.isfinite(data.pos).all()
        assert data.pos.shape == (len(data.z), 3)
        assert 1 <= data.z.min() <= data.z.max() <= 118
    return structures


@settings(quick, max_examples=600)
@given(seed=st.sampled_from(SEEDS), changes=edits)
def test_damaged_files(tmp_path, seed, changes):
    path = tmp_path / "damaged.xyz"
    path.write_bytes(edited(seed, changes))
    read_or_refuse(path)


@pytest.mark.parametrize("seed", SEEDS)
def test_the_undamaged_are_read_and_the_truncated_never_gain_atoms(tmp_path, seed):
    path = tmp_path / "cut.xyz"
    path.write_bytes(seed)
    whole = read_or_refuse(path)
    assert whole is not None
    for length in range(len(seed)):
        path.write_bytes(seed[:length])
        part = read_or_refuse(path) or []
        assert [d.num_nodes for d in part] == [d.num_nodes for d in whole[: len(part)]]


@quick
@given(content=st.binary(max_size=300))
@example(content=b"\x1f\x8b")
def test_any_bytes(tmp_path, content):
    path = tmp_path / "any.xyz"
    path.write_bytes(content)
    read_or_refuse(path)


# -- blocks and single lines are judged alike

fields = st.sampled_from(
    ["C", "cl", "Xx", "6", "0", "119", "1.5", "-2", "1e5", "1e999", "nan", "1_0", "0x1", ".", "1."]
)
rows = st.lists(fields, max_size=6).map(" ".join) | st.text(max_size=12).filter(lambda t: "\n" not in t)
blocks = st.lists(
    st.tuples(st.sampled_from(["C 0 1 2", " o 1e-3 .5 2. x", "17 1D2 1*^2 3"]), rows, st.booleans())
)


@settings(quick, max_examples=300)
@given(block=blocks.filter(bool).map(lambda b: [(bad if use else good).encode() for good, bad, use in b]))
def test_blocks_agree_with_lines(block):
    single = [parse_atoms([row], LIMIT) for row in block]
    assert [one is None for one in single] == [what_is_wrong(row, LIMIT) is not None for row in block]
    together = parse_atoms(block, LIMIT)
    assert (together is None) == any(one is None for one in single)
    if together is not None:
        for found, expected in zip(together, zip(*single, strict=True), strict=True):
            assert (np.asarray(found) == np.concatenate([np.asarray(e) for e in expected])).all()


def naive(row):
    """The slow oracle: what one line says, without any pattern; None if it is not an atom line."""
    fields = [f for f in row.decode("latin-1").replace("\t", " ").split(" ") if f]
    if len(fields) < 4 or fields[0].encode() not in ATOMIC_NUMBER:
        return None
    try:
        xyz = [float(f.lower().replace("*^", "e").replace("d", "e")) for f in fields[1:4]]
    except ValueError:
        return None
    plain = all(set(f.lower()) <= set("0123456789+-.ed*^") for f in fields[1:4])
    return [ATOMIC_NUMBER[fields[0].encode()], *xyz] if plain and np.isfinite(xyz).all() else None


@settings(quick, max_examples=400)
@given(
    row=rows.map(str.encode) | st.text("Cc16.eEdD*^+- \t", max_size=20).map(lambda t: b"C 1 2 " + t.encode())
)
def test_lines_agree_with_an_oracle(row):
    found = parse_atoms([row], LIMIT)
    expected = naive(row)
    assert (found is None) == (expected is None)
    if found is not None:
        assert [found[0][0], *found[1][0]] == expected


# -- time grows with the size of the file, not faster

LONG = 1_000_000


@pytest.mark.parametrize(
    "content",
    [
        b"1" * LONG,
        b"1\n\nC 0 0 " + b"1" * LONG + b"x",
        b"1\n\nC " + (b"1" * (LONG // 3) + b" ") * 3 + b"\x0b",
        b"1\n\nC 0 0 1e" + b"1" * LONG + b"x",
        b"1\n\nC 0 0 0" + b" " * LONG + b"\x0b",
        b"1\n\n" + b" " * LONG + b"C 0 0",
        b"1\n\n" + b"C " * LONG,
        b"1\n" + b"C " * LONG,
        b"1\ngdb " + b"1 " * LONG + b"x\nC 0 0 0 0",
        b"1\n" + b"Properties=" * (LONG // 11) + b"\nC 0 0",
        b"\n" * LONG,
        b"%d\n" % LONG + b"\n" * LONG,
        b"%d\n\n" % LONG + b"C 0 0 0\n" * (LONG // 10),
        b"1\n\nC 0 0 0\n" * (LONG // 200) + b"1\n\nC",
    ],
)
def test_never_slow(tmp_path, content):
    path = tmp_path / "long.xyz"
    path.write_bytes(content)
    start = time.process_time()
    read_or_refuse(path)
    assert time.process_time() - start < 5  # well under one second; a quadratic step would take minutes
