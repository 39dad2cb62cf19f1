"""Stress as a target: read, missing or made of virials; its loss, its gradient, a run, and predictions."""

import json
import math
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml
from ase.build import bulk, fcc111, molecule
from ase.io import read, write
from torch_geometric.data import Batch, Data

from fa_pyg import WeightedPCAFrame
from fa_pyg.datasets import XYZ, LazyXYZ, OnDiskXYZ
from fa_pyg.models import CellVectors, FAENet, LabeledCell, LatticeVectors, NeighborVectors, Potential
from fa_pyg.potential import load
from fa_pyg.potential.predict import predict
from fa_pyg.train import MoleculeCLI, MoleculeData, MoleculeModule, main
from fa_pyg.train.tasks.targets import Targets, has_stress


def crystals(count, label, seed=0):
    """Copper and gold, rattled and strained."""
    rng, found = np.random.default_rng(seed), []
    for k in range(count):
        atoms = bulk("Cu" if k % 2 else "Au", cubic=k % 3 == 0)
        atoms.set_cell(atoms.cell.array @ (np.eye(3) + 0.04 * rng.normal(size=(3, 3))), scale_atoms=True)
        atoms.rattle(0.08, rng=rng)
        found.append(label(atoms))
    return found


def others(label):
    return [label(one) for one in (molecule("H2O"), fcc111("Cu", (1, 1, 2), vacuum=5.0), molecule("CH4"))]


@pytest.fixture(scope="module")
def path(tmp_path_factory, emt_labels):
    """Crystals, and molecules and a slab without stress."""
    path = tmp_path_factory.mktemp("stress") / "all.xyz"
    mixed = crystals(24, emt_labels)
    for k, one in enumerate(others(emt_labels) * 2):
        mixed.insert(4 * k, one)
    write(path, mixed, format="extxyz")
    return path


def module(weights, cell_frame=None, **kwargs):
    torch.manual_seed(0)
    net = FAENet(hidden_channels=8, num_layers=1, num_radial=4, cutoff=3.2).double()
    model = Potential(net, WeightedPCAFrame("E(3)"), cell_frame=cell_frame)
    return MoleculeModule(model, weights=weights, **kwargs).train()


@pytest.fixture(scope="module")
def batch(path):
    data = MoleculeData(XYZ(path, dtype=torch.float64), val=2, test=2, targets=("energy", "forces", "stress"))
    return data.split("train")


def part(batch, graphs):
    return Batch.from_data_list([batch[int(k)] for k in graphs])


# ------------------------------------------------------------------------------ data


def test_stress_is_that_of_ase_and_missing_where_there_is_none(path, tmp_path):
    truth = read(path, ":")
    targets = Targets(("stress",))
    memory = XYZ(path, dtype=torch.float64)
    disk = OnDiskXYZ(tmp_path / "disk", path, dtype=torch.float64)
    lazy = LazyXYZ(path, cache=tmp_path / "lazy", dtype=torch.float64)
    for k, atoms in enumerate(truth):
        rows = [targets.of(data[k], k)["stress"] for data in (memory, disk, lazy)]
        if atoms.pbc.all():
            stress = torch.tensor(atoms.get_stress(voigt=False))[None]
            for row in rows:
                torch.testing.assert_close(row, stress, rtol=0, atol=1e-9)
        else:
            assert all(row.isnan().all() and row.shape == (1, 3, 3) for row in rows)


def test_a_virial_is_minus_the_volume_times_the_stress(tmp_path, emt_labels):
    atoms = crystals(1, emt_labels)[0]
    stress = torch.tensor(atoms.get_stress(voigt=False))[None]
    virial = -atoms.get_volume() * stress
    cell, pos = torch.tensor(atoms.cell.array)[None], torch.tensor(atoms.positions)
    data = Data(pos=pos, z=torch.tensor(atoms.numbers), cell=cell, virial=virial)
    torch.testing.assert_close(Targets(("stress",)).of(data, 0)["stress"], stress)
    scaled = Targets(("stress",), {"stress": "virial"}, {"stress": 2.0}).of(data, 0)["stress"]
    torch.testing.assert_close(scaled, 2 * stress)
    both = Batch.from_data_list([data, Data(pos=pos, z=data.z, cell=cell, virial=virial * torch.nan)])
    both.stress = torch.stack([torch.full((3, 3), torch.nan), 7 * torch.ones(3, 3)]).double()
    found = Targets(("stress",)).of(both)["stress"]
    torch.testing.assert_close(found, torch.cat([stress, 7 * torch.ones(1, 3, 3).double()]))
    # The same convention as that of ASE's reader.
    atoms.calc = None
    atoms.info["virial"] = virial[0].numpy()
    write(tmp_path / "v.xyz", atoms, format="extxyz")
    atoms = read(tmp_path / "v.xyz")
    if atoms.calc is not None and "stress" in atoms.calc.results:
        assert atoms.get_stress(voigt=False) == pytest.approx(stress[0].numpy(), abs=1e-8)
    read_back = XYZ(tmp_path / "v.xyz", dtype=torch.float64)[0]
    torch.testing.assert_close(Targets(("stress",)).of(read_back, 0)["stress"], stress, rtol=0, atol=1e-8)


def test_stress_that_is_half_a_number_or_of_another_shape_is_named():
    data = Data(pos=torch.zeros(1, 3), stress=torch.zeros(1, 3, 3), source="a.xyz:1")
    data.stress[0, 1, 2] = torch.nan
    with pytest.raises(ValueError, match=r"found others in 'stress' of molecule 3 \(a.xyz:1\)"):
        Targets(("stress",)).of(data, 3)
    data.stress = torch.zeros(1, 6)
    with pytest.raises(
        ValueError, match=r"expected \[1, 3, 3\] of 'stress' in molecule 3 .*, found \[1, 6\]"
    ):
        Targets(("stress",)).of(data, 3)


# ------------------------------------------------------------------------------ the loss


def test_only_crystals_with_a_stress_count(batch):
    learner = module({"energy": 1.0, "forces": 1.0, "stress": 2.0})
    learner.model.fit_units(batch.z, batch.batch, learner._targets(batch))
    known, out = has_stress(batch), learner(batch)
    assert 0 < known.sum() < batch.num_graphs
    error = (out["stress"] - batch.stress)[known]
    loss, *_, shown = learner.measures(out, batch)
    assert learner.names[-1] == "stress_mae_meV_per_A3"
    assert shown.item() == pytest.approx(1e3 * error.abs().mean().item())
    assert learner.counts(batch) == (batch.num_graphs,) * 3 + (int(known.sum()),)
    scale = batch.stress[known].square().mean().sqrt()
    assert learner.model.scale("stress").item() == pytest.approx(scale.item())
    learner.weights["stress"] = 0.0
    rest = learner.measures(out, batch)[0]
    assert (loss - rest).item() == pytest.approx(2 * (error / scale).square().mean().item())


@pytest.mark.parametrize("reads", [None, LabeledCell(), NeighborVectors()], ids=str)
def test_the_gradient_of_the_loss_is_that_of_finite_differences(reads, batch):
    learner = module({"stress": 1.0}, reads)
    learner.model.fit_units(batch.z, batch.batch, {"stress": batch.stress})
    small = part(batch, torch.arange(8))
    assert 0 < has_stress(small).sum() < small.num_graphs

    def loss():
        return learner.measures(learner(small), small)[0]

    parameters = [p for p in learner.parameters() if p.requires_grad]
    loss().backward()
    # The last bias shifts energies alone.
    assert all(p.grad is None or p.grad.isfinite().all() for p in parameters)
    direction = [torch.randn_like(p) for p in parameters]
    pairs = zip(parameters, direction, strict=True)
    slope = sum((p.grad * d).sum() for p, d in pairs if p.grad is not None).item()
    values = []
    with torch.no_grad():
        for step in (1e-4, -2e-4):
            for p, d in zip(parameters, direction, strict=True):
                p.add_(step * d)
            values.append(loss().item())
    assert slope == pytest.approx((values[0] - values[1]) / 2e-4, rel=1e-5)
    assert abs(slope) > 1e-6


def test_a_batch_without_stress_has_none_in_its_loss(batch):
    learner = module({"energy": 1.0, "stress": 1.0})
    learner.model.fit_units(batch.z, batch.batch, learner._targets(batch))
    bare = part(batch, (~has_stress(batch)).nonzero().squeeze(1))
    loss, energy, stress = learner.measures(learner(bare), bare)
    assert stress == 0
    assert learner.counts(bare)[2] == 0
    loss.backward()
    assert all(p.grad is None or p.grad.isfinite().all() for p in learner.parameters())
    assert energy > 0


def test_means_over_an_epoch_are_those_over_structures_with_a_stress(batch):
    learner = module({"stress": 1.0, "energy": 1.0})
    learner.model.fit_units(batch.z, batch.batch, learner._targets(batch))
    learner.on_train_epoch_start()
    parts = torch.arange(batch.num_graphs).split(7)
    shares = [has_stress(part(batch, graphs)).float().mean().item() for graphs in parts]
    assert min(shares) < max(shares)
    for graphs in parts:
        learner.training_step(part(batch, graphs), 0)
    sums, counts = learner._sum.double()
    _, stress, energy = learner.measures(learner(batch), batch)
    assert (sums / counts)[1:].tolist() == pytest.approx([stress.item(), energy.item()], rel=1e-4)


def test_training_without_any_stress_is_refused(batch):
    learner = module({"energy": 1.0, "stress": 1.0})
    bare = part(batch, (~has_stress(batch)).nonzero().squeeze(1))
    with pytest.raises(ValueError, match="weights: expected 'stress' or 'virial' of some"):
        learner._targets(bare)
    dipoles = Potential(FAENet(heads={"dipole": "vector"}), gradient=False)
    with pytest.raises(ValueError, match=r"weights: expected some of \['dipole'\], found \['stress'\]"):
        MoleculeModule(dipoles, weights={"stress": 1.0})


# ------------------------------------------------------------------------------ a run


@pytest.fixture(scope="module")
def run(path, molecule_arguments):
    net = "{hidden_channels: 16, num_layers: 2, num_radial: 6, cutoff: 3.4}"
    model = {
        "model.init_args.model": f"{{class_path: fa_pyg.models.FAENet, init_args: {net}}}",
        "model.init_args.frame.init_args.group": "SE(3)",
        "model.init_args.cell_frame": "fa_pyg.models.LabeledCell",
        "lr": "0.005",
        "schedule": "null",
        "weights": "{energy: 0.1, forces: 1, stress: 1}",
    }
    data = {"dataset.init_args.root_or_files": path, "val": 4, "test": 4, "eval_batch_size": 1}
    trainer = {"max_epochs": 12, "callbacks": "null", "default_root_dir": path.parent / "runs"}
    sections = {"model": model, "data": data, "trainer": trainer}
    more = [f"--{section}.{k}={v}" for section, part in sections.items() for k, v in part.items()]
    return main(molecule_arguments("--name=stress", *more), MoleculeCLI)


def test_a_run_learns_stress_and_reports_it(run, path):
    from fa_pyg.train.logs import read_metrics

    folder = Path(run["folder"])
    errors = [
        float(row[name])
        for row in read_metrics(folder)
        if (name := "train/stress_mae_meV_per_A3") in row and row[name] != ""
    ]
    assert errors[-1] < 0.7 * errors[0]
    assert math.isfinite(json.loads((folder / "results.json").read_text())["test_stress_mae_meV_per_A3"])
    assert (folder / "parity.png").stat().st_size > 1000
    model = load(folder).double().eval()
    assert model.stress_scale != 1
    data = MoleculeData(XYZ(path), val=4, test=4, targets=("energy", "forces", "stress")).split("test")
    known = has_stress(data)
    assert 0 < known.sum() < 4  # and batches of one have none
    out = MoleculeModule(model, weights={"stress": 1.0})(data)
    error = 1e3 * (out["stress"] - data.stress)[known].abs().mean().item()
    assert run["test_stress_mae_meV_per_A3"] == pytest.approx(error, rel=1e-3)
    assert yaml.safe_load((folder / "config.yaml").read_text())["model"]["weights"]["stress"] == 1


def test_a_model_of_before_goes_on_to_read_the_cell_it_was_trained_with(run, tmp_path):
    """Its configuration says ``signed_cell``, not ``cell_frame``; its checkpoint has no scale of stress."""
    folder, model = Path(run["folder"]), "model"
    config = yaml.safe_load((folder / "config.yaml").read_text())
    given = config[model][model]["init_args"]
    del given["cell_frame"]
    (tmp_path / "config.yaml").write_text(yaml.safe_dump(config))
    state = torch.load(folder / "best.ckpt", weights_only=True)
    del state["state_dict"]["model.stress_scale"]
    torch.save(state, tmp_path / "best.ckpt")
    assert isinstance(load(tmp_path).cell_frame, LatticeVectors)
    given["signed_cell"] = False
    (tmp_path / "config.yaml").write_text(yaml.safe_dump(config))
    with pytest.warns(DeprecationWarning, match="signed_cell=False is deprecated"):
        old = load(tmp_path).cell_frame
    assert isinstance(old, CellVectors)
    assert not old.signed


def test_predictions_have_the_stress_that_the_run_reports(run, path, tmp_path):
    model = load(run["folder"]).double().eval()
    report = predict(model, [path], tmp_path / "out.xyz")
    assert report.errors == []
    truth, found = read(path, ":"), read(tmp_path / "out.xyz", ":")
    stresses = [(a.get_stress(), b.get_stress()) for a, b in zip(truth, found, strict=True) if a.pbc.all()]
    true, predicted = (np.array(one) for one in zip(*stresses, strict=True))
    assert np.abs(true - predicted).mean() < np.abs(true).mean()  # better than nothing
    assert not any("stress" in one.calc.results for one in found if not one.pbc.all())
