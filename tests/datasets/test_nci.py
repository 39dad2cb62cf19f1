"""NCIConformers, on a few small SMILES: the same numbers however it is built, and what fails is listed."""

import os
import re
import signal
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest
import torch

from fa_pyg.datasets import InMemoryLoader, NCIConformers
from fa_pyg.datasets.xtb import nci as _nci_build
from fa_pyg.datasets.xtb import pool as _xtb_pool

XTB = pytest.mark.usefixtures("tblite")
SMALL = ["CCO", "C=O", "CC#N", "CO", "OO", "NCC=O", "C1CC1", "CS", "O=C=O", "CF", "OCF", "C[NH3+]", "CN"]
ROOT = Path(__file__).parents[2]


@pytest.fixture
def few(monkeypatch):
    """Instead of RDKit's file, in parts of four."""
    monkeypatch.setattr(_nci_build, "PART", 4)

    def use(smiles):
        monkeypatch.setattr(_nci_build, "source", lambda: list(smiles))

    use(SMALL)
    return use


def build(root, *args, workers=1, **kwargs):
    return NCIConformers(str(root), *args, workers=workers, log=False, **kwargs)


def same(one, other):
    assert len(one) == len(other) > 0
    for a, b in zip(one, other, strict=True):
        assert a.smiles == b.smiles
        assert set(a.keys()) == set(b.keys())
        assert all(torch.equal(a[key], b[key]) for key in a.to_dict() if key != "smiles")


@XTB
def test_what_it_gives(few, tmp_path, dtype):
    dataset = build(tmp_path, dtype=dtype)
    assert sorted(data.smiles for data in dataset) == sorted(SMALL)
    for data in dataset:
        n = len(data.z)
        for key, shape in {"pos": (n, 3), "forces": (n, 3), "charges": (n,), "dipole": (1, 3)}.items():
            assert (data[key].dtype, data[key].shape) == (dtype, shape)
        assert data.quadrupole.shape == (1, 3, 3)
        assert (data.energy.dtype, data.atomization.dtype) == (torch.float64, dtype)
        assert data.energy.shape == data.atomization.shape == data.net_charge.shape == (1,)
        assert float(data.charges.sum()) == pytest.approx(int(data.net_charge), abs=1e-5)
        assert float(data.forces.sum(0).abs().max()) < 1e-4
        assert -60 < float(data.atomization) < -5
        assert SMALL[int(data.molecule)] == data.smiles
    assert {data.smiles: int(data.net_charge) for data in dataset}["C[NH3+]"] == 1
    loaded = next(iter(InMemoryLoader(dataset, batch_size=4, shuffle=False)))
    assert torch.equal(loaded.dipole, torch.cat([dataset[i].dipole for i in range(4)]))


@XTB
def test_workers_make_no_difference_but_the_seed_does(few, tmp_path):
    one, three = build(tmp_path / "1", workers=1), build(tmp_path / "3", workers=3)
    same(one, three)
    assert [data.smiles for data in build(tmp_path, seed=1)] != [data.smiles for data in one]


@XTB
def test_more_molecules_only_add(few, tmp_path):
    some = build(tmp_path, num_molecules=3)
    folder = tmp_path / "processed" / "nci_seed0_conformers1"
    assert sorted(path.name for path in folder.glob("*.pt")) == ["part0000.pt"]
    before = (folder / "part0000.pt").stat().st_mtime_ns
    everything = build(tmp_path)
    assert (folder / "part0000.pt").stat().st_mtime_ns == before
    assert (len(some), len(everything)) == (3, len(SMALL))
    same(some, everything[:3])
    same(build(tmp_path, num_molecules=3), some)
    with pytest.raises(ValueError, match=r"num_molecules: expected 13 or fewer.*, found 99"):
        build(tmp_path, num_molecules=99)


@XTB
def test_splits_hold_whole_molecules(few, tmp_path):
    parts = {split: build(tmp_path, split, conformers=2) for split in ("train", "val", "test", None)}
    kept = {split: {int(data.molecule) for data in part} for split, part in parts.items()}
    assert [len(kept[split]) for split in parts] == [11, 1, 1, 13]
    assert kept["train"] | kept["val"] | kept["test"] == kept[None]
    assert len(parts[None]) == 26
    first, second = parts["val"]
    assert not torch.allclose(first.pos, second.pos, atol=1e-3)
    with pytest.raises(ValueError, match="expected more: of the first 8 molecules none is in split 'val'"):
        build(tmp_path, "val", num_molecules=8, conformers=2)


@XTB
def test_failures_are_listed_and_the_rest_is_kept(few, tmp_path):
    bad = {"C1CC": "RDKit cannot read it", "C(C)(C)(C)(C)C": "AtomValenceException", "C*": "found [0]"}
    bad |= {"[Na+].[Cl-]": "several molecules", "[U]": "found [92]", "OCC": "as in line 0"}
    few([*SMALL[:3], *bad])
    dataset = build(tmp_path)
    assert sorted(data.smiles for data in dataset) == sorted(SMALL[:3])
    assert [(line, smiles) for line, smiles, _ in dataset.failures] == list(enumerate(bad, start=3))
    listed = (tmp_path / "processed" / "nci_seed0_conformers1" / "failures.txt").read_text()
    assert listed.startswith("# 6 failures; 3 molecules kept\n")
    for line, smiles, reason in dataset.failures:
        assert bad[smiles] in reason
        assert f"{line}\t{smiles}\t{reason}\n" in listed
    assert build(tmp_path).failures == dataset.failures


FAULTY = f"""
import os, runpy, sys, time
names = runpy.run_path({str(_xtb_pool.SCRIPT)!r})
good = names["TASKS"]["conformers"]

def conformers(smiles, **rest):
    if smiles == "CCO":
        os.kill(os.getpid(), 11)
    if smiles == "CO":
        time.sleep(60)
    mark = os.path.join(os.path.dirname(__file__), "once")
    if smiles == "C=O" and not os.path.exists(mark):
        open(mark, "w").close()
        os._exit(3)
    yield from good(smiles, **rest)

names["TASKS"]["conformers"] = conformers
names["serve"](names["TASKS"], names["versions"])
"""


@XTB
def test_crashes_and_endless_runs(few, tmp_path, monkeypatch):
    """What kills its process twice is left out; what did so once is not."""
    (tmp_path / "faulty.py").write_text(FAULTY)
    monkeypatch.setattr(_xtb_pool, "SCRIPT", tmp_path / "faulty.py")
    few(SMALL[:6])
    dataset = build(tmp_path, time_limit=6.0, workers=2)
    reasons = {smiles: reason for _, smiles, reason in dataset.failures}
    assert reasons == {"CCO": "the process died (signal 11)", "CO": "no answer within 6 s"}
    assert sorted(data.smiles for data in dataset) == sorted(set(SMALL[:6]) - {"CCO", "CO"})


CHAINS = ((left, middle, right) for left in range(1, 7) for middle in "ONS" for right in range(1, 7))
MANY = ["C" * left + middle + "C" * right + "F" for left, middle, right in CHAINS]
SCRIPT = f"""
from fa_pyg.datasets import NCIConformers
from fa_pyg.datasets.xtb import nci as _nci_build
_nci_build.PART, _nci_build.source = 4, lambda: {MANY!r}
NCIConformers("killed", workers=1, log=False)
"""


@XTB
@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="looks for processes in /proc")
def test_a_killed_build_goes_on(few, tmp_path, processes):
    env = os.environ | {"PYTHONPATH": str(ROOT)}
    process = subprocess.Popen([sys.executable, "-c", textwrap.dedent(SCRIPT)], cwd=tmp_path, env=env)
    folder = tmp_path / "killed" / "processed" / "nci_seed0_conformers1"
    processes.until(lambda: len(list(folder.glob("part*.pt"))) >= 2)
    workers = children(process.pid)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    done = {path: path.stat().st_mtime_ns for path in folder.glob("part*.pt")}
    few(MANY)
    count = 4 * len(done) + 2
    resumed, whole = (build(tmp_path / name, num_molecules=count) for name in ("killed", "whole"))
    same(resumed, whole)
    assert {path: path.stat().st_mtime_ns for path in done} == done
    assert len(workers) == 1
    processes.until(lambda: not any(Path(f"/proc/{pid}").exists() for pid in workers))


def children(pid):
    stats = [path.read_text() for path in Path("/proc").glob("[0-9]*/stat") if path.exists()]
    found = [re.match(r"(\d+) \(.*\) \S (\d+)", stat) for stat in stats]
    return [int(match[1]) for match in found if match and int(match[2]) == pid]


@XTB
def test_damaged_and_foreign_folders(few, tmp_path):
    build(tmp_path, num_molecules=2)
    folder = tmp_path / "processed" / "nci_seed0_conformers1"
    about = folder / "about.json"
    about.write_text(about.read_text().replace('"tblite": "', '"tblite": "0.'))
    assert len(build(tmp_path, num_molecules=2)) == 2
    with pytest.raises(ValueError, match="would not fit together"):
        build(tmp_path)
    assert len(build(tmp_path, force_reload=True)) == len(SMALL)
    whole, part = build(tmp_path), folder / "part0001.pt"
    (folder / "mine.txt").write_text("precious")
    for content in (b"PK", (folder / "part0000.pt").read_bytes()):
        part.write_bytes(content)
        with pytest.warns(UserWarning, match=r"part0001\.pt: expected .*, found .*made again"):
            same(build(tmp_path), whole)
    about.write_text("[]")
    with pytest.warns(UserWarning, match=r"about\.json: expected .*, found .*made again"):
        same(build(tmp_path), whole)
    assert (folder / "mine.txt").read_text() == "precious"


def test_without_tblite(few, tmp_path, monkeypatch):
    script = tmp_path / "missing.py"
    script.write_text("""print('{"error": "ModuleNotFoundError: No module named tblite"}'); input()\n""")
    monkeypatch.setattr(_xtb_pool, "SCRIPT", script)
    with pytest.raises(ImportError, match=r"NCIConformers: expected tblite.*fa_pyg\[chem\].*named tblite"):
        build(tmp_path)
    script.write_text("raise SystemExit(7)\n")
    with pytest.raises(
        RuntimeError, match=r"expected a worker that starts, found the process died \(exit code 7\)"
    ):
        build(tmp_path)


def test_the_smiles_of_rdkit():
    smiles = _nci_build.source()
    assert (len(smiles), smiles[0]) == (4999, "CC1=CC(=O)C=CC1=O")
    order, twins = _nci_build._order(0)
    assert len(order) + len(twins) == 4999
    assert sorted(line for line, *_ in [*order, *twins]) == list(range(4999))
    assert [line for line, _ in order] != sorted(line for line, _ in order)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"root": None}, "root: expected a path.*, found None"),
        ({"split": "valid"}, "split: expected .*, found 'valid'"),
        ({"num_molecules": 0}, "num_molecules: expected a positive integer or None, found 0"),
        ({"conformers": 0}, "conformers: expected a positive integer, found 0"),
        ({"conformers": 1.5}, "conformers: expected a positive integer, found 1.5"),
        ({"seed": -1}, "seed: expected an integer.*, found -1"),
        ({"dtype": torch.float16}, "dtype: expected torch.float32 or torch.float64.*, found torch.float16"),
        ({"workers": 0}, "workers: expected a positive integer or None, found 0"),
        ({"time_limit": float("nan")}, "time_limit: expected a positive number.*, found nan"),
    ],
)
def test_bad_arguments(arguments, message, tmp_path):
    with pytest.raises(ValueError, match=f"^{message}"):
        NCIConformers(**{"root": tmp_path, **arguments})
    assert list(tmp_path.iterdir()) == []
