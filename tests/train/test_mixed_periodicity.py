"""Bulk crystals, slabs, molecules and atoms alone in one file: trained on, loaded again, predicted."""

from pathlib import Path

import numpy as np
import pytest
import torch
from ase import Atoms
from ase.build import bulk, fcc111, molecule
from ase.io import read, write

from fa_pyg.ase import FACalculator
from fa_pyg.datasets import XYZ, LazyXYZ, OnDiskXYZ
from fa_pyg.potential import load
from fa_pyg.potential.predict import predict
from fa_pyg.train import MoleculeCLI, MoleculeData, main


def structures():
    rng, found = np.random.default_rng(0), []
    for _ in range(4):
        found += [bulk("Cu"), fcc111("Cu", (1, 1, 2), vacuum=5.0), molecule("H2O"), Atoms("Cu")]
        found += [Atoms("O"), bulk("Cu", cubic=True), Atoms("H", cell=[8, 8, 8])]
    for atoms in found:
        atoms.arrays.pop("tags", None)
        atoms.rattle(0.05, rng=rng)
    return found


@pytest.fixture(scope="module")
def path(tmp_path_factory, emt_labels):
    found = [emt_labels(atoms, stress=False) for atoms in structures()]
    path = tmp_path_factory.mktemp("mixed") / "all.xyz"
    write(path, found, format="extxyz")
    return path


@pytest.fixture(scope="module")
def run(path, molecule_arguments):
    """Makes runs from a reader of the file."""

    def make(dataset):
        folder = path.parent / dataset
        folder.mkdir(exist_ok=True)
        option = {"XYZ": {}, "LazyXYZ": {"cache": folder}, "OnDiskXYZ": {"root": folder}}[dataset]
        given = {f"dataset.init_args.{name}": one for name, one in {"root_or_files": path, **option}.items()}
        data = {"dataset": f"fa_pyg.datasets.{dataset}", **given, "val": 6, "test": 6, "batch_size": 6}
        model = {"weights": "{energy: 1, forces: 1}", "model.init_args.model.init_args.cutoff": 4.0}
        trainer = {"max_epochs": 1, "default_root_dir": path.parent / "runs"}
        sections = {"data": data, "model": model, "trainer": trainer}
        more = [f"--{section}.{k}={v}" for section, part in sections.items() for k, v in part.items()]
        return main([*molecule_arguments()[:2], *more, f"--name={dataset}"], MoleculeCLI)

    return make


@pytest.fixture(scope="module")
def memory(run):
    return run("XYZ")


def test_a_run_on_all_of_them_ends_and_its_references_are_those_of_all_elements(memory):
    model = load(memory["folder"])
    assert model.unknown_elements(torch.tensor([1, 8, 29])) == []
    assert all(value.isfinite().all() for value in model.state_dict().values())
    assert np.isfinite([memory["test_loss"], memory["test_energy_mae_meV"]]).all()


@pytest.mark.parametrize("dataset", ["LazyXYZ", "OnDiskXYZ"])
def test_readers_from_disk_train_the_same(dataset, run, memory):
    other = run(dataset)
    one, two = (
        torch.load(Path(result["folder"]) / "last.ckpt", weights_only=True)["state_dict"]
        for result in (memory, other)
    )
    torch.testing.assert_close(one, two, rtol=0, atol=0)


def test_batches_of_all_kinds_are_drawn(path):
    data = MoleculeData(XYZ(path), val=6, test=6, batch_size=4)
    kinds = [sorted(batch.pbc.sum(1).tolist()) for batch in data.train_dataloader()]
    assert any(0 in kind and 2 in kind and 3 in kind for kind in kinds)


def test_predictions_of_a_file_and_of_each_structure_are_the_same(memory, path, tmp_path):
    model = load(memory["folder"]).double().eval()
    report = predict(model, [path], tmp_path / "out.xyz", batch_size=64)
    assert (report.done, report.errors) == (28, [])
    for atoms, found in zip(structures(), read(tmp_path / "out.xyz", ":"), strict=True):
        atoms.calc = FACalculator(model, dtype="float64")
        assert found.get_potential_energy() == pytest.approx(atoms.get_potential_energy(), abs=1e-6)
        assert found.get_forces() == pytest.approx(atoms.get_forces(), abs=1e-6)
        assert ("stress" in found.calc.results) == atoms.pbc.all()
        if atoms.pbc.all():
            assert found.get_stress() == pytest.approx(atoms.get_stress(), abs=1e-6)


def test_plain_files_of_molecules_go_with_crystals(path, tmp_path):
    """Molecules of a plain file have neither a cell nor pbc."""
    for k, atoms in enumerate(structures()[:4]):
        write(tmp_path / f"{k}.xyz", atoms, format="extxyz" if atoms.pbc.any() else "xyz")
    dataset = LazyXYZ(tmp_path, cache=tmp_path / "cache")
    assert [dataset[k].get("pbc") is None for k in range(4)] == [False, False, True, True]
    data = MoleculeData(
        dataset, dataset, dataset, batch_size=4, targets=("place",), attributes={"place": "pos"}
    )
    batch = next(iter(data.val_dataloader()))
    assert batch.pbc.tolist() == [[True] * 3, [True, True, False], [False] * 3, [False] * 3]
    assert not batch.cell[2:].any()
    assert OnDiskXYZ(tmp_path / "disk", path)[3].pbc.tolist() == [[False] * 3]
