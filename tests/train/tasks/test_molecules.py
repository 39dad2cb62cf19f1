"""Training on molecules: what a run leaves, resumption, units, splits."""

import json
from pathlib import Path

import pytest
import torch
import yaml
from jsonargparse import ArgumentParser

from fa_pyg.builders.weighted.smoothness import SMOOTHNESS
from fa_pyg.datasets import XYZ
from fa_pyg.models import FAENet, Potential
from fa_pyg.models.molecules.heads import HEADS
from fa_pyg.potential import build, load
from fa_pyg.train import MoleculeCLI, MoleculeData, MoleculeModule, main
from fa_pyg.train.logs import read_metrics

CONFIGS = sorted((Path(__file__).parents[3] / "configs" / "molecules").glob("*.yaml"))


@pytest.fixture(scope="module")
def dataset(molecule_root):
    return XYZ(molecule_root / "all.xyz", targets=["energy"])


@pytest.fixture
def data(dataset):
    return MoleculeData(dataset, val=8, test=8, batch_size=8, targets=("energy", "forces", "dipole"))


def test_a_run_leaves_results_pictures_and_a_model(molecule_run, molecule_arguments):
    folder = Path(molecule_run["folder"])
    assert {"best.ckpt", "last.ckpt", "loss.png", "parity.png", "config.yaml"} <= {
        p.name for p in folder.iterdir()
    }
    assert json.loads((folder / "results.json").read_text()) == molecule_run
    named = {"test_loss", "test_energy_mae_meV", "test_forces_mae_meV_per_A", "test_dipole_mae_e_A"}
    assert named <= set(molecule_run)
    losses = [float(row["train/loss"]) for row in read_metrics(folder) if "train/loss" in row]
    assert losses[-1] < losses[0]

    # The same numbers from the checkpoint alone.
    model = load(folder)
    cli = MoleculeCLI(molecule_arguments())
    batch = cli.datamodule.split("test")
    out = model(batch.z, batch.pos, batch=batch.batch)
    error = (out["energy"] - batch.energy).abs().mean().item() * 1e3
    assert molecule_run["test_energy_mae_meV"] == pytest.approx(error, rel=1e-4)
    assert batch.energy.dtype == torch.float64
    table = model.references["energy"]
    assert table.known.nonzero().squeeze(1).tolist() == [1, 6, 8]
    assert table.table[6].item() == pytest.approx(-6000.74, abs=5)


def test_a_run_goes_on_where_it_was_interrupted(molecule_arguments, molecule_run, monkeypatch):
    step = MoleculeModule.training_step

    def stop(self, batch, batch_idx):
        if self.global_step == 4:
            raise InterruptedError
        return step(self, batch, batch_idx)

    with monkeypatch.context() as patch:
        patch.setattr(MoleculeModule, "training_step", stop)
        with pytest.raises(InterruptedError):
            main(molecule_arguments("--name=parts"), MoleculeCLI)
    parts = main(molecule_arguments("--name=parts", "--ckpt_path=last"), MoleculeCLI)
    one, other = (
        torch.load(Path(run["folder"]) / "last.ckpt", weights_only=True) for run in (parts, molecule_run)
    )
    for key in ("global_step", "state_dict", "optimizer_states"):
        torch.testing.assert_close(one[key], other[key], rtol=0, atol=0)
    assert parts["test_loss"] == molecule_run["test_loss"]


def test_checkpoints_that_do_not_belong_are_named(molecule_run, tmp_path):
    folder = Path(molecule_run["folder"])
    with pytest.raises(ValueError, match=r"nowhere.ckpt: found no such file"):
        load(tmp_path / "nowhere.ckpt")
    (tmp_path / "last.ckpt").touch()
    with pytest.raises(ValueError, match=r"best.ckpt: .* the run was not validated yet, but has last.ckpt"):
        load(tmp_path)
    (tmp_path / "best.ckpt").write_bytes((folder / "best.ckpt").read_bytes())
    with pytest.raises(ValueError, match=r"config.yaml: found no such file"):
        load(tmp_path)
    text = (folder / "config.yaml").read_text()
    (tmp_path / "config.yaml").write_text(text.replace("hidden_channels: 8", "hidden_channels: 9"))
    with pytest.raises(ValueError, match="expected a checkpoint of"):
        load(tmp_path)
    (tmp_path / "config.yaml").write_text("model: 3")
    with pytest.raises(ValueError, match="expected the configuration of a run on molecules"):
        load(tmp_path)


@pytest.mark.parametrize("path", CONFIGS, ids=[path.stem for path in CONFIGS])
def test_configurations_build_exact_models_of_their_targets(path):
    settings = yaml.safe_load(path.read_text())
    assert settings["name"] == path.stem
    parser = ArgumentParser(exit_on_error=False)
    parser.add_class_arguments(MoleculeData, "data")
    parser.parse_object({"data": settings["data"]})  # names and types; nothing is downloaded
    model = build(path).double().eval()
    assert set(settings["model"]["weights"]) <= {*model.heads, "forces"}
    z, pos = torch.tensor([6, 8, 1, 1]), torch.randn(4, 3).double()
    turn = torch.linalg.qr(torch.randn(3, 3).double())[0]
    turn = turn * torch.det(turn)
    one, other = model(z, pos), model(z, pos @ turn.T)
    turned = {"scalar": lambda x: x, "vector": lambda x: x @ turn.T, "tensor": lambda x: turn @ x @ turn.T}
    for name in one:
        spec = HEADS[model.heads.get(name, "node vector")].rep
        torch.testing.assert_close(other[name], turned[spec](one[name]), rtol=1e-6, atol=1e-8)


@pytest.mark.parametrize(
    ("arguments", "level"),
    [
        ("tau: 0.025, gap: 0.05, node_weight: null, flat: 0.1, line: 0.1, projection: entmax15", "fast"),
        ("tau: 0.04, gap: 0.0125", "fast"),
        ("smoothness: dynamics", "dynamics"),
    ],
)
def test_older_configurations_keep_their_frame(arguments, level, tmp_path):
    """What a run of a version without levels of smoothness kept is what it was trained with."""
    frame = f"{{class_path: fa_pyg.WeightedPCAFrame, init_args: {{group: SE(3), {arguments}}}}}"
    net = "{class_path: fa_pyg.models.FAENet, init_args: {hidden_channels: 8, num_layers: 1}}"
    made = f"{{class_path: fa_pyg.models.Potential, init_args: {{model: {net}, frame: {frame}}}}}"
    (tmp_path / "config.yaml").write_text(f"model: {{model: {made}}}")
    found = build(tmp_path / "config.yaml").network.frame
    assert found.smoothness == level
    assert (found.widths == SMOOTHNESS[level]) == (arguments.partition(",")[0] != "tau: 0.04")


@pytest.mark.parametrize("name", ["XYZ", "LazyXYZ", "OnDiskXYZ"])
def test_other_names_in_files_are_given_as_documented(name, tmp_path):
    atoms = "Properties=species:S:1:pos:R:3:f_dft:R:3 E_dft=-1000000.00{}\nH 0 0 0 1 2 3\nH 0 0 1 4 5 6\n"
    (tmp_path / "a.xyz").write_text("".join(f"2\n{atoms.format(i)}" for i in range(6)))
    root = ["--data.dataset.root", str(tmp_path)] if name == "OnDiskXYZ" else []
    targets = ["--data.dataset.targets", '{"energy": "E_dft", "forces": "f_dft"}']
    data = ["--data.dataset", f"fa_pyg.datasets.{name}", *root, "--data.dataset.root_or_files", str(tmp_path)]
    path = next(path for path in CONFIGS if path.stem == "xyz_folder")
    sizes = ["--data.val", "1", "--data.test", "1", "--trainer.default_root_dir", str(tmp_path)]
    batch = MoleculeCLI(["--config", str(path), *data, *targets, *sizes]).datamodule.sample()
    assert batch.energy.dtype == torch.float64
    assert set(batch.energy.tolist()) <= {-1e6 - i / 1000 for i in range(6)}
    assert batch.forces[1].tolist() == [4, 5, 6]


def test_splits_are_apart_and_the_same_for_all_seeds(dataset, data):
    other = MoleculeData(dataset, val=8, test=8, seed=5)
    sizes = {name: data.split(name).num_graphs for name in ("train", "val", "test")}
    assert sizes == {"train": 24, "val": 8, "test": 8}
    energies = [data.split(name).energy for name in sizes]
    assert len(torch.cat(energies).unique()) == 40
    for name, energy in zip(sizes, energies, strict=True):
        torch.testing.assert_close(other.split(name).energy, energy, rtol=0, atol=0)
    assert MoleculeData(dataset, val=8, test=8, num_train=5).split("train").num_graphs == 5
    given = MoleculeData(dataset[:10], val=dataset[10:14], test=dataset[14:], targets=("energy",))
    assert [given.split(name).num_graphs for name in sizes] == [10, 4, 26]
    torch.testing.assert_close(given.split("val").energy[0], dataset[10].energy[0])


def test_targets_under_other_names_and_in_other_units(dataset):
    data = MoleculeData(
        dataset,
        val=8,
        test=8,
        targets=("height", "force"),
        attributes={"height": "dipole:2", "force": "forces"},
        factors={"force": 2.0},
    )
    batch = data.split("test")
    assert batch.height.shape == (8,)
    plain = MoleculeData(dataset, val=8, test=8, targets=("dipole", "forces")).split("test")
    torch.testing.assert_close(batch.height, plain.dipole[:, 2])
    torch.testing.assert_close(batch.force, 2 * plain.forces)
    first = next(iter(data.val_dataloader()))
    assert sorted(first.keys()) == ["batch", "force", "height", "pos", "ptr", "z"]


def test_wrong_data_and_weights_are_named(dataset):
    with pytest.raises(ValueError, match=r"'energies' for 'energies' in the data, found .*energy"):
        MoleculeData(dataset, val=8, test=8, targets=("energies",)).setup()
    with pytest.raises(ValueError, match=r"val, test: expected .*found \(20, 20\)"):
        MoleculeData(dataset, val=20, test=20)
    with pytest.raises(ValueError, match=r"\['energy', 'forces', 'stress'\], found \['homo'\]"):
        MoleculeModule(Potential(FAENet()), weights={"homo": 1.0})


def test_measures_are_means_over_molecules_in_units(data):
    model = Potential(FAENet(hidden_channels=8, num_layers=1, heads={"energy": "scalar", "dipole": "vector"}))
    module = MoleculeModule(model, weights={"energy": 2.0, "forces": 3.0})
    assert module.names == ("loss", "energy_mae_meV", "forces_mae_meV_per_A")
    batch = data.split("val")
    model.fit_units(batch.z, batch.batch, {"energy": batch.energy, "forces": batch.forces})
    out = module(batch)
    loss, energy, forces = module.measures(out, batch)
    scale = model.scale("forces")
    slow_loss, slow_energy, slow_forces = 0.0, 0.0, 0.0
    for b in range(8):
        e = out["energy"][b] - batch.energy[b]
        f = (out["forces"] - batch.forces)[batch.batch == b]
        slow_energy += 1e3 * e.abs().item() / 8
        slow_forces += 1e3 * f.abs().mean().item() / 8
        slow_loss += ((2 * e.square() + 3 * f.square().mean()) / scale**2).item() / 8
    assert [loss.item(), energy.item(), forces.item()] == pytest.approx(
        [slow_loss, slow_energy, slow_forces], rel=1e-4
    )
