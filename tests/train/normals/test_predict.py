"""Normals of scans in files, by a run trained on shipped parts."""

import re
import warnings
from pathlib import Path

import numpy as np
import pytest
import torch
import trimesh

from fa_pyg.io.points import read_points, write_points
from fa_pyg.train import ClassesCLI, NormalsCLI, load_best, main
from fa_pyg.train.normals.predict import estimate
from fa_pyg.train.normals.predict import main as predict

SMALL = ["--model.model=fa_pyg.models.FAPointNet", "--model.model.init_args.width=0.03", "--name=small"]
SMALL += ["--data.shipped=true", "--data.num_points=32", "--data.num_parts=4", "--data.num_eval=2"]
SMALL += ["--trainer.max_epochs=1", "--trainer.accelerator=cpu", "--trainer.enable_progress_bar=false"]


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("run")
    return main([*SMALL, f"--trainer.default_root_dir={folder}"], NormalsCLI)["folder"]


def scan(count=150):
    return np.random.default_rng(0).normal(size=(count, 3)) * [3.0, 2.0, 1.0]


def written(path, pos=None):
    """Writes a scan in the format of the name."""
    pos = scan() if pos is None else pos
    if path.suffix == ".npy":
        np.save(path, pos)
    elif path.suffix in (".xyz", ".csv"):
        comma = path.suffix == ".csv"
        np.savetxt(path, pos, delimiter="," if comma else " ", header="x,y,z" if comma else "", comments="")
    else:
        trimesh.PointCloud(pos).export(path)
    return path


def test_scans_of_all_formats_and_bad_files(run, tmp_path, capsys):
    mesh = trimesh.creation.icosphere(2)
    mesh.export(tmp_path / "mesh.stl")
    files = [written(tmp_path / name) for name in ("a.ply", "b.npy", "c.xyz", "d.csv")]
    bad = [tmp_path / "absent.ply", tmp_path / "text.xyz", tmp_path / "pickle.npy", tmp_path / "nan.npy"]
    bad[1].write_text("3\nwater\nO 0 0 0\n")
    np.save(bad[2], np.array([{}]), allow_pickle=True)
    np.save(bad[3], np.full((4, 3), np.nan))
    inputs = map(str, [bad[0], *files, tmp_path / "mesh.stl", *bad[1:]])
    out = tmp_path / "new" / "out"
    assert predict([str(run), *inputs, "-o", str(out), "--patch-size", "40", "--device", "cpu"]) == 2
    said = capsys.readouterr()
    errors = said.err.splitlines()
    assert len(errors) == len(bad)
    assert all(line.startswith(f"error: {path}: expected ") for line, path in zip(errors, bad, strict=True))
    assert "150 points in " in said.out
    assert sorted(path.name for path in out.iterdir()) == ["a.ply", "b.ply", "c.ply", "d.ply", "mesh.ply"]
    for path in out.iterdir():
        found = trimesh.load(path, process=False)
        normals = found.metadata["_ply_raw"]["vertex"]["data"]
        normals = np.stack([normals[name] for name in ("nx", "ny", "nz")], 1)
        assert np.allclose(np.linalg.norm(normals, axis=1), 1, atol=1e-5)
        assert len(found.vertices) == (len(mesh.vertices) if path.stem == "mesh" else 150)


def test_far_from_the_origin(run, tmp_path):
    """In float32 these points would be rounded to multiples of 0.5."""
    near = np.round(scan() * 2**20) / 2**20  # exact when moved
    found = []
    for name, pos in (("near", near), ("far", near + 2.0**22)):
        for size in (40, 512):
            out = tmp_path / f"{name}.npz"
            options = ["-o", str(out), "--patch-size", str(size), "--orient", "--device", "cpu"]
            assert predict([str(run), str(written(tmp_path / f"{name}.npy", pos)), *options]) == 0
            with np.load(out) as file:
                assert np.array_equal(file["pos"], pos)
                found.append(file["normal"])
    for near, far in zip(found[:2], found[2:], strict=True):
        assert np.allclose((near * far).sum(1), 1, atol=1e-4)


def test_small_scans_are_clouds_of_unit_size(run):
    module, pos = load_best(run), torch.from_numpy(scan())
    unit = pos - pos.mean(0)
    unit = unit / unit.square().sum(1).mean().sqrt()
    with torch.no_grad():
        expected = module.model(unit.float())
    torch.testing.assert_close(estimate(module, 5 * pos + 3), expected, rtol=0, atol=1e-4)
    patches = estimate(module, pos, patch_size=40)
    assert (patches * expected).sum(1).abs().min() < 0.99


def test_wrong_options(run, tmp_path, capsys):
    a, b = written(tmp_path / "a.npy"), written(tmp_path / "a.ply")
    classes = [*SMALL, "--model.model.init_args.num_classes=23", f"--trainer.default_root_dir={tmp_path}"]
    other = main(classes, ClassesCLI)["folder"]
    capsys.readouterr()
    for arguments, message in [
        ([run, a, b, "-o", tmp_path / "out.ply"], "--out: expected a folder for 2 files"),
        ([run, a, b, "-o", tmp_path / "out"], "a.ply: expected files of different names"),
        ([run, b, "-o", tmp_path], "--out: expected another file than those to read"),
        ([run, a, "-o", tmp_path, "--overlap", "0"], "overlap: expected a number >= 1"),
        ([tmp_path, a, "-o", tmp_path / "out"], "is a folder above runs: "),
        ([other, a, "-o", tmp_path / "out"], "expected a run of `fa-pyg train normals`, found one of Cla"),
    ]:
        assert predict([*map(str, arguments), "--device", "cpu"]) == 2
        assert message in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_points_are_written_as_they_are_read(tmp_path):
    pos = scan() + 1e7
    write_points(tmp_path / "a.ply", pos, pos)
    assert np.array_equal(read_points(tmp_path / "a.ply"), pos)
    with pytest.raises(ValueError, match=r"a\.stl: expected a file \.npz or \.ply"):
        write_points(tmp_path / "a.stl", pos, pos)


def test_points_are_written_without_normals(tmp_path):
    pos = scan()
    for name in ("a.ply", "a.npz"):
        write_points(tmp_path / name, pos)
    assert np.array_equal(read_points(tmp_path / "a.ply"), pos)
    assert [*np.load(tmp_path / "a.npz")] == ["pos"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "a.xyz: expected numbers [N, 3], found float64 [0, 3]"),
        ("x y z\n", "a.xyz: expected numbers [N, 3], found float64 [0, 3]"),
        ("3\n\nO 0 0 0\nH 1 0 0\n", "fa-pyg predict molecules reads molecules"),
    ],
)
def test_files_without_points_are_told(text, message, tmp_path):
    (tmp_path / "a.xyz").write_text(text)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(ValueError, match=re.escape(message)):
            read_points(tmp_path / "a.xyz")


def test_what_is_written_is_told(tmp_path, capsys, run):
    np.savetxt(tmp_path / "a.xyz", scan())
    file, checkpoint = str(tmp_path / "a.xyz"), str(Path(run, "best.ckpt"))
    assert predict([checkpoint, file, "-o", str(tmp_path / "a.npz"), "--device", "cpu"]) == 0
    assert f'next: numpy.load("{tmp_path / "a.npz"}") has pos and normal' in capsys.readouterr().out
    assert predict([checkpoint, file, "-o", str(tmp_path / "b.xyz"), "--device", "cpu"]) == 2
    assert "--out: expected a folder, or a file .npz or .ply, found" in capsys.readouterr().err
    assert predict([str(Path(run, "config.yaml")), file, "-o", str(tmp_path), "--device", "cpu"]) == 2
    assert "RUN: expected the folder of a run, or its best.ckpt" in capsys.readouterr().err
