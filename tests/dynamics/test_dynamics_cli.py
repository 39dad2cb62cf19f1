"""The command line on runs made by hand: no training, all of their files."""

import csv
import json

import pytest
import torch
import yaml
from ase.build import molecule
from ase.io import read, write

from fa_pyg import PCAFrame, WeightedPCAFrame
from fa_pyg.dynamics.cli import main
from fa_pyg.dynamics.inputs import names, start
from fa_pyg.models import FAENet, Potential

FILES = ["energy.png", "path.csv", "plain", "results.json", "weighted"]


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """Methanol in 12 shapes."""
    path, found = tmp_path_factory.mktemp("data") / "all.xyz", []
    for seed in range(12):
        found.append(molecule("CH3OH"))
        found[-1].rattle(0.05, seed=seed)
    write(path, found, format="extxyz")
    return path


@pytest.fixture(scope="module")
def runs(tmp_path_factory, data):
    """Folders of runs, as a training leaves them."""
    root, folders = tmp_path_factory.mktemp("runs"), {}
    for name, frame, more in (
        ("weighted", WeightedPCAFrame, {"smoothness": "fast"}),
        ("plain", PCAFrame, {}),
    ):
        net = {"hidden_channels": 8, "num_layers": 1, "num_radial": 4}
        torch.manual_seed(0)
        model = Potential(FAENet(**net), frame("SE(3)", **more))
        shown = {
            "model": {"class_path": "fa_pyg.models.FAENet", "init_args": net},
            "frame": {"class_path": f"fa_pyg.{frame.__name__}", "init_args": {"group": "SE(3)", **more}},
        }
        source = {"class_path": "fa_pyg.datasets.XYZ", "init_args": {"root_or_files": str(data)}}
        config = {
            "name": name,
            "model": {"model": {"class_path": "fa_pyg.models.Potential", "init_args": shown}},
            "data": {"dataset": source, "val": 3, "test": 4},
        }
        folders[name] = root / name / "version_0"
        folders[name].mkdir(parents=True)
        (folders[name] / "config.yaml").write_text(yaml.safe_dump(config))
        state = {f"model.{key}": value for key, value in model.state_dict().items()}
        torch.save({"state_dict": state}, folders[name] / "best.ckpt")
    return folders


def test_all_of_it(runs, tmp_path, capsys):
    given = [str(runs["weighted"] / "best.ckpt"), str(runs["plain"]), "--index", "2", "--timestep", "0.5"]
    short = ["--picoseconds", "0.01", "--every", "5", "--temperature", "300", "-o", str(tmp_path)]
    assert main([*given, *short]) == 0
    assert sorted(file.name for file in tmp_path.iterdir()) == FILES
    found = json.loads((tmp_path / "results.json").read_text())
    assert [one["name"] for one in found["runs"]] == ["weighted", "plain"]
    assert (found["path"], found["formula"], found["index"]) == ("weighted", "CH4O", 2)
    starts = []
    for one in found["runs"]:
        assert one["picoseconds"] == pytest.approx(0.01)
        assert one["end"] is None
        assert one["jump_meV"] >= one["jump_rms_meV"] >= 0
        rows = list(csv.DictReader((tmp_path / one["name"] / "energy.csv").open()))
        assert len(rows) == 21
        assert float(rows[7]["total_eV"]) == float(rows[7]["potential_eV"]) + float(rows[7]["kinetic_eV"])
        assert max(abs(float(row["gap_meV"])) for row in rows[1:]) == pytest.approx(one["jump_meV"])
        frames = read(tmp_path / one["name"] / "trajectory.xyz", ":")
        assert [atoms.info["time_ps"] for atoms in frames] == pytest.approx([0, 0.0025, 0.005, 0.0075, 0.01])
        assert frames[2].get_potential_energy() == pytest.approx(float(rows[10]["potential_eV"]), abs=1e-6)
        starts.append((frames[0].positions, frames[0].get_momenta()))
    assert all((a == b).all() for a, b in zip(*starts, strict=True))
    first = found["runs"][0]
    assert 0 < first["path_jump_meV"] < first["jump_meV"]  # its own path, seen more closely
    steps = list(csv.DictReader((tmp_path / "path.csv").open()))
    largest = max(abs(float(step["plain"])) for step in steps)
    assert (len(steps), largest) == (20, pytest.approx(found["runs"][1]["path_jump_meV"]))
    assert "| weighted |" in capsys.readouterr().out


def test_smoother_frames_than_those_of_the_training(runs, tmp_path):
    """Two models of one network differ in their frames alone, and no longer do in a third one."""
    short = ["--picoseconds", "0.002", "--temperature", "300"]
    given = [str(runs["weighted"]), str(runs["plain"]), *short]
    energies = {}
    for name, more in (("own", []), ("forces", ["--frame", "forces"])):
        assert main([*given, *more, "-o", str(tmp_path / name)]) == 0
        files = [tmp_path / name / one / "energy.csv" for one in ("weighted", "plain")]
        energies[name] = [file.read_text() for file in files]
    assert energies["own"][0] != energies["own"][1]
    assert energies["forces"][0] == energies["forces"][1] != energies["own"][0]
    assert json.loads((tmp_path / "forces/results.json").read_text())["frame"] == "forces"


def test_a_model_without_a_frame_has_none_to_replace(runs, tmp_path, capsys):
    config = yaml.safe_load((runs["plain"] / "config.yaml").read_text())
    model = config["model"]["model"]["init_args"]
    del model["frame"]
    state = torch.load(runs["plain"] / "best.ckpt", weights_only=True)["state_dict"]
    bare = {key.replace("network.model.", "network."): value for key, value in state.items()}
    torch.save({"state_dict": bare}, tmp_path / "best.ckpt")
    (tmp_path / "config.yaml").write_text(yaml.safe_dump(config))
    given = [str(runs["plain"]), str(tmp_path), "--frame", "forces", "-o", str(tmp_path / "out")]
    assert main(given) == 2
    assert "expected a model in a frame for --frame forces, found one without" in capsys.readouterr().err


def test_frames_that_are_too_steep_are_named(runs, tmp_path, capsys):
    """Where eigenvalues meet, as in methane, plain frames jump, and smooth ones do not."""
    kept = torch.load(runs["plain"] / "best.ckpt", weights_only=True)
    kept["state_dict"]["model.network.model.layers.0.angular.weight"] *= 30  # to tell directions apart
    kept["state_dict"]["model.scales"] *= 200
    torch.save(kept, tmp_path / "best.ckpt")
    (tmp_path / "config.yaml").write_text((runs["plain"] / "config.yaml").read_text())
    file = tmp_path / "start.xyz"
    write(file, molecule("CH4"), format="extxyz")
    given = ["--xyz", str(file), "--picoseconds", "0.02", "--temperature", "300", "-o", str(tmp_path / "out")]
    with pytest.warns(UserWarning, match="the frame is too steep"):
        assert main([str(tmp_path), *given]) == 0
    assert "too steep for these steps: plain; try --frame forces" in capsys.readouterr().err
    (one,) = json.loads((tmp_path / "out/results.json").read_text())["runs"]
    assert one["too_steep"] is True
    assert main([str(tmp_path), *given, "--frame", "forces"]) == 0
    assert "too steep" not in capsys.readouterr().err


def test_a_file_to_start_from_and_a_molecule_that_comes_apart(runs, tmp_path):
    file = tmp_path / "start.xyz"
    write(file, molecule("CH3OH"), format="extxyz")
    given = [str(runs["plain"]), "--xyz", str(file), "--temperature", "50000", "--picoseconds", "0.2"]
    assert main([*given, "-o", str(tmp_path / "out")]) == 0
    (one,) = json.loads((tmp_path / "out/results.json").read_text())["runs"]
    assert "Å" in one["end"]
    assert 0 < one["picoseconds"] < 0.2
    assert one["jump_meV"] > 0
    assert (tmp_path / "out/energy.png").stat().st_size > 1000


def test_a_molecule_that_breaks_in_the_first_step_is_told(runs, tmp_path):
    given = ["--timestep", "1e4", "--picoseconds", "100", "-o", str(tmp_path)]
    assert main([str(runs["plain"]), *given]) == 0
    (one,) = json.loads((tmp_path / "results.json").read_text())["runs"]
    assert one["end"].endswith("at 10 ps")
    assert one["picoseconds"] == 0
    assert one["jump_meV"] is None
    assert (tmp_path / "energy.png").stat().st_size > 1000


def test_a_file_is_no_folder_to_write_to(runs, tmp_path, capsys):
    (tmp_path / "out").write_text("kept")
    assert main([str(runs["plain"]), "-o", str(tmp_path / "out")]) == 2
    assert "out: expected a folder that can be written to, found the file" in capsys.readouterr().err
    assert (tmp_path / "out").read_text() == "kept"


@pytest.mark.parametrize(
    ("more", "text"),
    [
        (["--index", "4"], "--index: expected 0 to 3, a molecule of the test set, found 4"),
        (["--index", "-1"], "--index: expected 0 to 3, a molecule of the test set, found -1"),
        (["--xyz", "{tmp}/none.xyz"], "none.xyz"),
        (["--xyz", "{data}"], "expected one structure to start from, found 12"),
        (["{tmp}/best.ckpt"], "best.ckpt: found no such file"),
        (["{plain}"], "found it twice"),
        (["--timestep", "0"], "--timestep: expected a positive number, found 0.0"),
        (["--picoseconds", "nan"], "--picoseconds: expected a positive number, found nan"),
        (["--temperature", "-1"], "--temperature: expected a number >= 0, found -1.0"),
        (["--picoseconds", "0.0005"], "expected two steps"),
        (["--picoseconds", "1e300"], "--picoseconds: expected at most"),
        (["--timestep", "1e-300"], "expected at most 1e+08 steps of --timestep"),
        (["--picoseconds", "inf"], "--picoseconds: expected a positive number, found inf"),
        (["--temperature", "nan"], "--temperature: expected a number >= 0, found nan"),
        (["--seed", "4294967296"], "--seed: expected an integer from 0 to 4294967295, found 4294967296"),
        (["--every", "0"], "--every: expected a positive integer, found 0"),
        (["--batch_size", "-1"], "--batch_size: expected a positive integer, found -1"),
        (["--device", "cuda:77"], "--device: expected a device of this machine"),
        (["--device", "meta"], "--device: expected a device of this machine"),
        (["--trust", "no_such_module"], "trust: expected"),
    ],
)
def test_bad_input_is_refused_before_anything_is_written(more, text, runs, data, tmp_path, capsys):
    places = {"tmp": tmp_path, "data": data, "plain": runs["plain"]}
    more = [one.format(**places) for one in more]
    try:
        code = main([str(runs["plain"]), *more, "-o", str(tmp_path / "out")])
    except SystemExit as stopped:
        code = stopped.code
    assert code == 2
    assert text in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_the_test_set_of_a_run_on_files_is_found(runs, data, tmp_path):
    config = yaml.safe_load((runs["plain"] / "config.yaml").read_text())
    lazy = {"root_or_files": str(data), "cache": str(tmp_path)}
    config["data"]["dataset"] = {"class_path": "fa_pyg.datasets.LazyXYZ", "init_args": lazy}
    (tmp_path / "config.yaml").write_text(yaml.safe_dump(config))
    expected = start(runs["plain"], None, 3)
    assert (start(tmp_path, None, 3).positions == expected.positions).all()
    with pytest.raises(ValueError, match="--index: expected 0 to 3, a molecule of the test set, found 4"):
        start(tmp_path, None, 4)


def test_elements_of_another_training_set_are_refused(runs, tmp_path, capsys):
    kept = torch.load(runs["plain"] / "best.ckpt", weights_only=True)
    kept["state_dict"]["model.references.energy.known"][[1, 6]] = True
    torch.save(kept, tmp_path / "best.ckpt")
    (tmp_path / "config.yaml").write_text((runs["plain"] / "config.yaml").read_text())
    assert main([str(runs["plain"]), str(tmp_path), "-o", str(tmp_path / "out")]) == 2
    assert "expected elements of its training set, found [8]" in capsys.readouterr().err


def test_names_tell_runs_apart(runs, tmp_path):
    for file in ("a/version_0/best.ckpt", "a/version_0/last.ckpt", "a/version_1/best.ckpt", "b/best.ckpt"):
        (tmp_path / file).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / file).touch()
        (tmp_path / file).with_name("config.yaml").write_text("name: " + file[0])
    files = [tmp_path / "a/version_0/best.ckpt", tmp_path / "a/version_0/last.ckpt", tmp_path / "b"]
    assert names([*files, tmp_path / "a/version_1"]) == [
        "a_version_0_best",
        "a_version_0_last",
        "b",
        "a_version_1",
    ]


def spoilt(folder, target):
    """A run like another, with a weight that is not a number."""
    kept = torch.load(folder / "best.ckpt", weights_only=True)
    next(one for name, one in kept["state_dict"].items() if name.endswith("angular.weight"))[0] = torch.nan
    target.mkdir()
    torch.save(kept, target / "best.ckpt")
    settings = yaml.safe_load((folder / "config.yaml").read_text()) | {"name": "spoilt"}
    (target / "config.yaml").write_text(yaml.safe_dump(settings))
    return str(target)


@pytest.mark.parametrize("is_first", [True, False])
def test_weights_that_are_not_finite(runs, tmp_path, capsys, is_first):
    """A line and an exit of 1; the other run is kept, and evaluated if there is a path."""
    models = [spoilt(runs["plain"], tmp_path / "spoilt"), str(runs["weighted"])][:: 1 if is_first else -1]
    short = ["--picoseconds", "0.002", "--temperature", "300", "-o", str(tmp_path / "out")]
    assert main([*models, *short]) == 1
    said = capsys.readouterr()
    (line,) = (line for line in said.err.splitlines() if line.startswith("error"))
    assert "error: spoilt: expected finite numbers, found some not finite: energy, forces in step 0" in line
    assert str(tmp_path / "out/spoilt/trajectory.xyz") in line
    assert "next:" not in said.out
    found = {one["name"]: one for one in json.loads((tmp_path / "out/results.json").read_text())["runs"]}
    assert (found["weighted"]["is_finite"], found["spoilt"]["is_finite"]) == (True, False)
    assert found["spoilt"]["path_not_finite"] == (0 if is_first else 4)
    assert (tmp_path / "out/weighted/trajectory.xyz").stat().st_size


def test_forces_that_become_nan_keep_the_states_before(runs, tmp_path, monkeypatch, capsys):
    calls, forward = [], Potential.forward

    def failing(self, *args, **kwargs):
        out = forward(self, *args, **kwargs)
        calls.append(0)
        return out if len(calls) <= 3 else out | {"forces": out["forces"] * torch.nan}

    monkeypatch.setattr(Potential, "forward", failing)
    short = ["--picoseconds", "0.01", "--every", "1", "-o", str(tmp_path)]
    assert main([str(runs["plain"]), *short]) == 1
    assert "not finite: forces, kinetic energy in step 3 at 0.0015 ps" in capsys.readouterr().err
    assert len(read(tmp_path / "plain/trajectory.xyz", ":")) == 3
