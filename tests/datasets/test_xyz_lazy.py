"""Files larger than the memory: any structure at any time, an index that outlives kills."""

import gzip
import itertools
import multiprocessing
import os
import pickle
import signal
import time

import pytest
import torch
from torch_geometric.loader import DataLoader

from fa_pyg.datasets import XYZ, CovalentBonds, LazyXYZ, XYZStream, read_xyz
from fa_pyg.io.xyz.index import build, progress, scan
from fa_pyg.io.xyz.index.cache import Index

TOTAL = 60


def content(total=TOTAL):
    return "".join(
        f"{1 + i % 3}\nE={i}\n" + f"He 0 0 {i}\n" * (1 + i % 3) + "\n" * (i % 2) for i in range(total)
    )


@pytest.fixture
def path(tmp_path):
    path = tmp_path / "a.xyz"
    path.write_text(content())
    return path


def same(ours, theirs):
    assert len(ours) == len(theirs)
    for one, other in zip(ours, theirs, strict=True):
        assert one.to_dict().keys() == other.to_dict().keys()
        assert (one.source, one.comment) == (other.source, other.comment)
        assert torch.equal(one.pos, other.pos)
        assert torch.equal(one.z, other.z)


def test_equals_read_xyz(path, tmp_path):
    (tmp_path / "b.xyz").write_text(content(7).replace("\n", "\r\n"))
    (tmp_path / "c.xyz.gz").write_bytes(gzip.compress(content(9).encode()))
    options = {"targets": {"energy": "E"}, "dtype": torch.float64, "edges": CovalentBonds()}
    dataset, expected = LazyXYZ(tmp_path, **options), XYZ(tmp_path, **options)
    assert len(dataset) == TOTAL + 16
    same(dataset, expected)
    same(list(XYZStream(tmp_path, **options)), expected)
    assert [d.energy for d in dataset] == [d.energy for d in expected]
    assert dataset.num_atoms.tolist() == [d.num_nodes for d in expected]
    same(dataset[10:13], expected[10:13])
    assert len(XYZ(tmp_path)) == TOTAL + 16  # what is kept beside the files is not read as one


@pytest.mark.parametrize("workers", [0, 2])
def test_in_the_workers_of_a_loader(path, workers):
    for dataset in (LazyXYZ(path, targets=["E"]), XYZStream(path, targets=["E"])):
        batches = list(DataLoader(dataset, batch_size=8, num_workers=workers))
        assert sorted(torch.cat([b.E for b in batches]).tolist()) == list(range(TOTAL))


def test_errors_reach_the_one_who_loads(path):
    path.write_text(content() + "1\n\nHe 0 0 x\n")
    with pytest.raises(ValueError, match="found 'He 0 0 x'"):
        list(DataLoader(XYZStream(path), num_workers=2))


def test_bad_files_are_left_out(path, tmp_path):
    (tmp_path / "b.xyz").write_text(content() + "1\n\nHe 0 0 x\n")
    (tmp_path / "c.xyz").write_text("2\n\nHe 0 0 0\n")
    (tmp_path / "d.xyz").write_text(content(5))
    same(LazyXYZ(tmp_path, on_error="skip"), XYZ(tmp_path, on_error="skip"))
    for _ in range(2):
        errors = LazyXYZ(tmp_path, on_error="skip").errors
        assert list(map(str, errors)) == list(map(str, XYZ(tmp_path, on_error="skip").errors))
    stream = XYZStream(tmp_path, on_error="skip")
    assert len(list(stream)) == 2 * TOTAL + 5  # those before the error were handed out
    assert list(map(str, stream.errors)) == list(map(str, errors))
    with pytest.raises(ValueError, match=r"b\.xyz, line"):
        LazyXYZ(tmp_path)
    with pytest.raises(ValueError, match=r"c\.xyz, line 4"):
        LazyXYZ(tmp_path / "c.xyz", on_error="skip")


def test_the_index_is_used_again_until_the_file_changes(path, monkeypatch):
    same(LazyXYZ(path), read_xyz(path))
    monkeypatch.setattr(Index, "_build", lambda *_: pytest.fail("built again"))
    old = LazyXYZ(path)
    monkeypatch.undo()
    path.write_text(content(8))
    same(LazyXYZ(path), read_xyz(path))
    assert len(list(path.parent.glob(".fa_xyz*.rows"))) == 1
    with pytest.raises(ValueError, match=r"a\.xyz: expected .*, found a file that has changed"):
        old[3]
    path.write_text("broken")
    with pytest.raises(ValueError, match="found 'broken'"):
        LazyXYZ(path)


def test_another_reading_is_another_index(tmp_path):
    path = tmp_path / "a.xyz"
    path.write_text("1\n\nC 0 0 1e39\n")
    assert LazyXYZ(path, dtype=torch.float64)[0].pos[0, 2] == 1e39
    with pytest.raises(ValueError, match="finite coordinates"):
        LazyXYZ(path)
    with pytest.raises(ValueError, match="finite numbers for E"):
        LazyXYZ(path, targets=["E"], dtype=torch.float64)


def test_pickled(path):
    dataset = LazyXYZ(path)
    dataset[0]
    same(pickle.loads(pickle.dumps(dataset)), dataset)
    assert len(pickle.dumps(dataset)) < 20_000


def test_no_room_anywhere_is_an_error_that_names_the_folder(path, monkeypatch):
    def full(*args):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(progress, "write_checked_json", full)
    with (
        pytest.warns(UserWarning, match=r"the index cannot be stored .*No space left"),
        pytest.raises(OSError, match=r"fa_xyz.*: expected a folder .* found .*No space left"),
    ):
        LazyXYZ(path)


def test_a_folder_that_cannot_be_written_to(path, monkeypatch):
    def refuse(file, *more, **options):
        if str(file).startswith(f"{path.parent}/.fa_xyz"):
            raise PermissionError(13, "Permission denied")
        return real(file, *more, **options)

    real = os.open
    monkeypatch.setattr(os, "open", refuse)
    with pytest.warns(UserWarning, match="the index cannot be stored"):
        dataset = LazyXYZ(path)
    same(dataset, read_xyz(path))


def test_no_file_is_made_for_what_is_missing(tmp_path):
    with pytest.raises(ValueError, match=r"none\.xyz: expected .*, found no such file"):
        LazyXYZ(tmp_path / "none.xyz")


# -- kills


def opened(path, steps, parts):
    """Opens the files, in parts of 200 bytes, and is killed at that write to the disk or change of a name."""

    def counted(function):
        def step(*args):
            steps.value -= 1
            if steps.value == 0:
                os.kill(os.getpid(), signal.SIGKILL)
            return function(*args)

        return step

    def follow(part, reading):
        parts.value += 1
        return scan.follow(part, reading)

    build.Builder.__init__.__defaults__ = (False, 0, 200)
    progress.EVERY, build.follow = 0, follow
    os.fsync, os.replace = counted(os.fsync), counted(os.replace)
    LazyXYZ(path)


def run(path, step):
    """Whether it was killed, and how many parts it read."""
    context = multiprocessing.get_context("fork")
    parts = context.Value("i", 0)
    process = context.Process(target=opened, args=(path, context.Value("i", step), parts))
    process.start()
    process.join()
    assert process.exitcode in (0, -signal.SIGKILL)
    return process.exitcode != 0, parts.value


def test_a_kill_at_any_step_loses_nothing(path):
    """At the first write to the disk, the second, and so on; and again as much later in what is left."""
    path.write_text(content(24))
    _, total = run(path, -1)
    assert total > 2
    for again in (1, 2):
        for step in itertools.count(1):
            for file in path.parent.glob(".fa_xyz*"):
                file.unlink()
            killed = [run(path, step)[0] for _ in range(again)]
            same(LazyXYZ(path), read_xyz(path))
            if not killed[0]:
                break
    assert step > 10


def test_what_was_done_is_not_done_again(path):
    _, total = run(path, -1)
    for file in path.parent.glob(".fa_xyz*"):
        file.unlink()
    killed, before = run(path, 12)  # three steps a part: the rows, the state, its name
    finished, after = run(path, -1)
    assert (killed, finished) == (True, False)
    assert before + after <= total + 2
    same(LazyXYZ(path), read_xyz(path))


def test_a_torn_state_is_not_believed(path):
    LazyXYZ(path)
    (state,) = path.parent.glob(".fa_xyz*.json")
    (rows,) = path.parent.glob(".fa_xyz*.rows")
    whole = state.read_text(), rows.read_bytes()
    for broken in ("", whole[0][:20], "[]", "{}", '{"rows": 5}'):
        state.write_text(broken)
        with pytest.warns(UserWarning, match=f"{state.name}: expected .*, found .*made again"):
            same(LazyXYZ(path), read_xyz(path))
    rows.write_bytes(whole[1][:100])
    with pytest.warns(UserWarning, match=f"{rows.name}: expected .*, found .*made again"):
        same(LazyXYZ(path), read_xyz(path))
    rows.unlink()
    with pytest.warns(UserWarning, match=f"{rows.name}: expected .*, found .*made again"):
        same(LazyXYZ(path), read_xyz(path))


def test_processes_wait_for_one_another(path):
    path.write_text(content(2000))
    context = multiprocessing.get_context("fork")
    processes = [context.Process(target=LazyXYZ, args=(path,)) for _ in range(4)]
    for process in processes:
        process.start()
    for process in processes:
        process.join(60)
        assert process.exitcode == 0
    same(LazyXYZ(path), read_xyz(path))


def test_a_worker_that_dies_is_an_error(path, monkeypatch):
    monkeypatch.setattr(build, "follow", lambda part, reading: os.kill(os.getpid(), signal.SIGKILL))
    start = time.monotonic()
    with pytest.raises(RuntimeError, match="terminated abruptly"):
        LazyXYZ(path, workers=2)
    assert time.monotonic() - start < 60
    monkeypatch.undo()
    same(LazyXYZ(path, workers=2), read_xyz(path))
