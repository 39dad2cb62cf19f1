"""A CSV beside the files: one row a structure, one structure a row, or an error says which has not."""

import pytest
import torch

from fa_pyg.datasets import XYZ, LazyXYZ, Table

CO = "2\n\nC 0 0 0\nO 0 0 1\n"


@pytest.fixture
def folder(tmp_path):
    for name, count in (("a", 1), ("sub/b", 1), ("c", 3)):
        path = tmp_path / f"{name}.xyz"
        path.parent.mkdir(exist_ok=True)
        path.write_text(CO * count)
    return tmp_path


def read(folder, content, kind=XYZ, files=("a.xyz", "sub/b.xyz"), encoding="utf-8", **options):
    table = folder / "labels.csv"
    table.write_text(content, encoding=encoding)
    return kind([folder / f for f in files], table=Table(table, **options))


@pytest.mark.parametrize("kind", [XYZ, LazyXYZ])
@pytest.mark.parametrize(
    "names", [("a", "b"), ("a.xyz", "sub/b.xyz"), ("./a.xyz", "b.xyz"), ('"a"', " sub/b ")]
)
def test_by_file(folder, kind, names):
    dataset = read(folder, f"file,energy,gap\n{names[1]},-2.5,7\n\n{names[0]},-11025.123456789,8\n", kind)
    assert [d.energy.item() for d in dataset] == [-11025.123456789, -2.5]
    assert dataset[0].energy.dtype == torch.float64
    assert [d.gap.tolist() for d in dataset] == [[8], [7]]


@pytest.mark.parametrize("kind", [XYZ, LazyXYZ])
def test_by_index_and_by_both(folder, kind):
    dataset = read(folder, "index;y\n2;20\n0;0\n1;10\n", kind, files=["c.xyz"], delimiter=";")
    assert [d.y.item() for d in dataset] == [0, 10, 20]
    text = "file,frame,y\nc,2,5\nc,1,4\nc,0,3\na,0,1\nb,0,2\n"
    dataset = read(folder, text, kind, files=["a.xyz", "sub/b.xyz", "c.xyz"], index="frame")
    assert [d.y.item() for d in dataset] == [1, 2, 3, 4, 5]


def test_names_and_words(folder):
    text = '\ufefffile,E (eV),smiles\na,1,"C#O, it\'s"\nb,2,CO\n'
    dataset = read(folder, text, columns={"energy": "E (eV)", "smiles": "smiles"}, text=["smiles"])
    assert [d.smiles for d in dataset] == ["C#O, it's", "CO"]
    assert [d.energy.item() for d in dataset] == [1, 2]
    assert "smiles" not in read(folder, "file,y,smiles\na,1,x\nb,2,z\n", columns=["y"])[0]


@pytest.mark.parametrize(
    ("text", "line", "words"),
    [
        ("file,y\na,1\n", None, "b.xyz:1: expected a row in .*labels.csv, found none"),
        ("file,y\na,1\nb,2\nd,3\n", 4, "expected the name of one file.*, found 'd'"),
        ("file,y\na,1\nb,2\na,3\n", 4, "expected one row of it .line 2 is another., found 'a'"),
        ("file,y\na,1\nb,2\na.xyz,3\n", 4, "expected one row of it .line 2 is another., found 'a.xyz'"),
        ("file,y\na,1\nb\n", 3, "expected 2.*, found 1 cells"),
        ("file,y\na,1\nb,2,3\n", 3, "expected 2.*, found 3 cells"),
        ("file,y\na,1\nb,x\n", 3, "expected a finite number.*, found 'x' for y"),
        ("file,y\na,1\nb,\n", 3, "found '' for y"),
        ("file,y\na,nan\nb,1\n", 2, "found 'nan' for y"),
        ("file,y\na,1e999\nb,1\n", 2, "found '1e999' for y"),
        ("file,y\n,1\nb,1\n", 2, "found an empty cell for file"),
        ("file,index,y\na,0,1\nb,1,2\n", 3, "expected a position below 1.*, found 'b' 1"),
        ("index,y\n0,1\n1,2\n2,3\n", 4, "expected a position below 2.*, found structure 2"),
        ("index,y\n0,1\n-1,2\n", 3, "expected an integer.*, found '-1' for index"),
        ("index,y\n0,1\n0,2\n", 3, "expected one row.*, found structure 0"),
        ("name,y\na,1\n", 1, "expected a column file or index"),
        ("file,y,y\na,1,2\n", 1, "found 'y' twice"),
        ("file,pos\na,1\nb,2\n", 1, "expected a name that is free.*, found the name 'pos'"),
        ('file,y\na,"1\nb,2\n', 2, "found malformed CSV"),
        ('file,y\na,"1"x\n', 2, "found malformed CSV"),
        ("", 1, "expected a column file or index"),
    ],
)
def test_errors(folder, text, line, words):
    for kind in (XYZ, LazyXYZ):
        with pytest.raises(ValueError, match=words) as raised:
            read(folder, text, kind)
        assert line is None or f"labels.csv, line {line}: expected" in str(raised.value)


def test_more_errors(folder):
    with pytest.raises(ValueError, match=r"line 2: expected a column index, as the file has 3.*, found 'c'"):
        read(folder, "file,y\nc,1\n", files=["c.xyz"])
    with pytest.raises(ValueError, match=r"labels.csv: expected a table, found an unreadable file"):
        XYZ(folder, table=folder / "sub" / "labels.csv")
    with pytest.raises(ValueError, match=r"line 2: expected cells in UTF-8, found other bytes"):
        read(folder, "file,y\nä,1\n", encoding="latin-1")
    (folder / "sub" / "a.xyz").write_text(CO)
    with pytest.raises(ValueError, match=r"line 2: expected the name of one file .*, found 'a'"):
        read(folder, "file,y\na,1\nsub/a,2\n", files=["a.xyz", "sub/a.xyz"])


def test_bad_files_may_have_rows(folder):
    (folder / "d.xyz").write_text("x")
    files = [folder / "a.xyz", folder / "d.xyz"]
    (folder / "labels.csv").write_text("file,y\na,1\nd,2\n")
    for kind in (XYZ, LazyXYZ):
        dataset = kind(files, on_error="skip", table=folder / "labels.csv")
        assert [d.y.item() for d in dataset] == [1]
    (folder / "labels.csv").write_text("index,y\n0,1\n1,2\n")
    with pytest.raises(ValueError, match=r"found positions of structures, but .*d\.xyz is bad"):
        XYZ(files, on_error="skip", table=folder / "labels.csv")
