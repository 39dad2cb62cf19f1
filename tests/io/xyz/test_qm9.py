"""QM9's raw files: properties line, frequencies, SMILES and InChI, and Mathematica's exponents."""

import ase.units
import pytest
import torch
from torch_geometric.loader import DataLoader

from fa_pyg.datasets import XYZ, read_xyz
from fa_pyg.io.xyz.qm9 import QM9_TARGETS

# The first molecule of QM9 (Ramakrishnan et al. 2014, CC0), as its raw file has it.
METHANE = """5
gdb 1\t157.7118\t157.70997\t157.70699\t0.\t13.21\t-0.3877\t0.1171\t0.5048\t35.3641\t0.044749\t-40.47893\t\
-40.476062\t-40.475117\t-40.498597\t6.469\t
C\t-0.0126981359\t 1.0858041578\t 0.0080009958\t-0.535689
H\t 0.002150416\t-0.0060313176\t 0.0019761204\t 0.133921
H\t 1.0117308433\t 1.4637511618\t 0.0002765748\t 0.133922
H\t-0.540815069\t 1.4475266138\t-0.8766437152\t 0.133923
H\t-0.5238136345\t 1.4379326443\t 0.9063972942\t 0.133923
1341.307\t1341.3284\t1341.365\t1562.6731\t1562.7453\t3038.3205\t3151.6034\t3151.6788\t3151.7078
C\tC\t
InChI=1S/CH4/h1H4\tInChI=1S/CH4/h1H4
"""
# As written for a linear molecule: 3N - 5 frequencies, and an exponent that only Mathematica writes.
LINEAR = """3
gdb 5\t0.\t44.593883\t44.593883\t2.8937\t12.99\t-0.3604\t0.0191\t0.3796\t48.7476\t0.016601\t-93.411888\t\
-93.40937\t-93.408425\t-93.431246\t6.278\t
C\t-0.0133239314\t 1.1324657151\t 0.0082758861\t 0.107391
N\t 0.0023107217\t-0.0191585871\t 1.9291*^-6\t-0.361194
H\t-0.0278026991\t 2.1989492028\t 1.2*^-2\t 0.253803
799.0101\t799.0101\t2198.4393\t3490.3686
C#N\tC#N\t
InChI=1S/CHN/c1-2/h1H\tInChI=1S/CHN/c1-2/h1H
"""


@pytest.fixture
def write(tmp_path):
    def write(content, name="dsgdb9nsd_000001.xyz"):
        (tmp_path / name).write_text(content)
        return tmp_path / name

    return write


def test_methane(write):
    (data,) = read_xyz(write(METHANE), dtype=torch.float64)
    assert data.z.tolist() == [6, 1, 1, 1, 1]
    assert data.pos[1].tolist() == [0.002150416, -0.0060313176, 0.0019761204]
    assert data.mulliken.tolist() == [-0.535689, 0.133921, 0.133922, 0.133923, 0.133923]
    assert data.idx.tolist() == [1]
    assert data.freq.tolist()[::4] == [1341.307, 1562.7453, 3151.7078]
    assert (data.smiles, data.smiles_relaxed) == ("C", "C")
    assert data.inchi == data.inchi_relaxed == "InChI=1S/CH4/h1H4"


def test_units(write):
    (data,) = read_xyz(write(METHANE), dtype=torch.float64)
    raw = dict(zip(QM9_TARGETS, map(float, METHANE.split("\n")[1].split()[2:]), strict=True))
    kept = {"A", "B", "C", "mu", "alpha", "r2", "Cv"}
    for name, value in raw.items():
        factor = 1.0 if name in kept else ase.units.Hartree  # an older CODATA: equal to 1e-7
        assert data[name].shape == (1,)
        assert data[name].item() == pytest.approx(value * factor, rel=1e-7), name
        assert (QM9_TARGETS[name][0] == "eV") == (name not in kept)
    assert data.U0.item() == pytest.approx(-1101.4878, abs=1e-3)  # the value of PyG's own QM9


def test_linear_molecule_and_exponents(write):
    (data,) = read_xyz(write(LINEAR), dtype=torch.float64)
    assert data.freq.shape == (4,)
    assert data.pos[:, 2].tolist() == [0.0082758861, 1.9291e-6, 0.012]
    assert data.smiles == "C#N"


def test_many_in_one_file_and_in_batches(write, tmp_path):
    write(METHANE + LINEAR + "\n\n" + METHANE)
    dataset = XYZ(tmp_path)
    assert dataset.errors == []
    batch = next(iter(DataLoader(dataset, batch_size=3)))
    assert batch.idx.tolist() == [1, 5, 1]
    assert batch.gap.shape == (3,)
    assert batch.gap.dtype == torch.float32
    assert batch.freq.shape == (9 + 4 + 9,)
    assert batch.smiles == ["C", "C#N", "C"]


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (
            "InChI=1S/CH4/h1H4\tInChI=1S/CH4/h1H4\n",
            "",
            "line 10: expected two InChI.*, found the end of the file",
        ),
        ("C\tC\t\n", "", "line 9: expected two SMILES strings, found 'InChI"),
        ("1341.307\t", "", "line 8: .*expected 9 frequencies .10 if the molecule is linear"),
        ("1341.307\t", "x\t", "line 8: .*expected 9 frequencies"),
        ("1341.307\t", "1e99\t", "line 8: .*expected 9 frequencies"),
        ("\t 0.133922", "", "line 5: .*expected 1 finite numbers after the coordinates .mulliken"),
        ("\t 0.133922", "\tnan", "line 5: .*expected 1 finite numbers after the coordinates .mulliken"),
        ("157.7118", "1e999", "line 2: .*expected finite properties"),
        ("h1H4\n", "h1H4\nC 0 0 0\n", "line 11: expected a number of atoms or the end.*, found 'C 0 0 0'"),
        ("5\n", "6\n", "line 8: .*expected .*atom 6 of 6"),
        ("5\n", "4\n", "line 7: expected 6 frequencies.*, found 'H"),
    ],
)
def test_broken(write, old, new, message):
    for content in (METHANE.replace(old, new, 1), METHANE.replace(old, new, 1).rstrip("\n")):
        with pytest.raises(ValueError, match=message):
            read_xyz(write(content))


def test_a_comment_that_only_starts_like_qm9_is_a_comment(write):
    content = "1\ngdb 1 2 3\nHe 0 0 0\n"
    assert read_xyz(write(content))[0].comment == "gdb 1 2 3"
