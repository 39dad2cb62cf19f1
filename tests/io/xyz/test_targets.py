"""Targets under names of one's own: from places and keys in the comment, extended XYZ and QM9."""

import pytest
import torch
from torch_geometric.loader import DataLoader

from fa_pyg.datasets import XYZ, read_xyz

HEAD = "Properties=species:S:1:pos:R:3"
ENERGY = -11025.123456789012  # float32 would keep 7 of these digits


@pytest.fixture
def read(tmp_path):
    def read(comment, targets, atoms="H 0 0 0\n", **options):
        path = tmp_path / "a.xyz"
        path.write_text(f"{len(atoms.splitlines())}\n{comment}\n{atoms}")
        return read_xyz(path, targets=targets, **options)[0]

    return read


@pytest.mark.parametrize(
    ("comment", "targets"),
    [
        (f"{ENERGY} 2", {"energy": 0}),
        (f"name, {ENERGY}", {"energy": -1}),
        (f"energy={ENERGY}", ["energy"]),
        (f"step=3; E_dft = {ENERGY}", {"energy": "E_dft"}),
        (f"xE_dft=7 E_dft={ENERGY},E_dft2=8", {"energy": "E_dft"}),
        (f'E_dft="{ENERGY}"', {"energy": "E_dft"}),
        (f"{HEAD} E_dft={ENERGY}", {"energy": "E_dft"}),
        (f"{HEAD} energy={ENERGY}", ["energy"]),
        (f"{HEAD} energy=1 E_dft={ENERGY}", {"energy": "E_dft"}),
    ],
)
def test_a_number(read, comment, targets):
    data = read(comment, targets)
    assert data.energy.tolist() == [ENERGY]
    assert data.energy.dtype == torch.float64
    assert data.pos.dtype == torch.float32
    assert "E_dft" not in data


def test_several_numbers(read):
    for value in ('"1 2 -3e0"', "[1, 2, -3]", "{1 2 -3.}", "'1 2 -3'"):
        assert read(f"mu={value}", {"dipole": "mu"}).dipole.tolist() == [[1, 2, -3]]
        assert read(f'{HEAD} mu="1 2 -3"', {"dipole": "mu"}).dipole.tolist() == [[1, 2, -3]]


def test_names_can_be_exchanged(read):
    data = read(f"{HEAD} energy=1 other=2", {"energy": "other", "other": "energy"})
    assert (data.energy.tolist(), data.other.tolist()) == ([2], [1])


def test_columns_of_atoms_keep_their_type(read):
    data = read(f"{HEAD}:f_dft:R:3 energy=-1.5 tag=3", {"forces": "f_dft", "tag": "tag"}, "H 0 0 0 1 2 3\n")
    assert data.forces.tolist() == [[1, 2, 3]]
    assert data.forces.dtype == torch.float32
    assert data.tag.dtype == torch.float64
    assert data.energy.dtype == torch.float32  # no target


def test_qm9(read, tmp_path):
    text = (
        "3\ngdb 5 0. 44.5 44.5 2.8 12.9 -0.3 0.01 0.3 48.7 0.01 -93.41234567 -93.4 -93.4 -93.4 6.2\n"
        "C 0 1.1 0 0.1\nN 0 0 1.9*^-6 -0.3\nH 0 2.1 0.0 0.2\n799.0 799.0 2198.4 3490.3\nC#N C#N\n"
        "InChI=1 InChI=1\n"
    )
    (tmp_path / "q.xyz").write_text(text)
    (data,) = read_xyz(tmp_path / "q.xyz", targets={"energy": "U0", "y": 15})
    (full,) = read_xyz(tmp_path / "q.xyz", dtype=torch.float64)
    assert torch.equal(data.energy, full.U0)
    assert data.y.tolist() == [-93.4]
    assert "U0" not in data
    assert data.gap.dtype == data.freq.dtype == torch.float32


@pytest.mark.parametrize(
    ("comment", "targets"),
    [
        ("", {"energy": 0}),
        ("1 2", {"energy": 2}),
        ("1 2", {"energy": -3}),
        ("one", {"energy": 0}),
        ("nan", {"energy": 0}),
        ("1e999", {"energy": 0}),
        ("E=", {"energy": "E"}),
        ("E=x", {"energy": "E"}),
        ("E=inf", {"energy": "E"}),
        ("E=1 E=2", {"energy": "E"}),
        ("e=1", {"energy": "E"}),
        ('E="1 2', {"energy": "E"}),
        ('E=""', {"energy": "E"}),
        ("E=1_0", {"energy": "E"}),
        (f"{HEAD}", {"energy": "E"}),
        (f"{HEAD} E=nan", {"energy": "E"}),
        (f"{HEAD} E=abc", {"energy": "E"}),
    ],
)
def test_what_is_not_there_is_an_error(read, comment, targets, tmp_path):
    with pytest.raises(ValueError, match=r"a\.xyz, line 2: expected .*finite numbers for energy.*, found .*"):
        read(comment, targets)


@pytest.mark.parametrize("targets", ["energy", 5, {"pos": 0}, {"edge_index": 0}, {"a b": 0}, {"e": 1.5}])
def test_bad_arguments(read, targets):
    with pytest.raises(ValueError, match="targets: expected"):
        read("1 2 3", targets)


def test_in_batches(tmp_path):
    (tmp_path / "a.xyz").write_text("".join(f"2\nE={i} mu=[{i},0,0]\nC 0 0 0\nO 0 0 1\n" for i in range(4)))
    dataset = XYZ(tmp_path, targets={"energy": "E", "dipole": "mu"})
    batch = next(iter(DataLoader(dataset, batch_size=4)))
    assert batch.energy.tolist() == [0, 1, 2, 3]
    assert batch.dipole.shape == (4, 3)
