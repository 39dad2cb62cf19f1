"""Bad files: each error names the file, the line, what was found and what was expected."""

import gzip
import os
import pickle
import re

import pytest
import torch

from fa_pyg.datasets import XYZ, read_xyz

GOOD = "2\ncarbon monoxide\nC 0 0 0\nO 0 0 1.128\n"

BAD = {
    # content: line, found, expected
    "": (1, "the end of the file", "a number of atoms"),
    "\n \n": (3, "the end of the file", "a number of atoms"),
    "hello\n": (1, "'hello'", "a number of atoms"),
    "C 0 0 0\nO 0 0 1\n": (1, "'C 0 0 0'", "a number of atoms"),
    "-2\n\nC 0 0 0\n": (1, "'-2'", "a number of atoms"),
    "0\n\n": (1, "'0'", "a positive number of atoms"),
    "2.0\n\nC 0 0 0\nO 0 0 1\n": (1, "'2.0'", "a number of atoms"),
    "2 atoms\n\nC 0 0 0\nO 0 0 1\n": (1, "'2 atoms'", "a number of atoms"),
    "9" * 30 + "\n": (1, "'999", "a number of atoms"),
    "2": (2, "the end of the file", "atom 1 of 2"),
    "2\n": (2, "the end of the file", "atom 1 of 2"),
    "2\n\n": (3, "the end of the file", "atom 1 of 2"),
    "3\n\nC 0 0 0\nO 0 0 1\n": (5, "the end of the file", "'element x y z' (atom 3 of 3"),
    "3\nC 0 0 0\nO 0 0 1\n": (4, "the end of the file", "atom 3 of 3; line 2 was read as the first atom"),
    "3\n\nC 0 0 0\n\nO 0 0 1\n": (4, "a blank line", "atom 2 of 3"),
    "999999999999999999\n\nC 0 0 0\n": (4, "the end of the file", "atom 2 of 999999999999999999"),
    "1\n\nC 0 0 0\nO 0 0 1\n": (4, "'O 0 0 1'", "a number of atoms or the end of the file: line 1 counts 1"),
    "1\nC 0 0 0\nO 0 0 1\n": (3, "'O 0 0 1'", "line 1 counts 1 atoms; line 2 was read as the first atom"),
    "2\n\nC 0 0\nO 0 0 1\n": (3, "'C 0 0'", "'element x y z' (atom 1 of 2"),
    "2\n\nC 0 0 0\nO 0 0 one\n": (4, "'O 0 0 one'", "a number in place of 'one' (atom 2 of 2"),
    "1\n\nC 0 0 1_0\n": (3, "'C 0 0 1_0'", "a number in place of '1_0'"),
    "1\n\nC 0 0 0,5\n": (3, "'C 0 0 0,5'", "a number in place of '0,5'"),
    "1\n\nC 0 0 0x1p3\n": (3, "'C 0 0 0x1p3'", "a number in place of '0x1p3'"),
    "1\n\nC 0 0 1e\n": (3, "'C 0 0 1e'", "a number in place of '1e'"),
    "1\n\nC 0 ******** 0\n": (3, "'C 0 ******** 0'", "a number in place of '********'"),
    "1\n\nC 0 0 nan\n": (3, "'C 0 0 nan'", "finite coordinates"),
    "1\n\nC 0 -Inf 0\n": (3, "'C 0 -Inf 0'", "finite coordinates"),
    "1\n\nC infinity 0 0\n": (3, "'C infinity 0 0'", "finite coordinates"),
    "1\n\nC 0 0 1e999\n": (3, "'C 0 0 1e999'", "finite coordinates"),
    "1\n\nC 0 0 1e39\n": (3, "'C 0 0 1e39'", "finite coordinates (at most 3.4e+38"),
    "1\n\nXx 0 0 0\n": (
        3,
        "'Xx 0 0 0'",
        "an element symbol or an atomic number from 1 to 118 in place of 'Xx'",
    ),
    "1\n\n0 0 0 0\n": (3, "'0 0 0 0'", "in place of '0'"),
    "1\n\n119 0 0 0\n": (3, "'119 0 0 0'", "in place of '119'"),
    "1\n\n-6 0 0 0\n": (3, "'-6 0 0 0'", "in place of '-6'"),
    "1\n\nC1 0 0 0\n": (3, "'C1 0 0 0'", "in place of 'C1'"),
    "2\nXx 0 0 0\nO 0 0 1\n": (4, "the end of the file", "line 2 was read as a comment: pass comment=False"),
    "2\nC nan 0 0\nO 0 0 1\n": (4, "the end of the file", "line 2 was read as a comment: pass comment=False"),
    GOOD + "2\ncut\nC 0 0 0\n": (8, "the end of the file", "atom 2 of 2"),
    GOOD + "2\ncut\nC 0 0 0\nO 0 0": (8, "'O 0 0'", "'element x y z' (atom 2 of 2"),
    GOOD + "garbage\n": (5, "'garbage'", "a number of atoms or the end of the file"),
    GOOD + "\n\n" + "C 0 0 0\n": (7, "'C 0 0 0'", "a number of atoms or the end of the file"),
    GOOD.replace("2\n", "3\n") + GOOD: (5, "'2'", "'element x y z' (atom 3 of 3"),
    GOOD + "\0\0\0": (5, "binary data", "text"),
    "1\n\nC 0 0 0\x0b\n": (3, "'C 0 0 0\\x0b'", "a number in place of '0\\x0b'"),
    "1\n\nC\x0c0 0 0 0\n": (3, "'C\\x0c0 0 0 0'", "in place of 'C\\x0c0'"),
    "1\n\n\u0421 0 0 0\n": (3, "'\\xd0\\xa1 0 0 0'", "in place of"),  # the Cyrillic letter
}


@pytest.mark.parametrize("ends", ["\n", "\r\n"])
@pytest.mark.parametrize("content", BAD)
def test_error(tmp_path, content, ends):
    line, found, expected = BAD[content]
    path = tmp_path / "bad.xyz"
    path.write_bytes(content.replace("\n", ends).encode())
    with pytest.raises(ValueError) as raised:
        read_xyz(path)
    message = str(raised.value)
    assert message.startswith(f"{path}, line {line}: expected "), message
    assert f", found {found}" in message, message
    assert expected in message.split(": expected ", 1)[1].rpartition(", found ")[0], message
    assert (raised.value.file, raised.value.line) == (str(path), line)
    assert str(pickle.loads(pickle.dumps(raised.value))) == message


def test_long_lines_are_cut(tmp_path):
    path = tmp_path / "long.xyz"
    path.write_text("1\n\n" + "x" * 10_000)
    with pytest.raises(ValueError) as raised:
        read_xyz(path)
    assert len(str(raised.value)) < len(str(path)) + 250


def test_a_coordinate_too_large_for_float32_is_not_for_float64(tmp_path):
    path = tmp_path / "far.xyz"
    path.write_text("1\n\nC 0 0 1e39\n")
    assert read_xyz(path, dtype=torch.float64)[0].pos[0, 2] == 1e39


def _broken_gzips():
    whole = gzip.compress(GOOD.encode())
    flipped = bytearray(whole)
    flipped[len(whole) // 2] ^= 0xFF
    return {
        "truncated": whole[:-6],
        "flipped": bytes(flipped),
        "text": GOOD.encode(),
        "empty": b"",
        "head": whole[:2],
    }


@pytest.mark.parametrize("kind", ["truncated", "flipped", "text", "head"])
def test_broken_gzip(tmp_path, kind):
    path = tmp_path / "broken.xyz.gz"
    path.write_bytes(_broken_gzips()[kind])
    with pytest.raises(ValueError, match=r"broken\.xyz\.gz: expected a whole gzip stream, found a broken"):
        read_xyz(path)


def test_line_numbers_of_gzip_are_those_of_the_text(tmp_path):
    path = tmp_path / "bad.xyz.gz"
    path.write_bytes(gzip.compress(b"1\n\nC 0 0 x\n"))
    with pytest.raises(ValueError, match=r"bad\.xyz\.gz, line 3"):
        read_xyz(path)


def test_not_a_file(tmp_path):
    with pytest.raises(ValueError, match="expected an XYZ file, found a directory"):
        read_xyz(tmp_path)
    with pytest.raises(ValueError, match=r"none\.xyz: expected .*, found no such file"):
        read_xyz(tmp_path / "none.xyz")
    with pytest.raises(ValueError, match=r"none\.xyz: expected .*, found no such file"):
        XYZ(tmp_path / "none.xyz")
    with pytest.raises(ValueError, match=r"expected \.xyz or .*, found none in this folder"):
        XYZ(tmp_path)
    with pytest.raises(ValueError, match="found an empty list"):
        XYZ([])


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs named pipes")
def test_a_pipe_is_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "pipe.xyz")
    with pytest.raises(ValueError, match=r"pipe\.xyz: expected .*, found no such file"):
        read_xyz(tmp_path / "pipe.xyz")


# -- data sets with bad files


@pytest.fixture
def folder(tmp_path):
    for name, content in {"a": GOOD, "b": "2\n\nC 0 0 0\n", "c": GOOD + GOOD, "d": "1\n\nQq 0 0 0\n"}.items():
        (tmp_path / f"{name}.xyz").write_text(content)
    return tmp_path


def test_bad_files_are_reported_with_the_rest(folder):
    with pytest.raises(ValueError) as raised:
        XYZ(folder)
    message = str(raised.value)
    assert message.startswith("2 of 4 files are bad, 2 others were read")
    assert re.search(r"b\.xyz, line 4: expected .*, found the end of the file", message)
    assert re.search(r"d\.xyz, line 3: expected .*, found 'Qq 0 0 0'", message)
    assert "a.xyz" not in message
    assert "c.xyz" not in message


def test_bad_files_are_skipped_on_request(folder):
    dataset = XYZ(folder, on_error="skip")
    assert len(dataset) == 3
    assert [(os.path.basename(e.file), e.line) for e in dataset.errors] == [("b.xyz", 4), ("d.xyz", 3)]
    assert XYZ(folder / "a.xyz").errors == []


def test_nothing_left(folder):
    with pytest.raises(ValueError, match=r"2 of 2 files are bad, 0 others"):
        XYZ([folder / "b.xyz", folder / "d.xyz"], on_error="skip")
    with pytest.raises(ValueError, match=r"d\.xyz, line 3"):
        XYZ(folder / "d.xyz")


def test_many_errors_are_counted(tmp_path):
    for i in range(25):
        (tmp_path / f"{i}.xyz").write_text("x")
    with pytest.raises(ValueError, match=r"25 of 25 files(.|\n)*and 5 more$"):
        XYZ(tmp_path)


def test_on_error_is_checked(folder):
    with pytest.raises(ValueError, match='on_error: expected "raise" or "skip", found \'ignore\''):
        XYZ(folder, on_error="ignore")


def test_arguments_are_no_fault_of_the_files(folder):
    with pytest.raises(ValueError, match=r"^dtype: expected .*, found torch.float16"):
        XYZ(folder, dtype=torch.float16, on_error="skip")
    with pytest.raises(TypeError, match="unit"):
        XYZ(folder, unit="nm")
