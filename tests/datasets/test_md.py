"""MDTrajectory: short runs of small molecules, whole and interrupted."""

from itertools import pairwise

import pytest
import torch

from fa_pyg.datasets import MDTrajectory
from fa_pyg.datasets.xtb import md as _md_build
from fa_pyg.workers import Worker

XTB = pytest.mark.usefixtures("tblite")
K_B = 8.617333e-5  # eV/K
HYDROGEN = "2\nH2\nH 0 0 0\nH 0 0 0.8\n"


@pytest.fixture
def small_parts(monkeypatch):
    monkeypatch.setattr(_md_build, "PART", 4)


@pytest.fixture
def hydrogen(tmp_path):
    path = tmp_path / "hydrogen.xyz"
    path.write_text(HYDROGEN)
    return path


def run(root, molecule, split=None, **kwargs):
    settings = {"steps": 20, "stride": 2, "equilibration": 4, "num_train": 2, "num_val": 3, "log": False}
    return MDTrajectory(root, molecule, split, **settings | kwargs)


def same(one, other):
    assert len(one) == len(other) > 0
    for a, b in zip(one, other, strict=True):
        assert all(torch.equal(value, b[key]) for key, value in a.to_dict().items())


def files(root):
    return {path.name: path.stat().st_mtime_ns for path in (root / "processed").glob("*/*.pt")}


@XTB
def test_what_it_gives(small_parts, hydrogen, tmp_path, dtype):
    dataset = run(tmp_path, hydrogen, dtype=dtype)
    assert len(dataset) == 10
    for data in dataset:
        assert data.z.tolist() == [1, 1]
        assert (data.pos.dtype, data.energy.dtype) == (dtype, torch.float64)
        assert data.forces.shape == data.pos.shape == (2, 3)
        assert (data.dipole.shape, data.quadrupole.shape) == ((1, 3), (1, 3, 3))
        assert torch.allclose(data.pos.sum(0), torch.zeros(3, dtype=dtype), atol=1e-6)
        assert -6 < float(data.atomization) < -4
    assert len({float(data.energy) for data in dataset}) == 10


@XTB
def test_forces_are_those_of_the_energies(small_parts, hydrogen, tmp_path):
    """The energy changes along the run as the forces say."""
    trajectory = run(tmp_path, hydrogen, stride=1, steps=12, timestep=0.05, dtype=torch.float64)
    for before, after in pairwise(trajectory):
        work = ((before.forces + after.forces) / 2 * (after.pos - before.pos)).sum()
        assert float(after.energy - before.energy) == pytest.approx(-float(work), abs=1e-5)


@XTB
def test_splits_share_the_snapshots(small_parts, hydrogen, tmp_path):
    parts = {split: run(tmp_path, hydrogen, split) for split in ("train", "val", "test")}
    assert [len(part) for part in parts.values()] == [2, 3, 5]
    joined = sorted(float(data.energy) for part in parts.values() for data in part)
    assert joined == sorted(float(data.energy) for data in run(tmp_path, hydrogen))
    with pytest.raises(ValueError, match=r"steps // stride: expected 14 or more.*, found 10"):
        run(tmp_path, hydrogen, "train", num_train=10)


@XTB
def test_an_interrupted_run_goes_on_bit_by_bit(small_parts, tmp_path, monkeypatch):
    """Lost in its second part; then continued, and later made longer."""
    whole = run(tmp_path / "whole", "O", steps=24)
    request_worker, count = Worker.request, []

    def interrupted(self, **request):
        for answer in request_worker(self, **request):
            if request["task"] == "dynamics":
                count.append(answer)
                if len(count) == 8:
                    raise KeyboardInterrupt
            yield answer

    monkeypatch.setattr(Worker, "request", interrupted)
    with pytest.raises(KeyboardInterrupt):
        run(tmp_path / "parts", "O", steps=24)
    monkeypatch.setattr(Worker, "request", request_worker)
    before = files(tmp_path / "parts")
    assert sorted(before) == ["part0001.pt", "start.pt"]
    same(run(tmp_path / "parts", "O", steps=12), whole[:6])
    same(run(tmp_path / "parts", "O", steps=24), whole)
    after = files(tmp_path / "parts")
    assert {name: after[name] for name in before} == before
    assert sorted(after) == ["part0001.pt", "part0002.pt", "part0003.pt", "start.pt"]


@XTB
def test_damaged_parts_are_made_again(small_parts, hydrogen, tmp_path):
    whole = run(tmp_path, hydrogen, steps=24)
    (folder,) = (tmp_path / "processed").iterdir()
    for name, other in (("part0002.pt", "part0001.pt"), ("part0001.pt", "start.pt"), ("part0003.pt", None)):
        content = (folder / other).read_bytes() if other else b""
        (folder / name).write_bytes(content)
        with pytest.warns(UserWarning, match=rf"{name}: expected .*, found .*made again"):
            same(run(tmp_path, hydrogen, steps=24), whole)
    (folder / "start.pt").write_bytes(b"")
    same(run(tmp_path, hydrogen, steps=24), whole)  # nobody needs it
    (folder / "part0001.pt").unlink()
    with pytest.warns(UserWarning, match=r"start\.pt: expected .*, found .*made again"):
        same(run(tmp_path, hydrogen, steps=24), whole)


@XTB
def test_settings_have_folders_of_their_own(small_parts, hydrogen, tmp_path):
    one = run(tmp_path, hydrogen)
    for settings in ({"seed": 1}, {"temperature": 300}, {"stride": 4}, {"friction": 0.02}, {"timestep": 0.4}):
        other = run(tmp_path, hydrogen, **settings)
        assert float(other[0].energy) != float(one[0].energy)
    same(run(tmp_path, hydrogen), one)
    assert len(list((tmp_path / "processed").iterdir())) >= 6


@XTB
def test_the_thermostat_keeps_the_temperature(hydrogen, tmp_path):
    """Six degrees of freedom, some fifty times independent of themselves at this friction."""
    hot = run(tmp_path, hydrogen, steps=1000, stride=10, friction=0.1, equilibration=100, temperature=400)
    kinetic = torch.stack([data.kinetic for data in hot]).mean()
    assert float(kinetic) == pytest.approx(3 * K_B * 400, rel=0.2)


@XTB
def test_charges_and_names(small_parts, hydrogen, tmp_path):
    ion = run(tmp_path, hydrogen, charge=1, unpaired=1, steps=2)
    assert float(ion[0].charges.sum()) == pytest.approx(1, abs=1e-6)
    assert int(ion[0].net_charge) == 1
    ethanol = run(tmp_path, "ethanol", steps=2, equilibration=0)
    assert sorted(ethanol[0].z.tolist()) == [1] * 6 + [6, 6, 8]
    assert ethanol.name.startswith("md_ethanol_500K_seed0_")


@XTB
def test_what_cannot_be_run(hydrogen, tmp_path):
    with pytest.raises(
        ValueError, match=r"molecule: expected a name.*, found 'asprin \(RDKit cannot read it\)'"
    ):
        run(tmp_path, "asprin")
    hydrogen.write_text(HYDROGEN * 2)
    with pytest.raises(ValueError, match=r"hydrogen.xyz: expected one structure.*, found 2"):
        run(tmp_path, hydrogen)
    hydrogen.write_text(HYDROGEN.replace("0.8", "0"))
    with pytest.raises(RuntimeError, match=r"the run stopped: .*Too close"):
        run(tmp_path, hydrogen)
    hydrogen.write_text(HYDROGEN)
    with pytest.raises(RuntimeError, match=r"the run stopped: .*not compatible"):
        run(tmp_path, hydrogen, unpaired=1)
    hydrogen.write_text(f'2\nLattice="9 0 0 0 9 0 0 0 9" pbc="T T T"\n{HYDROGEN[5:]}')
    with pytest.raises(ValueError, match=r"hydrogen.xyz: expected .*, found a periodic structure"):
        run(tmp_path, hydrogen)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"root": 3}, "root: expected a path.*, found 3"),
        ({"molecule": ""}, "molecule: expected a name, SMILES or the path.*, found ''"),
        ({"split": "dev"}, "split: expected .*, found 'dev'"),
        ({"temperature": 0}, "temperature: expected a positive number.*, found 0"),
        ({"timestep": float("inf")}, "timestep: expected a positive number.*, found inf"),
        ({"friction": "high"}, "friction: expected a positive number.*, found 'high'"),
        ({"stride": 0}, "stride: expected a positive integer, found 0"),
        ({"steps": 1, "stride": 2}, "steps: expected an integer >= 2, found 1"),
        ({"equilibration": 0.5}, "equilibration: expected an integer >= 0, found 0.5"),
        ({"seed": -1}, "seed: expected an integer >= 0, found -1"),
        ({"charge": 1}, "charge: expected 0, because SMILES contain it, found 1"),
        ({"num_val": 0}, "num_val: expected a positive integer, found 0"),
        ({"dtype": int}, "dtype: expected torch.float32.*, found <class 'int'>"),
    ],
)
def test_bad_arguments(arguments, message, tmp_path):
    with pytest.raises(ValueError, match=f"^{message}"):
        MDTrajectory(**{"root": tmp_path, **arguments})
    assert list(tmp_path.iterdir()) == []
