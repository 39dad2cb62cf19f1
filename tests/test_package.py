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
    light = {"cad", "checks", "files", "io", "loader", "moved", "neighbors", "progress", "workers"}
    assert rooms == light | {"datasets"}
    assert set(HEAVY).isdisjoint(loaded)


def test_rooms_are_there_once_they_are_named():
    code = "import sys, fa_pyg; print('fa_pyg.datasets' in sys.modules, fa_pyg.datasets.NBody.__name__)"
    assert python(code).split() == ["False", "NBody"]
    assert python("import fa_pyg; fa_pyg.testing.assert_frame, fa_pyg.models.FAGNN, fa_pyg.read_xyz") == ""
    with pytest.raises(AttributeError, match="no attribute 'dataset'"):
        _ = fa_pyg.dataset


def test_every_public_name_is_there_and_listed():
    names: dict[str, object] = {}
    exec("from fa_pyg import *", names)
    assert names.keys() - {"__builtins__"} == set(fa_pyg.__all__)
    assert {*fa_pyg.__all__, *fa_pyg.ROOMS} <= set(dir(fa_pyg))
    assert all(getattr(fa_pyg, name) is names[name] for name in fa_pyg.__all__)
    rooms = [getattr(fa_pyg, name).__name__ for name in fa_pyg.ROOMS]
    assert rooms == [f"fa_pyg.{name}" for name in fa_pyg.ROOMS]


def test_all_but_training_imports_without_the_extras():
    code = f"""
    import pkgutil, sys
    sys.modules.update(dict.fromkeys({HEAVY}))  # None: an import of it is an ImportError
    import fa_pyg
    for module in pkgutil.walk_packages(fa_pyg.__path__, "fa_pyg.", onerror=lambda name: None):
        if not module.name.startswith(("fa_pyg.train", "fa_pyg.config", "fa_pyg.potential")):
            __import__(module.name)
            print(module.name)
    """
    assert "fa_pyg.nn" in python(code).split()


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
    for name in ("fa_pyg", "tests"):  # the tests must stay out
        shutil.copytree(ROOT / name, source / name, ignore=shutil.ignore_patterns("__pycache__"))
    pip = [sys.executable, "-m", "pip", "wheel", "-q", "--no-deps", "--no-build-isolation", "-w", out, source]
    subprocess.run(pip, check=True, capture_output=True)
    return zipfile.ZipFile(next(out.glob("*.whl")))


def test_the_wheel_holds_every_module_and_nothing_else(wheel):
    modules = {str(path.relative_to(ROOT)) for path in (ROOT / "fa_pyg").rglob("*.py")}
    assert {name for name in wheel.namelist() if ".dist-info/" not in name} == modules


def test_the_wheel_has_the_version_and_the_extras(wheel):
    metadata = next(name for name in wheel.namelist() if name.endswith("METADATA"))
    lines = wheel.read(metadata).decode().splitlines()
    assert f"Version: {fa_pyg.__version__}" in lines
    assert {f"Provides-Extra: {extra}" for extra in ("scatter", "train", "dev", "bench")} <= set(lines)
    core = [line for line in lines if line.startswith("Requires-Dist") and "extra ==" not in line]
    assert [line.split()[1].split(">")[0] for line in core] == [
        "torch",
        "torch_geometric",
        "rdkit",
        "ase",
        "numpy",
        "pyyaml",
    ]
