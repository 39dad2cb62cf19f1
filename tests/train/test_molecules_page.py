"""What docs/guides/molecules.md prints: its code runs, its command lines are those of runs that end."""

import re
from pathlib import Path

import pytest
import torch
import yaml
from ase.io import read, write

from fa_pyg.train import MoleculeCLI, main

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs/guides/molecules.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```python\n(.*?)^```", PAGE, re.M | re.S)


def said(start):
    """The arguments that the table of the page gives for files that are so."""
    row = next(line for line in PAGE.splitlines() if line.startswith(f"| {start}"))
    words = re.findall(r"'[^']*'|[^\s']+", row.split("`")[-2])
    return [word.strip("'") for word in words]


def run(*arguments):
    return main([*arguments, "--trainer.max_epochs=1", "--model.weights", "{energy: 1}"], MoleculeCLI)


@pytest.fixture
def frames(molecule_root, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    return read(molecule_root / "all.xyz", ":")


@pytest.fixture
def plain(molecule_arguments):
    """A command line of a folder."""
    return lambda folder, *more: molecule_arguments(
        f"--data.dataset.root_or_files={folder}", "--name=page", *more
    )


def test_the_code_runs(molecule_run, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "data").symlink_to(ROOT / "data")
    (tmp_path / "runs/molecules/xyz_folder").mkdir(parents=True)
    (tmp_path / "runs/molecules/xyz_folder/version_0").symlink_to(molecule_run["folder"])
    torch.manual_seed(0)
    names = {}
    for number, block in enumerate(BLOCKS):
        few = block.replace("fmax=0.01", "fmax=0.01, steps=2")  # a model of three epochs has no minimum
        exec(compile(few, f"molecules.md, block {number}", "exec"), names)
    assert len(BLOCKS) == PAGE.count("```python") > 3
    assert names["atoms"].get_forces().shape == (6, 3)
    assert max(names["errors"]["framed"].values()) < 1e-8 < 1e-4 < max(names["errors"]["bare"].values())
    assert all((tmp_path / f"{name}.png").stat().st_size > 1000 for name in ("benzene", "errors", "curves"))


def test_names_of_ones_own(frames, plain, tmp_path, monkeypatch, capsys):
    for atoms in frames:
        atoms.info["E_dft"], atoms.arrays["F_dft"] = atoms.get_potential_energy(), atoms.get_forces()
        atoms.calc = None
    write(tmp_path / "own.xyz", frames, format="extxyz")
    with pytest.raises(ValueError, match=r"targets=\{'energy': KEY\} reads it after another key"):
        run(*plain(tmp_path))
    monkeypatch.setattr("sys.argv", ["train", *map(str, plain(tmp_path))])
    with pytest.raises(SystemExit, match="2"):  # the script says no more than that
        main(make=MoleculeCLI)
    assert "error: " in capsys.readouterr().err
    assert run(*plain(tmp_path, *said("use other names")))["test_energy_mae_meV"] > 0


def test_a_table_beside_plain_files(frames, plain, tmp_path):
    rows = ["file,E_dft"]
    for number, atoms in enumerate(frames):
        rows.append(f"{number}.xyz,{float(atoms.get_potential_energy())!r}")
        write(tmp_path / f"{number}.xyz", atoms, format="xyz")
    (tmp_path / "my.csv").write_text("\n".join(rows) + "\n")
    assert run(*plain(tmp_path, *said("are plain")))["test_energy_mae_meV"] > 0


def test_a_network_of_ones_own(plain, molecule_root, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    lines = [
        "import torch",
        "class Net(torch.nn.Module):",
        "    def __init__(self, hidden: int):",
        "        super().__init__()",
        "        self.lines = torch.nn.Sequential(",
        "            torch.nn.Linear(3, hidden), torch.nn.SiLU(), torch.nn.Linear(hidden, 1))",
        "    def forward(self, pos, edge_index, batch, num_graphs):",
        "        i, j = edge_index",
        "        energy = self.lines(pos[i] - pos[j])[:, 0]",
        "        return energy.new_zeros(num_graphs).index_add(0, batch[i], energy)",
    ]
    (tmp_path / "my_net.py").write_text("\n".join(lines) + "\n")
    block = yaml.safe_load(re.search(r"^```yaml\n(.*?)^```", PAGE, re.M | re.S).group(1))
    settings = yaml.safe_load((ROOT / "configs/molecules/xyz_folder.yaml").read_text())
    settings["model"] |= block["model"]
    (tmp_path / "my.yaml").write_text(yaml.safe_dump(settings))
    small = ["--data.val=8", "--data.test=8", "--trainer.enable_progress_bar=false"]
    files = f"--data.dataset.root_or_files={molecule_root}"
    with pytest.raises(ValueError, match=r"my\.yaml: .*found 'my_net\.Net'"):
        run("--config", "my.yaml", files, *small)
    assert "--config my.yaml --trust my_net " in PAGE
    found = run("--config", "my.yaml", "--trust", "my_net", files, *small)
    assert found["test_energy_mae_meV"] > 0


def test_every_configuration_is_named():
    table = PAGE[PAGE.index("| configuration |") :].split("\n\n")[0]
    first = "".join(line.split("|")[1] for line in table.splitlines())
    names = {f"aspirin{name}" if name.startswith("_") else name for name in re.findall(r"`(\w+)`", first)}
    assert {path.stem for path in (ROOT / "configs/molecules").glob("*.yaml")} == names
