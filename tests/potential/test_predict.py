"""Predictions from the command line: exact under rotations in float32, and robust against bad files."""

from pathlib import Path

import numpy as np
import pytest
import torch
from ase.io import read

from fa_pyg.datasets import read_xyz
from fa_pyg.potential import load
from fa_pyg.potential.predict import main

DATA = Path(__file__).parents[2] / "data" / "molecules"


def rotation(seed):
    q, r = np.linalg.qr(np.random.default_rng(seed).normal(size=(3, 3)))
    q = q * np.sign(np.diag(r))
    return q * np.linalg.det(q)


@pytest.fixture(scope="module")
def checkpoint(molecule_run, tmp_path_factory):
    """A run's, with random weights of order 1 and every element known: no symmetry that training gave."""
    folder, source = tmp_path_factory.mktemp("run"), Path(molecule_run["folder"])
    kept = torch.load(source / "best.ckpt", weights_only=True)
    generator = torch.Generator().manual_seed(0)
    for name, value in kept["state_dict"].items():
        if name.endswith("known"):
            value[:] = True
        elif "weight" in name:
            value.copy_(1.5 * torch.randn(value.shape, generator=generator) / value.shape[-1] ** 0.5)
    torch.save(kept, folder / "best.ckpt")
    (folder / "config.yaml").write_text((source / "config.yaml").read_text())
    return folder / "best.ckpt"


def predicted(checkpoint, out, *files):
    code = main([str(checkpoint), *map(str, files), "-o", str(out), "--dtype", "float32", "--device", "cpu"])
    return code, read(out, ":")


@pytest.mark.parametrize("name", ["methane", "benzene", "sulfur_hexafluoride"])
def test_rotating_the_file_rotates_the_predictions(name, checkpoint, tmp_path):
    lines = (DATA / f"{name}.xyz").read_text().splitlines()
    rows = [line.split() for line in lines[2:]]
    pos = np.array([[float(x) for x in row[1:4]] for row in rows])
    turns = [np.eye(3), *(rotation(seed) for seed in range(4))]
    for k, q in enumerate(turns):
        turned = pos @ q.T + k
        text = [f"{row[0]} {x:.15g} {y:.15g} {z:.15g}" for row, (x, y, z) in zip(rows, turned, strict=True)]
        (tmp_path / f"{k}.xyz").write_text("\n".join([*lines[:2], *text]) + "\n")
    files = [tmp_path / f"{k}.xyz" for k in range(len(turns))]
    code, found = predicted(checkpoint, tmp_path / "out.extxyz", *files)
    assert code == 0
    energy, forces = found[0].get_potential_energy(), found[0].get_forces()
    assert np.abs(forces).max() > 0.01 or name != "benzene"
    for atoms, q in zip(found[1:], turns[1:], strict=True):
        assert abs(atoms.get_potential_energy() - energy) <= max(1e-6 * abs(energy), 1e-5)
        assert np.abs(atoms.get_forces() - forces @ q.T).max() <= 1e-5
        assert np.abs(atoms.get_dipole_moment() - found[0].get_dipole_moment() @ q.T).max() <= 1e-5


def test_predictions_in_smoother_frames(checkpoint, tmp_path):
    file, found = DATA / "methane.xyz", {}
    for name, more in (("own", []), ("fast", ["--frame", "fast"]), ("dynamics", ["--frame", "dynamics"])):
        out = tmp_path / f"{name}.extxyz"
        assert main([str(checkpoint), str(file), "-o", str(out), "--dtype", "float64", *more]) == 0
        found[name] = read(out).get_potential_energy()
    model = load(checkpoint).set_frame("dynamics").double()
    (data,) = read_xyz(file, dtype=torch.float64)
    expected = model(data.z, data.pos)["energy"].item()
    assert found["dynamics"] == pytest.approx(expected, abs=1e-8)
    assert abs(found["fast"] - found["dynamics"]) > 1e-5


def test_bad_molecules_are_reported_and_the_rest_is_done(checkpoint, molecule_run, tmp_path, capsys):
    water = "3\n\nO 0 0 0.1\nH 0 0.8 -0.4\nH 0 -0.8 -0.4\n"
    (tmp_path / "a.xyz").write_text(water + water.replace("0.8 -", "zero ", 1) + water)
    (tmp_path / "b.xyz").write_text(water + "4\n\nO 0 0 0\n")
    (tmp_path / "c.xyz").write_text(water.replace("O", "Au") + water)
    files = [tmp_path / f"{name}.xyz" for name in "abcd"]
    code, found = predicted(molecule_run["folder"], tmp_path / "out.extxyz", *files)
    err = capsys.readouterr().err
    assert code == 1
    assert [Path(atoms.info["source"]).name for atoms in found] == [
        "a.xyz:1",
        "a.xyz:11",
        "b.xyz:1",
        "c.xyz:6",
    ]
    assert "a.xyz, line 9: " in err
    assert "b.xyz, line 9" in err
    assert "the rest of the file was not read" in err
    assert "c.xyz:1: expected elements of the training set, found Au" in err
    assert "d.xyz" in err
    energies = [atoms.get_potential_energy() for atoms in found]
    assert energies == pytest.approx([energies[0]] * 4)
    assert not list(tmp_path.glob("*.tmp"))


def test_predictions_that_are_not_finite_are_reported(checkpoint, tmp_path, capsys):
    water = "3\n\nO 0 0 0.1\nH 0 0.8 -0.4\nH 0 -0.8 -0.4\n"
    (tmp_path / "a.xyz").write_text(water + "2\n\nH 0 0 0\nH 1e200 0 0\n" + water)
    code, found = predicted(checkpoint, tmp_path / "out.extxyz", tmp_path / "a.xyz")
    assert code == 1
    assert "a.xyz:6: expected finite predictions, found others of energy" in capsys.readouterr().err
    assert [Path(atoms.info["source"]).name for atoms in found] == ["a.xyz:1", "a.xyz:10"]
    assert found[0].get_potential_energy() == found[1].get_potential_energy()


def test_a_wrong_checkpoint_is_said_and_nothing_is_written(tmp_path, capsys):
    assert main([str(tmp_path / "no.ckpt"), "x.xyz", "-o", str(tmp_path / "out.xyz")]) == 2
    assert "no.ckpt: found no such file" in capsys.readouterr().err
    assert not (tmp_path / "out.xyz").exists()


def test_cells_that_are_flat_or_tiny_are_reported_and_the_rest_is_done(checkpoint, tmp_path, capsys):
    def crystal(*edges):
        cell = " ".join(str(x) for x in np.diag(edges).flatten())
        return f'1\nLattice="{cell}" pbc="T T T" Properties=species:S:1:pos:R:3\nC 0 0 0\n'

    cells = crystal(3.0, 3.0, 3.0), crystal(3.0, 3.0, 0.0), crystal(3e-3, 3e-3, 3e-3), crystal(3.0, 3.0, 4.0)
    (tmp_path / "a.extxyz").write_text("".join(cells))
    code, found = predicted(checkpoint, tmp_path / "out.extxyz", tmp_path / "a.extxyz")
    err = capsys.readouterr().err
    assert code == 1
    assert [Path(atoms.info["source"]).name for atoms in found] == ["a.extxyz:1", "a.extxyz:10"]
    assert "a.extxyz, line 5: " in err
    assert "a.extxyz:7: cell: expected at most 1e+08 neigh" in err


def test_input_is_not_overwritten(checkpoint, tmp_path, capsys):
    file = tmp_path / "a.xyz"
    file.write_text("1\n\nH 0 0 0\n")
    for given in (file, tmp_path):
        assert main([str(checkpoint), str(given), "-o", str(file)]) == 2
        assert "out: expected another file than those to read, found" in capsys.readouterr().err
    assert file.read_text() == "1\n\nH 0 0 0\n"


def test_an_empty_checkpoint_is_none(checkpoint, tmp_path, capsys):
    (tmp_path / "best.ckpt").touch()
    (tmp_path / "config.yaml").write_text(checkpoint.with_name("config.yaml").read_text())
    file = str(DATA / "methane.xyz")
    assert main([str(tmp_path), file, "-o", str(tmp_path / "out.xyz")]) == 2
    assert "best.ckpt: expected a checkpoint of" in capsys.readouterr().err


def test_crystals_and_molecules_in_one_go(checkpoint, tmp_path):
    from ase.build import bulk, molecule
    from ase.io import write

    salt = bulk("NaCl", "rocksalt", a=5.6, cubic=True)
    write(tmp_path / "in.extxyz", [molecule("H2O"), salt, molecule("CH4")])
    code, found = predicted(checkpoint, tmp_path / "out.extxyz", tmp_path / "in.extxyz")
    assert code == 0
    assert [atoms.pbc.all() for atoms in found] == [False, True, False]
    assert found[1].get_stress(voigt=False).shape == (3, 3)
    assert np.abs(found[1].get_forces()).max() < 1e-4  # by symmetry


WATER = "3\n{}\nO 0 0 0.1\nH 0 0.8 -0.4\nH 0 -0.8 -0.4\n"
CELL = 'Lattice="{} 0 0 0 {} 0 0 0 {}" pbc="T T T" Properties=species:S:1:pos:R:3'
BAD = {  # a structure in the middle, whatever the reader makes of it, that is not predicted for
    "singular cell": WATER.format(CELL.format(5, 5, 0)),
    "nan cell": WATER.format(CELL.format("nan", 5, 5)),
    "infinite cell": WATER.format(CELL.format("inf", 5, 5)),
    "cell of zeros": WATER.format(CELL.format(0, 0, 0)),
    "huge cell": WATER.format(CELL.format("1e200", "1e200", "1e200")),
    "cell of one": WATER.format('Lattice="1" pbc="T T T" Properties=species:S:1:pos:R:3'),
    "nan position": WATER.format("").replace("0.1", "nan"),
    "far position": WATER.format("").replace("0.1", "1e200"),
    "unknown element": WATER.format("").replace("O", "Xx"),
    "no such number": WATER.format("").replace("O", "-7"),
    "words": WATER.format("").replace("0.8", "near"),
    "too few columns": WATER.format("Properties=species:S:1:pos:R:3:forces:R:3"),
    "columns of nothing": WATER.format("Properties=species"),
}
KEPT = {  # names that PyG or Python reads something into
    "self": WATER.format("Properties=species:S:1:pos:R:3 self=1"),
    "x": WATER.format("Properties=species:S:1:pos:R:3 x=1"),
    "batch": WATER.format("Properties=species:S:1:pos:R:3 batch=7 ptr=1 edge_index=2 num_nodes=1 z=2 pos=4"),
    "quotes": WATER.format("""Properties=species:S:1:pos:R:3 a="b"c" d='e f="g'"""),
}


@pytest.mark.parametrize("kind", [*BAD, *KEPT])
def test_one_molecule_is_one_report(kind, checkpoint, tmp_path, capsys):
    good = WATER.format("")
    (tmp_path / "a.xyz").write_text(good + (BAD | KEPT)[kind] + good)
    (tmp_path / "b.xyz").write_text(good)
    code, found = predicted(checkpoint, tmp_path / "out.xyz", tmp_path / "a.xyz", tmp_path / "b.xyz")
    lines = capsys.readouterr().err.splitlines()
    left = {str(tmp_path / name) for name in ("a.xyz:1", "a.xyz:11", "b.xyz:1")}
    sources = {atoms.info["source"] for atoms in found}
    if kind in KEPT and code == 0:  # the reader knew what to do with it
        assert sources == {*left, str(tmp_path / "a.xyz:6")}
        assert not lines
        return
    assert code == 1
    assert sources == left
    (line,) = lines
    assert line.startswith((str(tmp_path / "a.xyz:6"), f"{tmp_path / 'a.xyz'}, line "))
    energies = [atoms.get_potential_energy() for atoms in found]
    assert energies == pytest.approx([energies[0]] * 3, abs=1e-6)


class Moody(torch.nn.Module):
    """Fails, or is not finite, for a whole batch where one of its molecules is far from the origin."""

    head_names = {"energy": "scalar"}  # noqa: RUF012

    def __init__(self, how):
        super().__init__()
        self.how = how

    def forward(self, z, pos, batch, num_graphs):
        if (pos.abs() > 50).any():
            if self.how is None:
                pos = pos * float("nan")
            else:
                raise self.how("a model fails")
        return pos.new_zeros(num_graphs).index_add(0, batch, pos.square().sum(1))


@pytest.mark.parametrize(
    "how", [None, RuntimeError, torch.linalg.LinAlgError, IndexError, KeyError, ValueError]
)
def test_a_model_that_fails_for_one_molecule_gives_those_of_all_others(how, tmp_path):
    from fa_pyg.models import Potential
    from fa_pyg.potential.predict import predict

    model = Potential(Moody(how), gradient=False).eval()
    for reference in model.references.values():
        reference.known[:] = True
    texts = [f"1\n\nH 0 0 {k if k not in (3, 8) else 99}\n" for k in range(11)]
    (tmp_path / "a.xyz").write_text("".join(texts))
    report = predict(model, [tmp_path / "a.xyz"], tmp_path / "out.xyz", batch_size=6)
    assert report.done == 9
    assert [f"a.xyz:{3 * k + 1}" in error for k, error in zip((3, 8), report.errors, strict=True)] == [
        True
    ] * 2
    found = [atoms.get_potential_energy() for atoms in read(tmp_path / "out.xyz", ":")]
    assert found == pytest.approx([k**2 for k in range(11) if k not in (3, 8)])


@pytest.mark.parametrize(
    "name",
    [
        b"new\nline.xyz",
        b'quote".xyz',
        b"it's.xyz",
        b"back\\slash.xyz",
        b"latin\xe9.xyz",
        "übung 水.xyz".encode(),
        b"per%20cent.xyz",
        b" a=b {c} [d].xyz",
        b"tab\t\r\x1b.xyz",
        "line\u2028.xyz".encode(),
    ],
)
def test_files_of_any_name_are_read_and_named(name, checkpoint, tmp_path, capsys):
    import os
    from urllib.parse import unquote_to_bytes

    from fa_pyg import read_xyz

    path = os.path.join(os.fsencode(tmp_path), name)
    with open(path, "wb") as file:
        file.write(WATER.format("").encode() + WATER.format("").replace("O", "Xx").encode())
    code, found = predicted(checkpoint, tmp_path / "out.extxyz", os.fsdecode(path))
    assert code == 1
    assert len(capsys.readouterr().err.splitlines()) == 1
    (atoms,) = found
    assert unquote_to_bytes(atoms.info["source"]) == path + b":1"
    assert len(read_xyz(tmp_path / "out.extxyz")) == 1


def test_files_that_cannot_be_read_are_reported(checkpoint, tmp_path, capsys):
    good = WATER.format("")
    (tmp_path / "a.xyz").write_text(good)
    (tmp_path / "b.xyz.gz").write_bytes(b"\x1f\x8b\x08 broken")
    (tmp_path / "c.xyz").write_bytes(b"\0\1\2")
    (tmp_path / "d.xyz").touch()
    (tmp_path / "e").mkdir()
    (tmp_path / "f.xyz").write_text(good)
    files = [tmp_path / name for name in ("a.xyz", "b.xyz.gz", "c.xyz", "d.xyz", "e", "f.xyz", "none.xyz")]
    code, found = predicted(checkpoint, tmp_path / "out.extxyz", *files)
    assert (code, len(found)) == (1, 2)
    lines = capsys.readouterr().err.splitlines()
    assert [str(path) in line for path, line in zip(files[1:5] + files[6:], lines, strict=True)] == [True] * 5


@pytest.mark.parametrize(
    ("more", "text"),
    [
        (["--device", "cuda:77"], "--device: expected a device of this machine"),
        (["--device", "meta"], "--device: expected a device of this machine"),
        (["--device", "toaster"], "--device: expected a device of this machine"),
        (["--device", ""], "--device: expected a value, found an empty one"),
        (["--batch_size", "0"], "--batch_size: expected a positive integer, found 0"),
        (["--batch_size", "-3"], "--batch_size: expected a positive integer, found -3"),
        (["--dtype", "float16"], "--dtype"),
        (["--out", "{tmp}"], "expected a file that can be written"),
        (["--trust", "no such"], "trust: expected"),
        (["--out", "{tmp}/none/out.xyz"], "none/out.xyz"),
    ],
)
def test_absurd_options_are_named(more, text, checkpoint, tmp_path, capsys):
    (tmp_path / "in.xyz").write_text(WATER.format(""))
    given = [str(checkpoint), str(tmp_path / "in.xyz"), "-o", str(tmp_path / "out.xyz"), "--device", "cpu"]
    try:
        code = main([*given, *(one.format(tmp=tmp_path) for one in more)])
    except SystemExit as stopped:
        code = stopped.code
    assert code == 2
    assert text in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["in.xyz"]


def test_an_input_called_like_a_temporary_file_is_read_and_stays(checkpoint, tmp_path):
    out = tmp_path / "out"
    files = [tmp_path / name for name in ("out.tmp", ".out.tmp", "out.part")]
    for file in files:
        file.write_text(WATER.format(""))
    code, found = predicted(checkpoint, out, *files)
    assert (code, len(found)) == (0, len(files))
    assert all(file.read_text() == WATER.format("") for file in files)


def test_links_beside_the_output_are_not_followed_and_one_in_its_place_is(checkpoint, tmp_path):
    victim, target, out = tmp_path / "victim", tmp_path / "far" / "target.extxyz", tmp_path / "out.extxyz"
    victim.write_text("precious")
    target.parent.mkdir()
    (tmp_path / "out.extxyz.tmp").symlink_to(victim)
    out.symlink_to(target)
    (tmp_path / "a.xyz").write_text(WATER.format(""))
    for _ in range(2):
        code, found = predicted(checkpoint, out, tmp_path / "a.xyz")
        assert (code, len(found), out.is_symlink(), target.is_file()) == (0, 1, True, True)
    assert victim.read_text() == "precious"
    assert (tmp_path / "out.extxyz.tmp").is_symlink()


def test_an_output_that_cannot_be_written_is_named_before_anything_is_read(checkpoint, tmp_path, capsys):
    (tmp_path / "a.xyz").write_text(WATER.format(""))
    for out in (tmp_path, tmp_path / "none" / "out", "/dev/null", tmp_path / "a.xyz" / "out"):
        assert main([str(checkpoint), str(tmp_path / "a.xyz"), "-o", str(out)]) == 2
        assert f"error: {out}: expected a file" in capsys.readouterr().err
    link = tmp_path / "link"
    link.symlink_to("a.xyz")  # an input by another name
    assert main([str(checkpoint), str(tmp_path / "a.xyz"), "-o", str(link)]) == 2
    assert "which is among them" in capsys.readouterr().err
    assert (tmp_path / "a.xyz").read_text() == WATER.format("")


def test_a_failure_leaves_what_was_there(checkpoint, tmp_path, monkeypatch):
    (tmp_path / "a.xyz").write_text(WATER.format(""))
    out = tmp_path / "out"
    out.write_text("old")
    monkeypatch.setattr(
        "fa_pyg.potential.predict.write_xyz", lambda *_, **__: (_ for _ in ()).throw(KeyboardInterrupt)
    )
    with pytest.raises(KeyboardInterrupt):
        main([str(checkpoint), str(tmp_path / "a.xyz"), "-o", str(out)])
    assert out.read_text() == "old"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.xyz", "out"]


def test_nothing_is_written_where_nothing_was_predicted(checkpoint, tmp_path, capsys):
    (tmp_path / "a.xyz").write_text("3\n\nO 0 0 zero\nH 0 0.8 -0.4\nH 0 -0.8 -0.4\n")
    out = tmp_path / "out.xyz"
    for kept in (None, "of an earlier prediction"):
        if kept:
            out.write_text(kept)
        assert main([str(checkpoint), str(tmp_path / "a.xyz"), "-o", str(out), "--device", "cpu"]) == 2
        said = capsys.readouterr()
        assert f"error: no molecule was predicted, 1 error; {out} is not written" in said.err
        assert "written to" not in said.out
        assert (out.read_text() if out.exists() else None) == kept
    assert not list(tmp_path.glob("*.tmp"))
