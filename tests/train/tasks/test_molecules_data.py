"""Molecules in memory and not: the same batches, the same run, also after an interruption."""

from pathlib import Path

import pytest
import torch

from fa_pyg.datasets import XYZ, LazyXYZ, OnDiskLoader, OnDiskXYZ
from fa_pyg.train import MoleculeCLI, MoleculeData, MoleculeModule, main

OPTIONS = {"val": 8, "test": 8, "batch_size": 7, "targets": ("energy", "forces", "dipole"), "seed": 3}


@pytest.fixture(scope="module")
def path(molecule_root):
    return molecule_root / "all.xyz"


@pytest.fixture(scope="module")
def memory(path):
    return XYZ(path, targets=["energy"])


@pytest.fixture(scope="module", params=["lazy", "disk"])
def stored(request, path, tmp_path_factory):
    folder = tmp_path_factory.mktemp("stored")
    options = {"targets": ["energy"]}
    return (
        LazyXYZ(path, cache=folder, **options)
        if request.param == "lazy"
        else OnDiskXYZ(folder, path, **options)
    )


def assert_same(ours, theirs):
    assert set(ours.keys()) == set(theirs.keys())
    for key, value in theirs:
        assert ours[key].dtype == value.dtype
        assert torch.equal(ours[key], value), key


@pytest.mark.parametrize("num_workers", [0, 2])
def test_batches_are_those_of_the_data_in_memory(memory, stored, num_workers):
    changes = {"attributes": {"height": "dipole:2"}, "factors": {"forces": 0.5}}
    options = OPTIONS | changes | {"targets": ("energy", "forces", "height")}
    ours = MoleculeData(stored, num_workers=num_workers, **options)
    theirs = MoleculeData(memory, num_workers=num_workers, **options)
    for name in ("train", "val", "test"):
        one, other = (getattr(data, f"{name}_dataloader")() for data in (ours, theirs))
        assert isinstance(one, OnDiskLoader)
        assert not isinstance(other, OnDiskLoader)
        for _ in range(2 if name == "train" else 1):
            for mine, batch in zip(one, other, strict=True):
                assert_same(mine, batch)
    assert_same(ours.sample(), theirs.sample())


def test_splits_that_are_given_and_the_mixture_of_both(memory, stored):
    given = MoleculeData(stored[:10], memory[10:14], stored[14:], num_train=6, targets=("energy",))
    assert [len(given.split(name)) for name in ("train", "test")] == [6, 26]
    first = next(iter(given.val_dataloader()))
    assert torch.equal(first.energy, memory[10:14].energy)
    assert torch.equal(given.split("train")[2].energy, memory[2].energy)
    assert torch.equal(given.split("test")[1].pos, memory[15].pos)


def test_only_what_is_needed_is_read(path, tmp_path):
    read = []

    def note(data):
        read.append(data.source)
        return data

    dataset = LazyXYZ(path, cache=tmp_path, targets=["energy"], transform=note)
    data = MoleculeData(dataset, num_fitted=5, **OPTIONS)
    data.setup()
    assert read == []
    sample = data.sample()
    assert sample.num_graphs == len(set(read)) == 5
    train = {data.split("train")[i].energy.item() for i in range(24)}
    assert set(sample.energy.tolist()) <= train
    assert torch.equal(MoleculeData(dataset, num_fitted=5, **OPTIONS).sample().energy, sample.energy)
    other = MoleculeData(dataset, num_fitted=5, split_seed=1, **OPTIONS).sample()
    assert not torch.equal(other.energy, sample.energy)
    read.clear()
    next(iter(data.train_dataloader()))
    assert len(read) == 7


@pytest.mark.parametrize("num_workers", [0, 2])
def test_a_bad_molecule_is_named(path, tmp_path, num_workers):
    def spoil(data):
        if data.source.endswith(":8"):  # after a molecule of five atoms
            data.forces[1, 2] = float("inf")
        return data

    dataset = LazyXYZ(path, cache=tmp_path, targets=["energy"], transform=spoil)
    data = MoleculeData(dataset[:4], dataset[4:], dataset[4:], num_workers=num_workers, targets=("forces",))
    with pytest.raises(ValueError, match=r"^targets: .*in 'forces' of molecule 1 \(.*all.xyz:8\)$"):
        list(data.train_dataloader())


@pytest.mark.parametrize("gaps", [["1.5"] * 6 + ["nan"] * 2, ["none"] * 8])
@pytest.mark.parametrize("kind", [XYZ, LazyXYZ])
def test_text_is_no_target(tmp_path, kind, gaps):
    head = "2\nProperties=species:S:1:pos:R:3 gap="
    (tmp_path / "a.xyz").write_text("".join(f"{head}{gap}\nC 0 0 0\nO 0 0 1\n" for gap in gaps))
    options = {"targets": ("energy",), "attributes": {"energy": "gap"}, "val": 2, "test": 2}

    def read():
        data = MoleculeData(kind(tmp_path / "a.xyz"), **options)
        return [list(getattr(data, f"{part}_dataloader")()) for part in ("train", "val", "test")]

    with pytest.raises(ValueError, match=r"targets: expected .*gap.*for 'energy' in .*, found "):
        read()


def test_elements_without_a_reference_are_named(memory, stored):
    fitted = torch.zeros(119, dtype=torch.bool)
    fitted[[1, 6]] = True
    data = MoleculeData(memory, **OPTIONS)
    data.setup()
    with pytest.warns(UserWarning, match=r"(train|val|test): .*found O in \d+ of (24|8) molecules"):
        data.expect(fitted)
    data = MoleculeData(stored, **OPTIONS)
    data.setup()
    data.expect(fitted)
    list(data.val_dataloader())
    with pytest.raises(ValueError, match=r"num_fitted: .*found O in molecule \d+ \(.*all.xyz:\d+\)"):
        list(data.train_dataloader())


def test_a_run_fits_a_reference_for_every_element(molecule_arguments, tmp_path):
    one, file, *rest = molecule_arguments(f"--name={tmp_path.name}", "--data.num_fitted=1")
    dataset = ["--data.dataset=fa_pyg.datasets.LazyXYZ", f"--data.dataset.init_args.cache={tmp_path}"]
    with pytest.raises(ValueError, match="num_fitted: expected elements"):
        main([one, file, *dataset, *rest], MoleculeCLI)


def test_wrong_arguments(stored):
    with pytest.raises(ValueError, match="num_fitted: expected a positive integer, found 0"):
        MoleculeData(stored, num_fitted=0, **OPTIONS)
    with pytest.raises(ValueError, match="num_train: expected a positive integer or None, found -1"):
        MoleculeData(stored, num_train=-1, **OPTIONS)
    with pytest.raises(ValueError, match=r"val, test: expected .*found \(20, 20\)"):
        MoleculeData(stored, val=20, test=20)
    with pytest.raises(
        ValueError, match=r"'energies' for 'energies' in molecule \d+ \(.*all.xyz:\d+\), found "
    ):
        MoleculeData(stored, val=8, test=8, targets=("energies",)).sample()


@pytest.mark.parametrize("num_workers", [0, 2])
def test_a_run_from_disk_is_that_from_memory(
    molecule_arguments, molecule_run, monkeypatch, tmp_path, num_workers
):
    """Though it is interrupted in the middle of the second epoch, and other processes read the rest."""
    step = MoleculeModule.training_step

    def stop(self, batch, batch_idx):
        if self.global_step == 4:
            raise InterruptedError
        return step(self, batch, batch_idx)

    def arguments(num_workers, *more):
        one, file, *rest = molecule_arguments(f"--name={tmp_path.name}", *more)
        dataset = ["--data.dataset=fa_pyg.datasets.OnDiskXYZ", f"--data.dataset.init_args.root={tmp_path}"]
        return [one, file, *dataset, *rest, f"--data.num_workers={num_workers}"]

    with monkeypatch.context() as patch:
        patch.setattr(MoleculeModule, "training_step", stop)
        with pytest.raises(InterruptedError):
            main(arguments(num_workers), MoleculeCLI)
    parts = main(arguments(2 - num_workers, "--ckpt_path=last"), MoleculeCLI)
    one, other = (
        torch.load(Path(run["folder"]) / "last.ckpt", weights_only=True) for run in (parts, molecule_run)
    )
    for key in ("global_step", "state_dict", "optimizer_states"):
        torch.testing.assert_close(one[key], other[key], rtol=0, atol=0)
    assert parts["test_loss"] == molecule_run["test_loss"]
