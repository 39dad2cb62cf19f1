"""What a user gets who installs the package: light imports, the right version, every module."""

import shutil
import subprocess
import sys
import textwrap
import zipfile
from pathlib import Path

import pytest

import fa_pyg

ROOT = Path(__file__).resolve().parents[1]
HEAVY = [
    "ase",
    "e3nn",
    "hypothesis",
    "jsonargparse",
    "lightning",
    "matplotlib",
    "pytest",
    "pytorch_lightning",
    "rdkit",
]
OPTIONAL = [
    "jsonargparse",
    "lightning",
    "matplotlib",
    "e3nn",
    "plotly",
    "tblite",
    "trimesh",
    "vesin",
    "wandb",
]


def python(code: str, **kwargs) -> str:
    """Runs code in a fresh process and returns what it prints."""
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code)], capture_output=True, text=True, cwd=ROOT, **kwargs
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_import_is_light():
    loaded = set(python("import sys, fa_pyg; print(*sys.modules)").split())
    assert "fa_pyg" in loaded
    assert {"torch", "torch_geometric", *HEAVY}.isdisjoint(loaded)
    loaded = set(python("import sys, fa_pyg; fa_pyg.FrameAveraging; print(*sys.modules)").split())
    assert {"fa_pyg.nn", "fa_pyg.builders", "torch"} <= loaded
    assert set(HEAVY).isdisjoint(loaded)


def test_data_sets_load_no_frames():
    loaded = python("import sys, fa_pyg.datasets; print(*sys.modules)").split()
    rooms = {name.split(".")[1] for name in loaded if name.startswith("fa_pyg.")}
    light = {
        "cad",
        "checks",
        "environment",
        "files",
        "io",
        "loader",
        "moved",
        "neighbors",
        "progress",
        "workers",
    }
    assert rooms == light | {"datasets"}
    assert set(HEAVY).isdisjoint(loaded)


def test_rooms_are_there_once_they_are_named():
    code = "import sys, fa_pyg; print('fa_pyg.datasets' in sys.modules, fa_pyg.datasets.NBody.__name__)"
    assert python(code).split() == ["False", "NBody"]
    assert python("import fa_pyg; fa_pyg.testing.assert_frame, fa_pyg.models.FAGNN, fa_pyg.read_xyz") == ""
    with pytest.raises(AttributeError, match="no attribute 'dataset'"):
        _ = fa_pyg.dataset


def test_every_room_is_an_attribute():
    folder = Path(fa_pyg.__file__).parent
    there = {path.name for path in folder.iterdir() if (path / "__init__.py").exists()}
    there |= {path.stem for path in folder.glob("[!_]*.py")}
    assert there - {"environment", "lazy", "moved", "options", "progress", "renamed", "typed"} == set(
        fa_pyg.ROOMS
    )


def test_a_room_without_its_extra_is_not_listed():
    code = "import importlib.util as u, fa_pyg; print('train' in dir(fa_pyg)); "
    code += "fa_pyg.find_spec = lambda name: None; print('train' in dir(fa_pyg), 'nn' in dir(fa_pyg))"
    assert python(code).split() == ["True", "False", "True"]


def test_every_public_name_is_there_and_listed():
    names: dict[str, object] = {}
    exec("from fa_pyg import *", names)
    assert names.keys() - {"__builtins__"} == set(fa_pyg.__all__)
    assert {*fa_pyg.__all__, *fa_pyg.ROOMS} <= set(dir(fa_pyg))
    assert {name for name in dir(fa_pyg) if name[0] != "_"} == {*fa_pyg.__all__, *fa_pyg.ROOMS}
    assert all(getattr(fa_pyg, name) is names[name] for name in fa_pyg.__all__)
    rooms = [getattr(fa_pyg, name).__name__ for name in fa_pyg.ROOMS]
    assert rooms == [f"fa_pyg.{name}" for name in fa_pyg.ROOMS]


def test_all_but_training_imports_without_the_extras():
    code = f"""
    import sys
    from pathlib import Path
    sys.modules.update(dict.fromkeys({[*HEAVY, *OPTIONAL]}))  # None: an import of it is an ImportError
    sys.argv = ["fa-pyg"]
    import fa_pyg
    root = Path(fa_pyg.__file__).parent
    for path in root.rglob("*.py"):
        name = ".".join(path.relative_to(root.parent).with_suffix("").parts).removesuffix(".__init__")
        try:
            __import__(name)
        except ImportError as error:
            print(name, error)
    """
    failed = python(code).splitlines()
    assert {line.split()[0] for line in failed if not line.startswith("fa_pyg.train")} == set()
    assert "fa_pyg.train.run" in {line.split()[0] for line in failed}
    hint = "fa_pyg.train: expected jsonargparse, found none; install it with pip install 'fa_pyg[train]'"
    assert all(line.endswith(hint) for line in failed)


@pytest.mark.parametrize(
    ("code", "extra"),
    [
        ("from fa_pyg.plot import plot_errors; plot_errors({'a': [1.0]})", "train"),
        ("from fa_pyg.io.points import read_points; read_points('a.ply')", "clouds"),
        ("from fa_pyg.models.irreps import import_o3; import_o3('a')", "chem"),
    ],
)
def test_a_function_names_the_extra_that_it_needs(code, extra):
    block = f"import sys; sys.modules.update(dict.fromkeys({OPTIONAL}))"
    done = subprocess.run(
        [sys.executable, "-c", f"{block}; {code}"], capture_output=True, text=True, cwd=ROOT
    )
    assert done.stderr.splitlines()[-1].endswith(f"install it with pip install 'fa_pyg[{extra}]'")


def test_a_torch_scatter_built_for_another_torch_does_no_harm(tmp_path):
    broken = tmp_path / "torch_scatter.py"
    broken.write_text("raise OSError('torch_scatter/_version_cpu.so: undefined symbol')\n")
    code = f"""
    import sys
    sys.path.insert(0, {str(tmp_path)!r})
    import torch
    from fa_pyg import PCAFrame
    print(PCAFrame("SO(3)")(torch.randn(5, 3)).rotation.shape[0])
    """
    assert python(code).strip() == "4"


@pytest.fixture(scope="module")
def wheel(tmp_path_factory) -> zipfile.ZipFile:
    """The wheel, built from a copy: a build folder of the checkout would lend it files that are gone."""
    source, out = tmp_path_factory.mktemp("source"), tmp_path_factory.mktemp("wheel")
    for name in ("setup.py", "pyproject.toml", "MANIFEST.in", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, source)
    for name in ("fa_pyg", "configs", "data/cad", "tests"):  # the tests must stay out
        shutil.copytree(ROOT / name, source / name, ignore=shutil.ignore_patterns("__pycache__"))
    pip = [sys.executable, "-m", "pip", "wheel", "-q", "--no-deps", "--no-build-isolation", "-w", out, source]
    subprocess.run(pip, check=True, capture_output=True)
    return zipfile.ZipFile(next(out.glob("*.whl")))


def test_the_wheel_holds_every_module_and_its_data_and_nothing_else(wheel):
    expected = {str(path.relative_to(ROOT)) for path in (ROOT / "fa_pyg").rglob("*.py")}
    expected |= {f"fa_pyg/{path.relative_to(ROOT)}" for path in (ROOT / "configs").rglob("*.yaml")}
    parts = [path for path in (ROOT / "data/cad").rglob("*") if path.is_file()]
    expected |= {f"fa_pyg/shipped_parts/{path.relative_to(ROOT / 'data/cad')}" for path in parts}
    found = {name for name in wheel.namelist() if ".dist-info/" not in name}
    assert found == expected | {"fa_pyg/py.typed"}


def test_the_wheel_has_the_version_and_the_extras(wheel):
    metadata = next(name for name in wheel.namelist() if name.endswith("METADATA"))
    lines = wheel.read(metadata).decode().splitlines()
    assert f"Version: {fa_pyg.__version__}" in lines
    assert {f"Provides-Extra: {extra}" for extra in ("scatter", "train", "dev", "bench")} <= set(lines)
    core = [line for line in lines if line.startswith("Requires-Dist") and "extra ==" not in line]
    assert len(core) == 8  # see test_dependencies.py
    assert "Home-page" not in "".join(lines)  # no host is known
    entries = next(name for name in wheel.namelist() if name.endswith("entry_points.txt"))
    assert "fa-pyg = fa_pyg.cli:main" in wheel.read(entries).decode()
