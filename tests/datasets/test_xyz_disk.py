"""An SQLite database of molecules: what went in comes out, and a kill costs at most one batch."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from torch_geometric.loader import DataLoader

from fa_pyg.datasets import XYZ, CovalentBonds, OnDiskXYZ, xyz_disk

TOTAL = 40


@pytest.fixture
def files(tmp_path):
    path = tmp_path / "in" / "a.xyz"
    path.parent.mkdir()
    path.write_text("".join(f"2\nE={i} n\nH 0 0 0\nH 0 0 {1 + 5 * (i % 2)}\n" for i in range(TOTAL)))
    return path


def is_even(data):
    return float(data.energy) % 4 != 2


def double(data):
    data.names = ["two", data.comment]
    return data


OPTIONS = {
    "edges": CovalentBonds(),
    "targets": {"energy": "E"},
    "pre_filter": is_even,
    "pre_transform": double,
}


@pytest.mark.parametrize("workers", [0, 2])
def test_equals_the_data_set_in_memory(files, tmp_path, monkeypatch, workers):
    monkeypatch.setattr(xyz_disk, "BATCH", 7)
    for _ in range(2):  # made, and found again
        dataset = OnDiskXYZ(tmp_path / "out", files, workers=workers, **OPTIONS)
        expected = XYZ(files, **OPTIONS)
        assert len(dataset) == len(expected) == 30
        for ours, theirs in zip(dataset, expected, strict=True):
            assert set(ours.keys()) == set(theirs.keys())
            for name, value in theirs:
                same = (
                    torch.equal(ours[name], value) if isinstance(value, torch.Tensor) else ours[name] == value
                )
                assert same, name
                assert not isinstance(value, torch.Tensor) or ours[name].dtype == value.dtype
    assert dataset[0].edge_index.shape == (2, 2)
    assert dataset[1].edge_index.shape == (2, 0)
    dataset[0].pos.add_(1)  # no memory of the database
    assert torch.equal(dataset[0].pos, expected[0].pos)


def test_in_batches_and_splits(files, tmp_path):
    options = {"splits": (10, 10, 20), **OPTIONS, "pre_filter": None}
    parts = [OnDiskXYZ(tmp_path / "out", files, split=split, **options) for split in ("train", "val", "test")]
    batches = [b for part in parts for b in DataLoader(part, batch_size=5, num_workers=2)]
    assert sorted(torch.cat([b.energy for b in batches]).tolist()) == list(range(TOTAL))


def test_other_files_are_another_database(files, tmp_path):
    assert len(OnDiskXYZ(tmp_path / "out", files)) == TOTAL
    files.write_text("1\n\nHe 0 0 0\n")
    assert len(OnDiskXYZ(tmp_path / "out", files)) == 1


def test_other_attributes_are_an_error(files, tmp_path):
    files.write_text(files.read_text() + "1\nProperties=species:S:1:pos:R:3 q=1\nH 0 0 0\n")
    with pytest.raises(
        ValueError, match=r"a\.xyz:161: found cell \['float32', \[-1, 3, 3\]\], expected None"
    ):
        OnDiskXYZ(tmp_path / "out", files)
    with pytest.raises(ValueError, match="pre_filter: found no structure"):
        OnDiskXYZ(tmp_path / "none", files, pre_filter=lambda data: False)


SCRIPT = """
import os, signal, sys
from fa_pyg.datasets import OnDiskXYZ, xyz_disk
xyz_disk.BATCH = 5
seen = []
def count(data):
    seen.append(data.source)
    if len(seen) == int(sys.argv[3]):
        os.kill(os.getpid(), signal.SIGKILL)
    return data
dataset = OnDiskXYZ(sys.argv[1], sys.argv[2], pre_transform=count)
print(len(dataset), len(seen), [d.pos[1, 2].item() for d in dataset] == [1 + 5 * (i % 2) for i in range(40)])
"""


def test_a_kill_loses_one_batch_at_most(files, tmp_path):
    run = [sys.executable, "-c", SCRIPT, str(tmp_path / "out"), str(files)]
    options = {
        "capture_output": True,
        "text": True,
        "cwd": Path(__file__).parents[2],
        "env": dict(os.environ),
    }
    assert subprocess.run([*run, "24"], **options).returncode == -signal.SIGKILL
    finished = subprocess.run([*run, "-1"], **options)
    assert finished.stdout.split() == ["40", "20", "True"], finished.stderr  # 20 of 23 were kept
