"""Plain XYZ: every spelling the format has, and the data set made of many files."""

import gzip
import re
from pathlib import Path

import ase.io
import numpy as np
import pytest
import torch
from ase.build import molecule
from torch_geometric.loader import DataLoader

from fa_pyg.datasets import XYZ, OnDiskXYZ, read_xyz

MOLECULES = Path(__file__).parents[2] / "data" / "molecules"
WATER = "3\nwater\nO 0 0 0.119262\nH 0 0.763239 -0.477047\nH 0 -0.763239 -0.477047\n"
FIXED = {"z", "pos", "num_nodes", "comment", "source"}
WATER_POS = [[0, 0, 0.119262], [0, 0.763239, -0.477047], [0, -0.763239, -0.477047]]


@pytest.fixture
def write(tmp_path):
    def write(content, name="molecule.xyz"):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    return write


@pytest.mark.parametrize(
    "content",
    [
        WATER,
        WATER.replace("water\n", "\n"),  # empty comment
        WATER.replace("water\n", ""),  # no comment line
        WATER.replace("\n", "\r\n"),
        WATER.replace("\n", "\r"),
        WATER.rstrip("\n"),
        WATER + "\n  \n\t\n",
        "\n\n" + WATER,
        "\ufeff" + WATER,
        WATER.replace("O", "o").replace("H", "h"),
        WATER.replace("O", "8").replace("H", "1"),
        WATER.replace("O", "08").replace("H", "001"),
        WATER.replace("H", "D"),
        WATER.replace(" ", "\t  "),
        re.sub(r"(\d)$", r"\1 0.5 label \t", WATER, flags=re.MULTILINE).replace("3 0.5 label", "3", 1),
        WATER.replace("0.119262", "1.19262D-1"),
        WATER.replace("0.119262", "1.19262d-01"),
        WATER.replace("0.119262", "11.9262*^-2"),
        WATER.replace("0.119262", "+.0119262E+1"),
        WATER.replace(" 0 ", " -0. "),
        gzip.compress(WATER.encode(), mtime=0),
    ],
)
def test_every_spelling_of_water(write, content):
    (data,) = read_xyz(write(content), dtype=torch.float64)
    assert data.z.tolist() == [8, 1, 1]
    assert data.z.dtype == torch.int64
    torch.testing.assert_close(data.pos, torch.tensor(WATER_POS, dtype=torch.float64), rtol=0, atol=1e-15)
    assert data.comment in ("water", "")


def test_precision(write):
    path = write("1\n\nHe 0.1234567890123456789 -1e-300 3e5\n")
    assert read_xyz(path)[0].pos.dtype == torch.float32
    assert read_xyz(path, dtype=torch.float64)[0].pos.tolist() == [[0.12345678901234568, -1e-300, 3e5]]
    with pytest.raises(ValueError, match=r"dtype.*float16"):
        read_xyz(path, dtype=torch.float16)


@pytest.mark.parametrize("ends", ["\n", "\r\n"])
@pytest.mark.parametrize("between", ["", "\n", "\n\n \n"])
@pytest.mark.parametrize("commented", [True, False])
def test_many_structures_in_one_file(write, ends, between, commented):
    text = "".join(f"{n}\n" + f"step {n}\n" * commented + "Ar 0 0 1\n" * n + between for n in (1, 2, 1, 5))
    structures = read_xyz(write(text.replace("\n", ends)))
    assert [d.num_nodes for d in structures] == [1, 2, 1, 5]
    assert [d.comment for d in structures] == [f"step {n}" * commented for n in (1, 2, 1, 5)]
    count_lines = [int(d.source.rsplit(":", 1)[1]) for d in structures]
    assert [text.split("\n")[i - 1] for i in count_lines] == ["1", "2", "1", "5"]


# What the second line is, where it could be either.
@pytest.mark.parametrize(
    ("content", "atoms", "comment"),
    [
        ("1\n1 0.5 300.1 -1234.2\nC 0 0 0\n", [6], "1 0.5 300.1 -1234.2"),  # number above a symbol
        ("2\nC 0 0 0 9\nC 0 0 1\nO 0 0 2\n", [6, 8], "C 0 0 0 9"),  # another number of columns
        ("2\nC 0 0 0\nO 0 0 2\n", [6, 8], ""),
        ("1\nC 0 0 0\n", [6], ""),
        ("1\nC 0 0 0\n1\nO 0 0 0\n", [6, 8], ""),
        ("1\nCarbon 0 0 0\nC 0 0 0\n", [6], "Carbon 0 0 0"),
        ("2\n6 0 0 0\n8 0 0 2\n", [6, 8], ""),
        ("1\n1\nH 0 0 0\n", [1], "1"),
    ],
)
def test_second_line(write, content, atoms, comment):
    structures = read_xyz(write(content))
    assert torch.cat([d.z for d in structures]).tolist() == atoms
    assert structures[0].comment == comment


def test_second_line_by_argument(write):
    ambiguous = write("2\nC 0 0 0\nC 0 0 1\nO 0 0 2\n")
    with pytest.raises(ValueError, match=r"line 4: .*line 1 counts 2 atoms.*comment=True.*, found 'O 0 0 2'"):
        read_xyz(ambiguous)
    (data,) = read_xyz(ambiguous, comment=True)
    assert (data.z.tolist(), data.comment) == ([6, 8], "C 0 0 0")
    number_like = write("1\n1 0.5 300.1 -1234.2\nC 0 0 0\n")
    with pytest.raises(ValueError, match=r"line 3: expected .*, found 'C 0 0 0'"):
        read_xyz(number_like, comment=False)


def test_named_columns(write):
    path = write("2\n\nC 0 0 1  1 2 3  4 x\nO 0 0 0  5 6 7.5D0 8\n")
    assert set(read_xyz(path)[0].keys()) == FIXED
    (data,) = read_xyz(path, columns={"forces": 3, "charge": 1})
    assert data.forces.tolist() == [[1, 2, 3], [5, 6, 7.5]]
    assert data.charge.tolist() == [4, 8]
    with pytest.raises(ValueError, match=r"line 3: expected 5 finite numbers .*\(f\), found 'C "):
        read_xyz(path, columns={"f": 5})
    for columns in ({"pos": 1}, {"f": 0}, {"f": 1.5}):
        with pytest.raises(ValueError, match="columns: expected"):
            read_xyz(path, columns=columns)


def test_agrees_with_ase(write):
    rng = np.random.default_rng(0)
    text = ""
    for n in (1, 7, 30):
        symbols = rng.choice(["C", "Cl", "Og", "H"], n)
        points = rng.normal(size=(n, 3)).tolist()
        rows = [f"{s} {x:.7e} {y:+.9f} {z:14.5G}" for s, (x, y, z) in zip(symbols, points, strict=True)]
        text += "\n".join([str(n), "a comment", *rows, ""])
    path = write(text)
    for ours, theirs in zip(
        read_xyz(path, dtype=torch.float64), ase.io.read(path, ":", format="xyz"), strict=True
    ):
        assert ours.z.tolist() == theirs.numbers.tolist()
        assert (ours.pos.numpy() == theirs.positions).all()


# -- the files that come with the project

G2 = {
    "benzene": "C6H6",
    "pyridine": "C5H5N",
    "methane": "CH4",
    "ethanol": "CH3CH2OH",
    "carbon_dioxide": "CO2",
}


@pytest.mark.parametrize("name", G2)
def test_shipped_molecules_are_those_of_g2(name):
    (data,) = read_xyz(MOLECULES / f"{name}.xyz", dtype=torch.float64)
    expected = molecule(G2[name])
    assert data.z.tolist() == expected.numbers.tolist()
    assert np.abs(data.pos.numpy() - expected.positions).max() < 1e-6


def test_shipped_molecules():
    dataset = XYZ(MOLECULES)
    names = [Path(d.source).name.split(".")[0] for d in dataset]
    assert len(names) >= 13
    assert names == sorted(names)
    text = (MOLECULES / "README.md").read_text()
    assert all(f"`{name}.xyz`" in text for name in names)


def test_pyridine_is_planar_and_has_no_comment():
    (data,) = read_xyz(MOLECULES / "pyridine.xyz")
    assert (MOLECULES / "pyridine.xyz").read_text().split("\n")[1].startswith("N ")
    assert sorted(data.z.tolist()) == [1] * 5 + [6] * 5 + [7]
    spread = torch.linalg.svdvals(data.pos - data.pos.mean(0))
    assert spread[2] < 1e-6 < 1 < spread[1]


def test_sulfur_hexafluoride_is_octahedral():
    (data,) = read_xyz(MOLECULES / "sulfur_hexafluoride.xyz")
    spread = torch.linalg.svdvals(data.pos)
    torch.testing.assert_close(spread, spread[:1].expand(3))


# -- data sets


def test_folder(write, tmp_path):
    for name in ("b.xyz", "sub/c.XYZ", "a.tar.xyz", "d.extxyz"):
        write(WATER, name)
    write(gzip.compress(WATER.encode(), mtime=0), "e.xyz.gz")
    for name in (".hidden.xyz", "notes.txt", "xyz", "f.xyz.bak"):
        write("no molecule", name)
    (tmp_path / "folder.xyz").mkdir()
    dataset = XYZ(tmp_path)
    names = [str(Path(d.source).relative_to(tmp_path)).split(":")[0] for d in dataset]
    assert names == ["a.tar.xyz", "b.xyz", "d.extxyz", "e.xyz.gz", "sub/c.XYZ"]
    assert len(XYZ([tmp_path / "sub", str(tmp_path / "b.xyz")])) == 2
    assert len(XYZ(str(tmp_path / "b.xyz"))) == 1


def test_dataset_behaves_like_any_of_pyg(write, tmp_path):
    write(WATER + "1\n\nHe 1 2 3\n" + WATER)
    dataset = XYZ(
        tmp_path,
        dtype=torch.float64,
        pre_filter=lambda data: data.num_nodes > 1,
        pre_transform=lambda data: data.update({"n": torch.tensor([data.num_nodes])}),
        transform=lambda data: data.update({"double": 2 * data.pos}),
    )
    assert len(dataset) == 2
    assert dataset[1].n.item() == 3
    assert torch.equal(dataset[1].double, 2 * dataset[1].pos)
    assert dataset[1].pos.dtype == torch.float64
    assert len(dataset[:1]) == 1
    batch = next(iter(DataLoader(dataset, batch_size=2)))
    assert batch.batch.tolist() == [0, 0, 0, 1, 1, 1]
    assert batch.comment == ["water", "water"]
    assert torch.equal(batch.get_example(1).pos, dataset[1].pos)
    with pytest.raises(ValueError, match="pre_filter"):
        XYZ(tmp_path, pre_filter=lambda data: False)


def test_dataset_equals_read_xyz():
    files = sorted(MOLECULES.glob("*.xyz"))
    for ours, (single,) in zip(XYZ(MOLECULES), map(read_xyz, files), strict=True):
        assert ours.to_dict().keys() == single.to_dict().keys()
        assert torch.equal(ours.pos, single.pos)
        assert torch.equal(ours.z, single.z)
        assert ours.source == single.source


def test_different_attributes_are_left_out_aloud(write, tmp_path):
    write(WATER, "a.xyz")
    write("1\nProperties=species:S:1:pos:R:3 energy=-1\nHe 0 0 0\n", "b.xyz")
    with pytest.warns(UserWarning, match=r"left out attributes that not all 2 .*: energy \(1\)$"):
        dataset = XYZ(tmp_path)
    assert all(set(d.keys()) == {*FIXED, "cell", "pbc"} for d in dataset)


def test_a_crystal_stays_one_beside_a_plain_structure(write, tmp_path):
    """What has no cell is not periodic; leaving the cell out would make a molecule of the crystal."""
    write(WATER, "a.xyz")
    write('1\nLattice="3 0 0 0 3 0 0 0 3"\nNe 0 0 0\n', "b.xyz")
    molecule, crystal = XYZ(tmp_path)
    assert (crystal.cell.tolist(), crystal.pbc.tolist()) == ([(3 * torch.eye(3)).tolist()], [[True] * 3])
    assert (molecule.cell.tolist(), molecule.pbc.tolist()) == ([[[0.0] * 3] * 3], [[False] * 3])


HEAD = "Properties=species:S:1:pos:R:3"


@pytest.mark.parametrize(
    ("one", "other", "words"),
    [
        (f"{HEAD} q=1", f"{HEAD} q=none", r"q \(of type str in .*b\.xyz:1, of shape \[\*\] in .*a\.xyz:1\)"),
        (f'{HEAD} q="1 2"', f'{HEAD} q="1 2 3"', r"q \(of shape \[\*, 3\] in .*, of shape \[\*, 2\] in "),
        (f"{HEAD} q=T", f"{HEAD} q=1", r"q \(of shape \[\*\] in .*, of shape \[\*\] \(flags\) in "),
        (f"{HEAD} q=nan", f"{HEAD} q=1", r"q \(of shape \[\*\] in .*, of type str in "),
        (f'{HEAD} stress="1 2 3 4 5 6"', f"{HEAD} stress=None", r"stress \(of type str in "),
        (f'{HEAD} virial="1 2 3"', f'{HEAD} virial="1 2 3 4 5 6"', r"virial \(of shape"),
        (f"{HEAD}:q:R:2", f"{HEAD}:q:R:3", r"q \(of shape \[\*, 3\] in .*, of shape \[\*, 2\] in "),
        (f"{HEAD}:q:S:2", f"{HEAD}:q:R:3", r"q \(of shape \[\*, 3\] in .*, of type list in "),
    ],
)
@pytest.mark.parametrize("kind", ["memory", "disk"])
def test_what_nobody_asked_for_does_not_make_files_unreadable(write, tmp_path, one, other, words, kind):
    files = [
        write(f"1\n{head} energy=-1\nHe 0 0 0 1 1 1\n", f"{name}.xyz")
        for name, head in (("a", one), ("b", other))
    ]
    with pytest.warns(
        UserWarning, match="left out attributes that not all 2 structures have in one form: " + words
    ):
        dataset = XYZ(files) if kind == "memory" else OnDiskXYZ(tmp_path / "root", files)
    assert [data.energy.tolist() for data in dataset] == [[-1.0], [-1.0]]
    assert not {"q", "stress", "virial"} & set(dataset[0].keys())


def test_a_column_here_and_an_entry_there_are_unlike(write):
    """In a batch they would lie in one tensor."""
    atoms = "He 0 0 0 1\nHe 0 0 1 2\n"
    path = write(
        f"2\n{HEAD}:q:R:1 r=1\n{atoms}1\n{HEAD} q=5 r=1\nHe 0 0 0\n2\n{HEAD} q=5 r=1\n{atoms}", "a.xyz"
    )
    with pytest.warns(UserWarning, match=r"q \(of the structure in .*:8, of its atoms in .*:1\)$"):
        dataset = XYZ(path)
    assert all("q" not in data and data.r.tolist() == [1] for data in dataset)


def test_what_somebody_asked_for_must_be_alike(write):
    files = [write(f'1\n{HEAD} mu="{mu}"\nHe 0 0 0\n', f"{n}.xyz") for n, mu in enumerate(("1 2", "1 2 3"))]
    with pytest.raises(
        ValueError, match=r"1\.xyz:1: mu: expected of shape \[\*, 2\].*0\.xyz:1.*, found of shape \[\*, 3\]"
    ):
        XYZ(files, targets=["mu"])
    with pytest.raises(ValueError, match=r"extra: expected of shape \[\*, 1\].*, found of shape \[\*, 2\]"):
        XYZ(files, pre_transform=lambda d: d.update({"extra": torch.zeros(1, int(d.source[-7]) + 1)}))


@pytest.mark.parametrize("kind", ["memory", "disk"])
def test_whole_and_real_numbers_are_real_together(write, tmp_path, kind):
    write("".join(f"1\n{HEAD} step={step}\nHe 0 0 0\n" for step in (1, 2.5, -3)), "a.xyz")
    file = tmp_path / "a.xyz"
    dataset = XYZ(file) if kind == "memory" else OnDiskXYZ(tmp_path / "root", file)
    assert [data.step.tolist() for data in dataset] == [[1.0], [2.5], [-3.0]]
    assert {data.step.dtype for data in dataset} == {torch.float32}
