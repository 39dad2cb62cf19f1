"""Configurations by name: found, listed, copied; and where they and the data are."""

import re
from pathlib import Path

import pytest
import yaml

from fa_pyg.cli import main, places
from fa_pyg.cli.named import find_config, first_comment, names, with_files
from fa_pyg.cli.places import FOLDERS, base, checkout, configs

ROOT = Path(__file__).resolve().parents[2]
ASPIRIN = ROOT / "configs/molecules/aspirin_weighted.yaml"


@pytest.mark.parametrize(
    "name",
    [
        "aspirin_weighted",
        "aspirin_weighted.yaml",
        "molecules/aspirin_weighted",
        "configs/molecules/aspirin_weighted.yaml",
    ],
)
def test_names_of_configurations(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert find_config(name, ["molecules"]) == ASPIRIN
    for given in (["--config", name], ["-c", name]):
        assert with_files([*given, "--name=a"], "molecules") == [given[0], str(ASPIRIN), "--name=a"]
    assert with_files([f"--config={name}"], "molecules") == [f"--config={ASPIRIN}"]


def test_files_and_settings_stay_as_they_are(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "gnn").write_text("name: mine")
    for given in ("gnn", "{name: a}", "name: a", ""):
        assert with_files(["--config", given], "nbody") == ["--config", given]
    with pytest.raises(ValueError, match=r"--config: expected a file that exists, found .*none\.yaml"):
        with_files(["--config", str(tmp_path / "none.yaml")], "nbody")
    assert with_files(["--name", "gnn", "--data.root", "egnn"], "nbody")[1::2] == ["gnn", "egnn"]


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("aspirin_weigthed", "did you mean aspirin_weighted"),
        ("nbody/gnn", "`fa-pyg configs list molecules` shows all"),
        ("zzzzzz", "`fa-pyg configs list molecules` shows all"),
        ("../molecules/aspirin_weighted", ""),
    ],
)
def test_unknown_names(name, hint):
    with pytest.raises(
        ValueError, match="--config: expected a file, or the name of a configuration, found"
    ) as e:
        with_files(["--config", name], "molecules")
    assert hint in str(e.value)


def test_a_row_of_graphs_becomes_its_training():
    """A configuration of the separation benchmark has three parts, of which one is trained."""
    found = yaml.safe_load(with_files(["--config", "gin"], "graphs")[1])
    row = yaml.safe_load((ROOT / "configs/separation/gin.yaml").read_text())
    assert found["model"] == row["exp_classify"]["model"]
    assert found["data"]["transforms"] == row["exp_classify"]["data"]["transforms"]
    assert found["data"]["dataset"]["class_path"] == "fa_pyg.datasets.EXP"
    assert found["name"] == "gin"


def test_the_list_has_all_with_their_first_line(capsys):
    assert main(["configs", "list"]) == 0
    lines = capsys.readouterr().out.splitlines()
    files = sorted((ROOT / "configs").glob("*/*.yaml"))
    assert len(lines) == len(files) + len({file.parent for file in files})
    for file in files:
        assert first_comment(file), file
        assert any(line.split() == [file.stem, *first_comment(file).split()] for line in lines)
    assert main(["configs", "list", "graphs"]) == 0
    assert [line.split()[0] for line in capsys.readouterr().out.splitlines()] == names("separation")
    assert main(["configs", "list", "molecule"]) == 2
    assert "found 'molecule' (did you mean molecules?)" in capsys.readouterr().err


def test_a_copy_overwrites_nothing(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert main(["configs", "copy", "aspirin_weighted"]) == 0
    copied = tmp_path / "aspirin_weighted.yaml"
    assert copied.read_text() == ASPIRIN.read_text()
    assert (
        "next: edit it, then fa-pyg train molecules --config aspirin_weighted.yaml" in capsys.readouterr().out
    )
    copied.write_text("mine")
    assert main(["configs", "copy", "aspirin_weighted"]) == 2
    assert "dest: expected a new file, found aspirin_weighted.yaml; --force" in capsys.readouterr().err
    assert copied.read_text() == "mine"
    assert main(["configs", "copy", "aspirin_weighted", "--force"]) == 0
    assert copied.read_text() == ASPIRIN.read_text()
    (tmp_path / "new").mkdir()
    assert main(["configs", "copy", "molecules/aspirin_weighted", str(tmp_path / "new" / "b.yaml")]) == 0
    assert (tmp_path / "new" / "b.yaml").exists()
    assert main(["configs", "copy", "dgcn"]) == 2
    assert (
        "name: expected a file, or the name of a configuration, found 'dgcn' (did you"
        in capsys.readouterr().err
    )


def test_names_are_unique_or_must_say_which(monkeypatch, tmp_path):
    for folder in ("a", "b"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "x.yaml").touch()
    monkeypatch.setattr("fa_pyg.cli.named.configs", lambda: tmp_path)
    with pytest.raises(ValueError, match="expected a/x or b/x, found 'x', which is both"):
        find_config("x", ["a", "b"])
    assert find_config("b/x", ["a", "b"]) == tmp_path / "b" / "x.yaml"


def test_places_of_a_checkout_and_of_a_wheel(tmp_path, monkeypatch):
    assert checkout() == base() == ROOT
    assert configs() == ROOT / "configs"
    assert all((configs() / folder).is_dir() for folder in FOLDERS.values())
    package = tmp_path / "site-packages" / "fa_pyg"
    (package / "configs").mkdir(parents=True)
    monkeypatch.setattr(places, "PACKAGE", package)
    assert checkout() is None
    assert base() == Path()
    assert configs() == package / "configs"
    with pytest.raises(
        ValueError,
        match=re.escape(f"--write-docs: expected a checkout of the project, found the package in {package}"),
    ):
        places.need_checkout("--write-docs")


def test_pages_are_written_in_a_checkout_only(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(places, "PACKAGE", tmp_path / "fa_pyg")
    for table in ("nbody", "normals"):
        assert main(["reproduce", table, "--write-docs"]) == 2
        assert "error: --write-docs: expected a checkout of the project, found" in capsys.readouterr().err


def test_a_link_that_leads_nowhere_is_not_written_through(tmp_path, capsys):
    (tmp_path / "gnn.yaml").symlink_to(tmp_path / "elsewhere.yaml")
    assert main(["configs", "copy", "nbody/gnn", str(tmp_path)]) == 2
    assert "found the link" in capsys.readouterr().err
    assert not (tmp_path / "elsewhere.yaml").exists()
    assert main(["configs", "copy", "nbody/gnn", str(tmp_path), "--force"]) == 0
    assert not (tmp_path / "gnn.yaml").is_symlink()
    assert not (tmp_path / "elsewhere.yaml").exists()
