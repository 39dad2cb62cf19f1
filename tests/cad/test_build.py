"""The parallel build: balance, failures, time limits, resumption; a worker without a kernel stands in."""

import json
import os
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import numpy as np
import pytest

from fa_pyg.cad import build
from fa_pyg.cad.build import build_parts

ROOT = Path(__file__).resolve().parents[2]
# Families of the fake worker: "ends" has two parts, "fails", "hangs" and "crashes" have none.
FAKE = """
import os, sys, time
sys.path[0] = {root!r}
import numpy as np
from fa_pyg.workers.serve import serve

def part(family, index, points, path):
    with open({log!r}, "a") as file:
        print(family, index, file=file)
    if family == "ends" and index == 2:
        yield {{"none": True}}
        return
    if family == "fails":
        raise ValueError("no such part")
    if family == "hangs":
        time.sleep(60)
    if family == "crashes":
        os._exit(3)
    time.sleep({pause})
    pos = np.full((points, 3), index, np.float32)
    np.savez(path, pos=pos, normal=pos, surface=np.zeros(points, np.uint8))
    same = family == "twins"
    area = 1.0 if same else float(index)
    yield {{"parameters": {{"index": index}}, "faces": 6, "area": area, "volume": 1.0, "size": [1, 1, 1]}}

serve({{"part": part}}, lambda: {{"kernel": "none"}})
"""


@pytest.fixture
def fake(tmp_path, monkeypatch):
    """Returns what puts a worker in place of that with the kernel, and reads the requests that it got."""

    def use(*families, pause=0.0):
        log, script = tmp_path / "log", tmp_path / "fake.py"
        script.write_text(textwrap.dedent(FAKE.format(root=str(ROOT), log=str(log), pause=pause)))
        monkeypatch.setattr(build, "SCRIPT", script)
        monkeypatch.setattr(build, "load_families", lambda: dict.fromkeys(families))
        return lambda: log.read_text().splitlines() if log.exists() else []

    return use


def names(index):
    return [one["name"] for one in index["parts"]]


@pytest.mark.parametrize("jobs", [1, 2])
def test_parts_are_balanced_over_families(fake, tmp_path, jobs):
    fake("a", "ends", "b")
    index = build_parts(tmp_path / "parts", 9, points=5, jobs=jobs, progress=False)
    assert names(index) == ["a-0", "a-1", "a-2", "a-3", "b-0", "b-1", "b-2", "ends-0", "ends-1"]
    assert index == {
        k: v for k, v in json.loads((tmp_path / "parts/index.json").read_text()).items() if k != "sha256"
    }
    with np.load(tmp_path / "parts/b/00002.npz", allow_pickle=False) as file:
        assert (file["pos"] == 2).all()
        assert file["pos"].shape == (5, 3)


def test_bad_parts_are_listed_and_left_out(fake, tmp_path):
    fake("a", "fails", "hangs", "crashes", "twins")
    index = build_parts(tmp_path / "parts", 4, points=5, seconds=1.0, progress=False)
    assert names(index) == ["a-0", "a-1", "a-2", "twins-0"]
    reasons = {one["name"]: one["error"] for one in index["failed"]}
    assert reasons["fails-0"] == "no such part"
    assert "no answer within 1 s" in reasons["hangs-0"]
    assert "exit code 3" in reasons["crashes-0"]
    assert "of the same family, area, volume and size" in reasons["twins-1"]
    assert not (tmp_path / "parts/twins/00001.npz").exists()
    fake("a", "fails", "hangs", "crashes", "twins", pause=0.01)
    again = build_parts(tmp_path / "parts", 5, points=5, families=["fails", "a"], retry=True, progress=False)
    assert names(again) == ["a-0", "a-1", "a-2", "a-3", "twins-0"]
    assert [one["name"] for one in again["failed"]] == [f"fails-{k}" for k in range(4)]


def test_a_build_ends_where_nothing_can_be_built(fake, tmp_path):
    asked = fake("fails", "ends")
    index = build_parts(tmp_path / "parts", 9, points=5, progress=False)
    assert names(index) == ["ends-0", "ends-1"]
    assert len(asked()) == build.HOPELESS + 3


def test_more_parts_are_added_to_those_that_exist(fake, tmp_path):
    asked = fake("a", "b", "fails")
    build_parts(tmp_path / "parts", 4, points=5, progress=False)
    before = asked()
    index = build_parts(tmp_path / "parts", 6, points=5, progress=False)
    assert len(index["parts"]) == 6
    assert len({*asked()}) == len(asked()) > len(before)  # none again, not even what failed
    build_parts(tmp_path / "parts", 6, points=5, progress=False)
    whole = build_parts(tmp_path / "other", 6, points=5, progress=False)
    assert whole["parts"] == index["parts"]


def test_a_killed_build_continues(fake, tmp_path):
    asked = fake("a", "b", pause=0.05)
    code = f"""
    from pathlib import Path
    from fa_pyg.cad import build
    build.SCRIPT = Path({str(tmp_path / "fake.py")!r})
    build.load_families = lambda: dict.fromkeys("ab")
    build.build_parts({str(tmp_path / "parts")!r}, 1000, points=5, progress=False)
    """
    env = os.environ | {"PYTHONPATH": str(ROOT)}
    process = subprocess.Popen([sys.executable, "-c", textwrap.dedent(code)], env=env)
    end = time.monotonic() + 60
    while len(asked()) < 7 and time.monotonic() < end:
        time.sleep(0.02)
    process.send_signal(signal.SIGKILL)
    process.wait()
    killed = len(asked())
    assert killed >= 7
    index = build_parts(tmp_path / "parts", killed + 4, points=5, progress=False)
    assert len(set(names(index))) == len(index["parts"]) == killed + 4
    assert len(asked()) <= killed + 4 + 2  # the wave that was cut short
    assert len(list((tmp_path / "parts").rglob("*.npz"))) == killed + 4


def test_other_points_need_another_folder(fake, tmp_path):
    fake("a")
    build_parts(tmp_path / "parts", 1, points=5, progress=False)
    with pytest.raises(ValueError, match=r"index.json: expected parts of 6 points .*found 5"):
        build_parts(tmp_path / "parts", 1, points=6, progress=False)


def test_one_build_at_a_time(fake, tmp_path):
    from fa_pyg.files.lock import locked

    fake("a")
    (tmp_path / "parts").mkdir()
    with locked(tmp_path / "parts/build.lock"), pytest.raises(TimeoutError, match=r"build.lock"):
        build_parts(tmp_path / "parts", 1, progress=False)


@pytest.mark.parametrize(
    ("wrong", "name"),
    [
        ({"parts": 0}, "parts"),
        ({"jobs": 0}, "jobs"),
        ({"seconds": 0}, "seconds"),
        ({"families": ["x"]}, "families"),
    ],
)
def test_wrong_arguments(tmp_path, wrong, name):
    with pytest.raises(ValueError, match=f"^{name}: expected"):
        build_parts(tmp_path / "parts", **wrong)
    assert not (tmp_path / "parts").exists()


def test_progress_is_a_line_a_wave(fake, tmp_path, capsys):
    fake("a", "b")
    build_parts(tmp_path / "parts", 4, points=5)
    assert "4/4 parts, 0 failed" in capsys.readouterr().err


def test_the_builder_loads_no_torch():
    code = "import sys, fa_pyg.cad.build, fa_pyg.cad.sampling; print(*sys.modules)"
    loaded = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, check=True
    )
    assert {"torch", "torch_geometric", "build123d", "OCP"}.isdisjoint(loaded.stdout.split())


def test_real_parts(tmp_path):
    pytest.importorskip("build123d")
    index = build_parts(tmp_path, 2, points=64, families=["hex_nut", "lever"], progress=False)
    assert names(index) == ["hex_nut-0", "lever-0"]
    with np.load(tmp_path / "hex_nut/00000.npz", allow_pickle=False) as file:
        assert [file[key].dtype.str for key in ("pos", "normal", "surface")] == ["<f4", "<f4", "|u1"]
        assert np.abs(np.linalg.norm(file["normal"], axis=1) - 1).max() < 1e-6


def test_without_the_kernel(tmp_path):
    try:
        import build123d  # noqa: F401
    except ImportError:
        with pytest.raises(ImportError, match=r"expected build123d and bd_warehouse .*found .*No module"):
            build_parts(tmp_path, 1, progress=False)
