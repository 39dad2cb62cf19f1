"""What is written is read again bit by bit, and by ASE; what cannot be written is named."""

import io

import ase.io
import numpy as np
import pytest
import torch
from torch_geometric.data import Batch, Data

from fa_pyg.datasets import CovalentBonds, LazyXYZ
from fa_pyg.io import read_xyz, write_xyz

WATER = {"z": torch.tensor([8, 1, 1]), "pos": torch.tensor([[0, 0, 0.1], [0, 0.8, -0.4], [0, -0.8, -0.4]])}
EXTREME = [
    5e-324,
    -1.7976931348623157e308,
    0.1 + 0.2,
    -0.0,
    1e22,
    2.0**53 + 2,
    1 / 3,
    -1e-7,
    12345678.901234567,
]


def real(values, *shape):
    return torch.tensor(values, dtype=torch.float64).view(*shape)


MATRIX = real(EXTREME, 1, 3, 3)
CELL = MATRIX.clamp(-9, 9) + 5 * torch.eye(3)


def water(**more):
    return Data(**{**WATER, "pos": WATER["pos"].double(), **more})


def same_bits(a, b):
    if isinstance(a, torch.Tensor) and a.is_floating_point():
        a, b = a.view(torch.int64), b.view(torch.int64)
    return torch.equal(a, b) if isinstance(a, torch.Tensor) else a == b


def assert_round_trip(data, path, names, dtype=torch.float64):
    write_xyz(path, data)
    (found,) = read_xyz(path, dtype=dtype)
    for name in ("z", "pos", *names):
        value, again = data[name], found[name]
        assert type(value) is type(again), name
        assert not isinstance(value, torch.Tensor) or value.dtype == again.dtype, name
        assert same_bits(value, again), (name, value, again)
    assert set(names) | {"z", "pos", "cell", "pbc", "num_nodes", "comment", "source"} == set(found.keys())
    return found


@pytest.mark.parametrize(
    "values",
    [
        {},
        {"energy": real([-76.4], 1), "forces": real(EXTREME, 3, 3)},
        {"cell": CELL, "pbc": torch.tensor([[True, False, True]])},
        {"cell": CELL, "pbc": torch.zeros(1, 3, dtype=torch.bool)},
        {"stress": MATRIX.triu() + MATRIX.triu(1).mT},
        {"virial": MATRIX},
        {"quadrupole": MATRIX},
        {"dipole": MATRIX[:, 0], "k": torch.tensor([[3]]), "n": torch.tensor([2**63 - 1])},
        {"flag": torch.tensor([True]), "flags": torch.tensor([[True, False]])},
        {"fixed": torch.tensor([True, False, True]), "energies": real(EXTREME[3:6], 3)},
        {"tags": torch.tensor([1, -2, 3]), "pairs": torch.tensor([[1, 2], [3, 4], [5, 6]])},
        {"labels": ["O1", "H'2", 'H"3'], "words": [["a", "b"], ["c", "=d"], ["e", "f,g"]]},
        {"name": 'two words, "quoted" \\ and \'single\' = [x] {y}', "empty": "", "smiles": "C[N+](C)=O"},
        {"a b": torch.tensor([1]), 'q"u\'o\\te': "v", "k=v": torch.tensor([2]), "übung": "水", "uid": "7"},
        {"a b,c": real(EXTREME[:3], 3), 'q"u': torch.tensor([1, 2, 3]), "1st": real([0.5], 1)},
    ],
)  # fmt: skip
@pytest.mark.parametrize("suffix", ["xyz", "xyz.gz"])
def test_what_is_written_is_read_again_bit_by_bit(values, suffix, tmp_path):
    found = assert_round_trip(water(**values), tmp_path / f"a.{suffix}", values.keys() - {"cell", "pbc"})
    for name in values.keys() & {"cell", "pbc"}:
        assert same_bits(values[name], found[name])


@pytest.mark.parametrize("seed", range(5))
def test_random_bits_and_float32_come_back(seed, tmp_path):
    bits = torch.randint(-(2**63), 2**63 - 1, (40, 3), generator=torch.Generator().manual_seed(seed))
    pos = bits.view(torch.float64)
    pos[~pos.isfinite()] = 1.0
    z = torch.randint(1, 119, (40,))
    assert_round_trip(Data(z=z, pos=pos, forces=pos.flip(0)), tmp_path / "a.xyz", ["forces"])
    narrow = Data(z=z, pos=torch.rand(40, 3))
    write_xyz(tmp_path / "a.xyz", narrow)
    assert torch.equal(read_xyz(tmp_path / "a.xyz")[0].pos, narrow.pos)


def test_one_atom_has_forces_in_columns_and_its_energy_in_the_comment(tmp_path):
    data = Data(
        z=torch.tensor([2]), pos=torch.zeros(1, 3), energy=torch.tensor([1.5]), forces=torch.ones(1, 3)
    )
    write_xyz(tmp_path / "a.xyz", data)
    assert "forces:R:3" in (tmp_path / "a.xyz").read_text()
    (found,) = read_xyz(tmp_path / "a.xyz")
    assert torch.equal(found.energy, data.energy)
    assert torch.equal(found.forces, data.forces)


def test_ase_reads_the_same(tmp_path):
    forces, energy, stress = (
        real(EXTREME, 3, 3),
        real([-1 / 3], 1),
        real([1, 2, 3, 2, 4, 5, 3, 5, 6], 1, 3, 3),
    )
    data = water(cell=CELL, pbc=torch.tensor([[True, True, False]]))
    data.forces, data.energy, data.stress = forces, energy, stress
    write_xyz(tmp_path / "a.extxyz", data)
    atoms = ase.io.read(tmp_path / "a.extxyz")
    assert (atoms.positions == data.pos.numpy()).all()
    assert (np.array(atoms.cell) == CELL[0].numpy()).all()
    assert atoms.pbc.tolist() == [True, True, False]
    assert (atoms.get_forces() == forces.numpy()).all()
    assert atoms.get_potential_energy() == energy.item()
    assert (atoms.get_stress(voigt=False) == stress[0].numpy()).all()


def test_what_a_data_set_adds_is_left_out_and_the_rest_comes_back(tmp_path):
    write_xyz(tmp_path / "a.xyz", [water(energy=1.0), water(energy=2.0, mood="good")])
    dataset = LazyXYZ(tmp_path / "a.xyz", edges=CovalentBonds())
    assert write_xyz(tmp_path / "b.xyz", dataset) == 2
    assert (tmp_path / "b.xyz").read_bytes() == (tmp_path / "a.xyz").read_bytes()


def test_batches_names_and_open_files(tmp_path):
    batch = Batch.from_data_list(
        [water(energy=torch.tensor([float(k)]), other=torch.tensor([k])) for k in (1, 2)]
    )
    assert write_xyz(tmp_path / "a.xyz", batch, names=["energy"]) == 2
    assert [data.energy.item() for data in read_xyz(tmp_path / "a.xyz")] == [1, 2]
    assert "other" not in (tmp_path / "a.xyz").read_text()
    stream = io.StringIO()
    for data in batch.to_data_list():
        write_xyz(stream, data, names=["energy"])
    assert stream.getvalue() == (tmp_path / "a.xyz").read_text()


def test_digits_are_fixed_and_columns_chosen(tmp_path):
    data = water(
        energy=torch.tensor([-76.123456]), spin=torch.tensor([[0.25, 0.5, 1]]), n=torch.tensor([1, 2, 3])
    )
    write_xyz(tmp_path / "a.xyz", data, digits=2, columns=[])
    head, first = (tmp_path / "a.xyz").read_text().splitlines()[1:3]
    assert head == 'Properties=species:S:1:pos:R:3 energy=-76.12 spin="0.25 0.50 1.00" n="1 2 3"'
    assert first == "O        0.00       0.00       0.10"


def test_the_source_is_one_word(tmp_path):
    data = water(source='a\n%"b\udce9.xyz:1')
    write_xyz(tmp_path / "a.xyz", data, source=True)
    assert (tmp_path / "a.xyz").read_text().splitlines()[1].endswith('source="a%0A%25%22b%E9.xyz:1"')


@pytest.mark.parametrize(
    ("values", "text"),
    [
        ({"z": None}, "z: expected atomic numbers"),
        ({"z": torch.tensor([8, 1, 119])}, "z: expected atomic numbers"),
        ({"z": torch.tensor([8.0, 1, 1])}, "z: expected atomic numbers"),
        ({"z": torch.tensor([], dtype=torch.long)}, "z: expected atomic numbers"),
        ({"pos": torch.zeros(2, 3)}, "pos: expected real numbers"),
        ({"pos": torch.full((3, 3), torch.nan)}, "pos: expected finite numbers"),
        ({"energy": torch.tensor([torch.inf])}, "energy: expected finite numbers"),
        ({"energy": torch.tensor([])}, "energy: expected finite numbers"),
        ({"phase": torch.tensor([1j])}, "phase: expected a tensor, a number, text"),
        ({"what": {"a": 1}}, "what: expected a tensor, a number, text"),
        ({"Lattice": torch.tensor([1])}, "Lattice: expected a key"),
        ({"a" * 201: torch.tensor([1])}, "expected a key"),
        ({"a:b": torch.tensor([1, 2, 3])}, "a:b: expected the name of a column"),
        ({"Pos": torch.tensor([1, 2, 3])}, "Pos: expected the name of a column"),
        ({"note": "two\nlines"}, "expected names and text that fit one line"),
        ({"note": "\udce9"}, "expected names and text that fit one line"),
        ({"a\rb": torch.tensor([1])}, "expected names and text that fit one line"),
        ({"words": ["a", "b c", "d"]}, "words: expected one word"),
        ({"words": ["a", ["b", "c"], "d"]}, "words: expected one word"),
        ({"words": ["a", "b"]}, "words: expected text, numbers, or a word for each atom"),
    ],
)  # fmt: skip
def test_what_cannot_be_written_is_named_and_the_file_stays(values, text, tmp_path):
    path = tmp_path / "a.xyz"
    path.write_text("old")
    data = water(source="s.xyz:7")
    for name, value in values.items():
        data[name] = value
    with pytest.raises(ValueError, match=text) as caught:
        write_xyz(path, [water(), data])
    assert str(caught.value).startswith("s.xyz:7: ") or "fit one line" in text
    assert path.read_text() == "old"
    assert [p.name for p in tmp_path.iterdir()] == ["a.xyz"]


def test_names_and_columns_that_do_not_fit_are_errors(tmp_path):
    with pytest.raises(ValueError, match="energy: expected a tensor"):
        write_xyz(tmp_path / "a.xyz", water(), names=["energy"])
    with pytest.raises(ValueError, match="energy: expected a row for each of 3 atoms"):
        write_xyz(tmp_path / "a.xyz", water(energy=real([1], 1)), columns=["energy"])


def test_a_stress_that_only_others_have_is_left_out(tmp_path):
    write_xyz(tmp_path / "a.xyz", water(stress=torch.full((1, 3, 3), torch.nan), energy=torch.tensor([1.0])))
    (found,) = read_xyz(tmp_path / "a.xyz")
    assert "stress" not in found
    assert found.energy == 1


def test_periodic_directions_without_a_cell_are_refused(tmp_path):
    data = Data(z=torch.tensor([1]), pos=torch.zeros(1, 3), pbc=torch.ones(1, 3, dtype=torch.bool))
    with pytest.raises(ValueError, match="pbc: expected a cell beside it"):
        write_xyz(tmp_path / "a.xyz", data)
    assert not (tmp_path / "a.xyz").exists()
