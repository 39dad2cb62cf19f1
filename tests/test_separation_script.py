"""The separation benchmark as a user starts it."""

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]


def start(*arguments):
    """Runs the script on one thread and returns the finished process."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    command = [sys.executable, ROOT / "scripts/separate_graphs.py", *arguments]
    return subprocess.run(command, capture_output=True, text=True, env=environment, timeout=300)


def test_a_row_without_a_network_and_once_more(tmp_path):
    configs = [ROOT / f"configs/separation/{name}.yaml" for name in ("gin", "fa_gin_id_canonical")]
    small = ["--quick", "--data=exp-like", f"--root={tmp_path / 'data'}", f"--out={tmp_path}"]
    done = start("--config", *configs, *small)
    assert done.returncode == 0, done.stderr
    folder = tmp_path / "exp-like/quick"
    table = (folder / "table.md").read_text()
    assert table in done.stdout
    assert "| FA-GIN+ID (CanonicalFrame) | 0 | 100.00 % | 0 | 100.00 % |" in table
    assert {"results.csv", "table.md", "plot.png", "parts", "training"} == {p.name for p in folder.iterdir()}
    kept = {path: path.stat().st_mtime_ns for path in (folder / "parts").iterdir()}
    assert len(kept) == 6
    again = start("--config", *configs, *small)
    assert table in again.stdout
    assert kept == {path: path.stat().st_mtime_ns for path in (folder / "parts").iterdir()}


def test_what_is_wrong_is_said(tmp_path):
    done = start("--all", "--config", "configs/separation/gin.yaml")
    assert done.returncode == 2
    assert "--all, --config: expected one of them, found both" in done.stderr
