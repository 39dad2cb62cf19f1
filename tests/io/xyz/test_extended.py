"""Extended XYZ: what ASE writes comes back, under names that survive PyG's batching."""

import ase.io
import numpy as np
import pytest
import torch
from ase import Atoms
from ase.calculators.singlepoint import SinglePointCalculator
from ase.constraints import FixAtoms
from torch_geometric.loader import DataLoader

from fa_pyg.datasets import XYZ, read_xyz

HEAD = "Properties=species:S:1:pos:R:3"


def crystal(seed=0):
    rng = np.random.default_rng(seed)
    atoms = Atoms("NaClNaCl", rng.normal(size=(4, 3)), cell=rng.normal(size=(3, 3)), pbc=[True, False, True])
    stress = rng.normal(size=6)
    atoms.calc = SinglePointCalculator(
        atoms, energy=-3.5 - seed, forces=rng.normal(size=(4, 3)), stress=stress
    )
    atoms.new_array("mulliken", rng.normal(size=4))
    atoms.new_array("tensor", rng.normal(size=(4, 9)))
    atoms.new_array("tag", np.arange(4))
    atoms.new_array("mask", np.array([True, False, True, True]))
    atoms.new_array("residue", np.array(["A", "B", "A", "C"]))
    atoms.info |= {"config_type": "bulk", "step": 7, "dipole_guess": rng.normal(size=3), "ok": True}
    return atoms


@pytest.fixture
def write(tmp_path):
    def write(content, name="crystal.xyz"):
        path = tmp_path / name
        path.write_text(content) if isinstance(content, str) else ase.io.write(path, content, format="extxyz")
        return path

    return write


def test_round_trip(write):
    atoms = crystal()
    (data,) = read_xyz(write(atoms), dtype=torch.float64)
    expected = {
        "z": atoms.numbers,
        "pos": atoms.positions,
        "cell": atoms.cell.array[None],
        "pbc": atoms.pbc[None],
        "energy": [atoms.get_potential_energy()],
        "forces": atoms.get_forces(),
        "stress": atoms.get_stress(voigt=False)[None],
        "mulliken": atoms.arrays["mulliken"],
        "tensor": atoms.arrays["tensor"],
        "tag": atoms.arrays["tag"],
        "mask": atoms.arrays["mask"],
        "step": [7],
        "dipole_guess": atoms.info["dipole_guess"][None],
        "ok": [True],
    }
    for name, value in expected.items():
        assert data[name].shape == np.shape(value), name
        torch.testing.assert_close(
            data[name].double(), torch.tensor(np.array(value)).double(), rtol=0, atol=1e-7
        )
    assert (data.residue, data.config_type) == (["A", "B", "A", "C"], "bulk")
    assert set(data.keys()) == {*expected, "residue", "config_type", "num_nodes", "comment", "source"}
    dtypes = {data.pos.dtype, data.cell.dtype, data.energy.dtype, data.forces.dtype, data.tensor.dtype}
    assert dtypes == {torch.float64}
    assert (data.z.dtype, data.tag.dtype, data.pbc.dtype) == (torch.int64, torch.int64, torch.bool)


def test_many_frames_in_batches(write, tmp_path):
    write([crystal(seed) for seed in range(3)])
    batch = next(iter(DataLoader(XYZ(tmp_path), batch_size=3)))
    assert batch.cell.shape == (3, 3, 3)
    assert batch.energy.tolist() == [-3.5, -4.5, -5.5]
    assert batch.forces.shape == (12, 3)
    assert batch.forces.dtype == torch.float32
    for seed in range(3):
        torch.testing.assert_close(
            batch.cell[seed].double().numpy(), crystal(seed).cell.array, atol=1e-6, rtol=0
        )


def test_beside_plain_structures(write):
    structures = read_xyz(write(f"1\nplain\nHe 0 0 0\n\n1\n{HEAD} energy=1\nNe 0 0 0\n1\nAr 0 0 0\n"))
    assert [d.z.item() for d in structures] == [2, 10, 18]
    assert ["energy" in d for d in structures] == [False, True, False]


def test_columns_in_another_order(write):
    (data,) = read_xyz(write("2\nProperties=pos:R:3:q:R:1:Z:I:1\n0 0 1 .5 8\n0 0 2 -.5 1\n"))
    assert data.z.tolist() == [8, 1]
    assert data.pos[:, 2].tolist() == [1, 2]
    assert data.q.tolist() == [0.5, -0.5]
    assert data.cell.tolist() == [[[0.0] * 3] * 3]


def test_constraints(write):
    atoms = Atoms("OHH", np.eye(3))
    atoms.set_constraint(FixAtoms([0]))
    path = write(f"3\n{HEAD}:move_mask:L:1\nO 0 0 0 F\nH 0 0 1 T\nH 0 1 0 T\n")
    assert read_xyz(path)[0].move_mask.tolist() == [False, True, True]
    path = write(f"2\n{HEAD}:move_mask:L:3\nO 0 0 0 F T F\nH 0 0 1 T T T\n")
    assert read_xyz(path)[0].move_mask.tolist() == [[False, True, False], [True] * 3]


@pytest.mark.parametrize(
    "name", ["index", "edge_index", "batch", "_mapping", "num_nodes", "ptr", "to", "comment"]
)
def test_names_that_pyg_would_misread(write, tmp_path, name):
    write("".join(f"2\n{HEAD}:{name}:I:1 {name}2=5\nO 0 0 0 3\nH 0 0 1 4\n" for _ in range(2)))
    dataset = XYZ(tmp_path)
    batch = next(iter(DataLoader(dataset, batch_size=2)))
    plain = {"z", "pos", "cell", "pbc", "num_nodes", "comment", "source"}
    renamed = [key for key in dataset[0].keys() if key not in plain]  # noqa: SIM118
    assert sorted(batch[key].tolist() for key in renamed) == [[3, 4, 3, 4], [5, 5]]
    assert batch.num_nodes == 4


@pytest.mark.parametrize(
    ("content", "line", "expected"),
    [
        (f"2\n{HEAD}\nO 0 0 0\n", 4, "atom 2 of 2"),
        (
            f"2\n{HEAD}\nO 0 0 0\nH 0 0\n",
            4,
            "an atom line of 4 columns",
        ),
        (
            f"2\n{HEAD}\nO 0 0 0\nH 0 0 x\n",
            4,
            "a finite number (at most 3.4e+38 in size) for pos",
        ),
        (f"2\n{HEAD}\nO 0 0 0\nQq 0 0 0\n", 4, "a known element for species in place of 'Qq'"),
        (f"2\n{HEAD}:q:R:1\nO 0 0 0 1\nH 0 0 1\n", 4, "an atom line of 5 columns"),
        (
            f"2\n{HEAD}\nO 0 0 0\nH 0 0 nan\n",
            4,
            "a finite number (at most 3.4e+38 in size) for pos",
        ),
        (f"2\n{HEAD}\nO 0 0 inf\nH 0 0 0\n", 3, "a finite number (at most 3.4e+38 in size) for pos"),
        (f"2\n{HEAD}\nO 0 0 0\nX 0 0 1\n", 4, "a known element for species in place of 'X'"),
        ("1\nProperties=Z:I:1:pos:R:3\n200 0 0 0\n", 3, ""),
        ("1\nProperties=species:S:1\nO 0 0 0\n", 2, "pos:R:3"),
        ("1\nProperties=pos:R:3\n0 0 0\n", 2, "species:S:1"),
        ("1\nProperties=species:S:1:pos:R:2\nO 0 0\n", 2, "pos:R:3"),
        ("1\nProperties=species:S:1:pos:R\nO 0 0\n", 2, "a comment of extended XYZ"),
        (f"1\n{HEAD}:big:R:99999999\nO 0 0 0\n", 3, "an atom line of 100000003 columns"),
        (f"1\n{HEAD}:big:R:{'9' * 5000}\nO 0 0 0\n", 2, "a comment of extended XYZ"),
        (f"1\n{HEAD}:a:R:0\nO 0 0 0\n", 2, "a width in place of 'a:R:0'"),
        (
            "1\nProperties=species:S:1:pos:Q:3\nO 0 0 0\n",
            2,
            "a width in place of 'pos:Q:3'",
        ),
        (f'1\n{HEAD} Lattice="1 2 3"\nO 0 0 0\n', None, ""),
        (f"1\n{HEAD}\nO 0 0 0\nO 0 0 1\n", 4, "a number of atoms or the end of the file"),
    ],
)
def test_errors(write, content, line, expected):
    path = write(content)
    with pytest.raises(ValueError) as raised:
        read_xyz(path)
    message = str(raised.value)
    assert message.startswith(f"{path}, line {line}: expected " if line else f"{path}, line "), message
    assert expected in message.split(": expected ", 1)[1].rpartition(", found ")[0], message
