"""Statistics against closed forms and a plain least-squares fit."""

import numpy as np
import pytest
import torch
from torch_geometric.data import Data

from fa_pyg.datasets import LazyXYZ, statistics, xyz_statistics

REFERENCE = {1: -13.6, 6: -1036.07, 8: -2041.3}


@pytest.fixture
def dataset():
    rng = np.random.default_rng(0)
    structures = []
    for _ in range(300):
        z = rng.choice(list(REFERENCE), size=rng.integers(1, 9))
        energy = sum(REFERENCE[n] for n in z.tolist()) + 0.01 * rng.normal() + 0.5
        dipole, forces = (
            torch.from_numpy(rng.normal(size=(1, 3))),
            torch.from_numpy(rng.normal(size=(len(z), 3))),
        )
        energy = torch.tensor([energy], dtype=torch.float64)
        structures.append(Data(z=torch.from_numpy(z), energy=energy, dipole=dipole, forces=forces))
    return structures


@pytest.mark.parametrize("chunk", [1, 7, 1024])
def test_against_everything_at_once(dataset, monkeypatch, chunk):
    monkeypatch.setattr(xyz_statistics, "CHUNK", chunk)
    found = statistics(dataset, ["energy", "dipole", "forces"])
    sizes, counts = np.unique([len(d.z) for d in dataset], return_counts=True)
    assert found.sizes == dict(zip(sizes.tolist(), counts.tolist(), strict=True))
    assert (found.structures, found.atoms) == (300, sum(len(d.z) for d in dataset))
    table = np.array([[(d.z == z).sum() for z in REFERENCE] for d in dataset])
    assert list(found.elements.values()) == table.sum(0).tolist()
    assert list(found.elements) == ["H", "C", "O"]
    y = np.array([d.energy.item() for d in dataset])
    fit = np.linalg.lstsq(table, y, rcond=None)[0]
    energy = found.targets["energy"]
    assert np.allclose([energy.reference[s] for s in "HCO"], fit, rtol=0, atol=1e-8)
    rest = y - table @ fit
    assert np.allclose([energy.rest_mean, energy.rest_std], [rest.mean(), rest.std()], rtol=0, atol=1e-8)
    for name in found.targets:
        values = np.concatenate([d[name].numpy().ravel() for d in dataset])
        target = found.targets[name]
        expected = [values.mean(), values.std(), values.min(), values.max()]
        assert np.allclose([target.mean, target.std, target.least, target.most], expected, rtol=1e-12)
    assert found.targets["forces"].reference is None


def test_the_same_proportions_always():
    dataset = [Data(z=torch.tensor([1, 1, 8]), e=torch.tensor([float(i)])) for i in range(3)]
    target = statistics(dataset, ["e"]).targets["e"]
    assert target.reference == pytest.approx({"H": 0.4, "O": 0.2})  # least norm
    assert (target.rest_mean, target.rest_std) == (pytest.approx(0), pytest.approx((2 / 3) ** 0.5))


def test_of_a_split_of_files(tmp_path):
    (tmp_path / "a.xyz").write_text("".join(f"1\n{i}\nH 0 0 0\n" for i in range(10)))
    train = LazyXYZ(tmp_path, targets={"y": 0}, split="train", splits=(6, 2, 2))
    expected = [float(data.comment) for data in train]
    target = statistics(train, ["y"]).targets["y"]
    assert (target.mean, target.most) == (pytest.approx(np.mean(expected)), max(expected))


def test_errors(dataset):
    with pytest.raises(ValueError, match="dataset: expected at least one structure, found none"):
        statistics([])
    with pytest.raises(ValueError, match="structure 0: expected gap in every structure, found none"):
        statistics(dataset, ["gap"])
    dataset[4].energy[0] = torch.nan
    with pytest.raises(ValueError, match="structure 4: expected finite numbers for energy"):
        statistics(dataset, ["energy"])
