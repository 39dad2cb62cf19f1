"""An SQLite database of molecules: what went in comes out, and a kill costs at most one batch."""

import multiprocessing
import os
import pickle
import signal

import pytest
import torch
from torch_geometric.loader import DataLoader

from fa_pyg.datasets import XYZ, CovalentBonds, OnDiskXYZ, read_xyz, xyz_disk, xyz_lazy
from fa_pyg.io.xyz.common_attributes import CommonAttributes

TOTAL = 40


@pytest.fixture
def files(tmp_path):
    path = tmp_path / "in" / "a.xyz"
    path.parent.mkdir()
    path.write_text("".join(f"2\nE={i} n\nH 0 0 0\nH 0 0 {0.5 + 5 * (i % 2)}\n" for i in range(TOTAL)))
    return path


def equal(one, other):
    if isinstance(other, torch.Tensor):
        return one.dtype == other.dtype and torch.equal(one, other)
    return one == other


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
            assert all(equal(ours[name], value) for name, value in theirs)
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


def test_other_attributes_of_a_transform_are_an_error(files, tmp_path):
    def odd(data):
        return data.update({"q": torch.zeros(1)} if data.source.endswith(":157") else {})

    with pytest.raises(
        ValueError,
        match=r"a\.xyz:157: q: expected None .*, found \['float32', \[-1\]\]",
    ):
        OnDiskXYZ(tmp_path / "out", files, pre_transform=odd)
    with pytest.raises(ValueError, match=r"pre_filter: expected .*, found none"):
        OnDiskXYZ(tmp_path / "none", files, pre_filter=lambda data: False)


def made(path, out, limit, seen):
    """Makes the database in batches of 5, and is killed at that structure."""

    def count(data):
        seen.value += 1
        if seen.value == limit:
            os.kill(os.getpid(), signal.SIGKILL)
        return data

    xyz_disk.BATCH = 5
    OnDiskXYZ(out, path, pre_transform=count)


def test_a_kill_loses_one_batch_at_most(files, tmp_path):
    context, seen = multiprocessing.get_context("fork"), []
    for limit in (24, -1):
        seen.append(context.Value("i", 0))
        process = context.Process(target=made, args=(files, tmp_path / "out", limit, seen[-1]))
        process.start()
        process.join()
        assert process.exitcode == (-signal.SIGKILL if limit > 0 else 0)
    assert seen[1].value <= TOTAL - 20 + 1  # 20 of 24 were kept; the first is made once more for its names
    dataset = OnDiskXYZ(tmp_path / "out", files)
    assert [d.comment for d in dataset] == [d.comment for d in read_xyz(files)]


def test_what_goes_on_looks_through_the_files_once(files, tmp_path, monkeypatch):
    """Not each task of each worker: copies of the data set are made for them when they are sent."""
    looks = []
    monkeypatch.setattr(xyz_disk, "BATCH", 4)
    monkeypatch.setattr(
        xyz_lazy, "CommonAttributes", lambda *args: looks.append(args) or CommonAttributes(*args)
    )

    def in_order(function, tasks, make, workers):
        return ((place, function(task, pickle.loads(pickle.dumps(make)))) for place, task in tasks)

    monkeypatch.setattr(xyz_disk, "map_in_order", in_order)
    with pytest.raises(ZeroDivisionError):
        OnDiskXYZ(tmp_path / "root", files, pre_transform=fails_in_the_middle)
    looks.clear()
    assert len(OnDiskXYZ(tmp_path / "root", files)) == TOTAL
    assert len(looks) == 1


def fails_in_the_middle(data):
    return data if data.comment != f"E={TOTAL // 2} n" else 1 / 0


def test_a_table_that_has_changed_is_another_database(files, tmp_path):
    table = tmp_path / "table.csv"
    for factor in (1, 2):
        rows = "".join(f"{i},{factor * i}.5\n" for i in range(TOTAL))
        table.write_text(f"index,dipole\n{rows}")
        dataset = OnDiskXYZ(tmp_path / "out", files, table=table)
        assert [data.dipole.item() for data in dataset] == [factor * i + 0.5 for i in range(TOTAL)]
    with pytest.raises(AttributeError, match="dipole"):
        _ = OnDiskXYZ(tmp_path / "out", files)[0].dipole
