"""Caches of XYZ files that were damaged, exchanged or planted: named and made again, never believed."""

import gzip
import json
import multiprocessing
import os
import random
import shutil
import sqlite3
import threading
import warnings
from contextlib import closing

import pytest
import torch

from fa_pyg.datasets import LazyXYZ, OnDiskXYZ, read_xyz
from fa_pyg.files.checked_json import DamagedFile, read_checked_json, write_checked_json

TOTAL = 12


def content(first=0, total=TOTAL):
    return "".join(f"2\nE={i}\nHe 0 0 {i}.25\nNe {i} 0 1\n" for i in range(first, first + total))


def cut_off(data):
    return [data[: len(data) * part // 4] for part in range(4)]


def flipped(data):
    """One bit each, from the beginning to the end."""
    places = range(0, len(data), max(1, len(data) // 12))
    places = [*places, *range(len(data) - 500, len(data), 50)] if len(data) > 5000 else places
    return [data[:i] + bytes([data[i] ^ 1 << i % 8]) + data[i + 1 :] for i in places]


def foreign(data):
    texts = (b"[]", b"{}", b"null", b"[" * 100_000, b'{"done": true}', b"\xff\xfe", b"SQLite format 3\0")
    return [*texts, random.Random(0).randbytes(len(data)), data + b"x" if data[:1] == b"{" else data[::-1]]


def lazy(folder, **options):
    return LazyXYZ(folder / "a.xyz.gz", **options)


def disk(folder, **options):
    return OnDiskXYZ(folder / "out", folder / "a.xyz.gz", **options)


MAKERS = {"lazy": lazy, "disk": disk}
FILES = {
    "lazy": (".fa_xyz*.json", ".fa_xyz*.rows", ".fa_xyz*.text"),
    "disk": (f"out/processed/molecules{end}" for end in ("*.json", "*.db")),
}
CASES = [(kind, pattern) for kind, patterns in FILES.items() for pattern in patterns]


def new(folder, first=0, total=TOTAL):
    folder.mkdir(exist_ok=True)
    (folder / "a.xyz.gz").write_bytes(gzip.compress(content(first, total).encode(), mtime=0))
    return folder


def one(folder, pattern):
    (path,) = folder.glob(pattern)
    return path


def check(kind, folder):
    """All structures are right."""
    expected = read_xyz(folder / "a.xyz.gz")
    found = list(MAKERS[kind](folder))
    assert len(found) == len(expected)
    for ours, theirs in zip(found, expected, strict=True):
        assert ours.comment == theirs.comment
        assert ours.pos.dtype == theirs.pos.dtype
        assert torch.equal(ours.pos, theirs.pos)
        assert torch.equal(ours.z, theirs.z)


@pytest.mark.parametrize(("kind", "pattern"), CASES)
@pytest.mark.parametrize("damage", [cut_off, flipped, foreign])
def test_damage_is_named_and_mended(tmp_path, kind, pattern, damage):
    folder = new(tmp_path / "a")
    check(kind, folder)
    path = one(folder, pattern)
    whole = path.read_bytes()
    seen = []
    for data in damage(whole):
        path.write_bytes(data)
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            check(kind, folder)
        seen.append(bool(caught))
        assert all(path.name[:-3] in str(one.message) and "made again" in str(one.message) for one in caught)
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            check(kind, folder)  # mended
    unused = damage is flipped and path.suffix == ".db"  # much of a small database is
    assert any(seen) if unused else all(seen)


@pytest.mark.parametrize(("kind", "pattern"), CASES)
def test_another_cache_in_its_place(tmp_path, kind, pattern):
    """Of as many structures, and of fewer: the times of the file are copied with it."""
    folder = new(tmp_path / "a")
    check(kind, folder)
    path = one(folder, pattern)
    for number, (first, total) in enumerate([(50, TOTAL), (0, 3)]):
        other = new(tmp_path / f"other{number}", first, total)
        check(kind, other)
        shutil.copy2(one(other, pattern), path)
        with pytest.warns(UserWarning, match=f"{path.stem}.*made again"):
            check(kind, folder)


def test_all_files_of_another_database(tmp_path):
    folder, other = new(tmp_path / "a"), new(tmp_path / "b", 50)
    check("disk", folder)
    check("disk", other)
    for pattern in ("out/processed/molecules*.json", "out/processed/molecules*.db"):
        shutil.copy2(one(other, pattern), one(folder, pattern))
    with pytest.warns(UserWarning, match="made again"):
        check("disk", folder)


@pytest.mark.parametrize(("kind", "pattern"), CASES)
def test_a_file_that_is_missing(tmp_path, kind, pattern):
    folder = new(tmp_path / "a")
    check(kind, folder)
    one(folder, pattern).unlink()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        check(kind, folder)


@pytest.mark.parametrize(("kind", "pattern"), CASES)
def test_a_link_in_its_place_leads_to_no_harm(tmp_path, kind, pattern):
    folder = new(tmp_path / "a")
    check(kind, folder)
    path = one(folder, pattern)
    for hard in (False, True):
        victim = tmp_path / f"victim{hard}"
        victim.write_bytes(b"precious " * 1000)
        path.unlink()
        os.link(victim, path) if hard else path.symlink_to(victim)
        with pytest.warns(UserWarning, match=path.name):
            check(kind, folder)
        assert victim.read_bytes() == b"precious " * 1000
        assert not path.is_symlink()
    path.unlink()
    path.symlink_to(tmp_path / "nowhere")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        check(kind, folder)
    assert not (tmp_path / "nowhere").exists()


def test_links_planted_before_the_first_build(tmp_path):
    """A stranger who may write to the folder knows all names."""
    folder = new(tmp_path / "a")
    check("lazy", folder)
    victim = tmp_path / "victim"
    names = [path.name for path in folder.glob(".fa_xyz*") if path.suffix != ".lock"]
    assert len(names) == 3
    victim.write_text("precious")
    for name in names:
        (folder / name).unlink()
        (folder / name).symlink_to(victim)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        check("lazy", folder)
    assert victim.read_text() == "precious"


def test_a_planted_lock_is_not_followed(tmp_path):
    folder, victim = new(tmp_path / "a"), tmp_path / "victim"
    check("lazy", folder)
    lock = one(folder, ".fa_xyz*.lock")
    lock.unlink()
    lock.symlink_to(victim)
    with pytest.warns(UserWarning, match=rf"the index cannot be stored \(.*{lock.name}: .*symbolic links"):
        check("lazy", folder)
    assert not victim.exists()
    check("disk", folder)
    lock = folder / "out" / "processed" / "molecules.lock"
    lock.unlink()
    lock.symlink_to(victim)
    with pytest.raises(ValueError, match=rf"root: expected a folder.*{lock.name}"):
        disk(folder)
    assert not victim.exists()


@pytest.mark.parametrize(("kind", "pattern"), CASES)
def test_a_folder_in_its_place_stays(tmp_path, kind, pattern):
    """Without the place an index is kept elsewhere; a database says what is in its way."""
    folder = new(tmp_path / "a")
    check(kind, folder)
    path = one(folder, pattern)
    path.unlink()
    path.mkdir()
    (path / "mine").write_text("precious")
    with warnings.catch_warnings(record=True) as seen:
        warnings.simplefilter("always")
        if kind == "lazy":
            check(kind, folder)
            assert any(path.name in str(one.message) for one in seen)
        else:
            with pytest.raises(ValueError, match=path.name):
                check(kind, folder)
    assert (path / "mine").read_text() == "precious"


def test_files_of_users_in_the_folder_stay(tmp_path):
    folder = new(tmp_path / "a")
    check("lazy", folder)
    old = {path.name for path in folder.glob(".fa_xyz*") if path.suffix in (".rows", ".json", ".text")}
    base = one(folder, ".fa_xyz*.rows").name.removesuffix(".rows")
    mine = {f"{base.rpartition('-')[0]}-notes.txt", "a.tmp", ".a.tmp", "a.xyz.lock"}
    for name in mine:
        (folder / name).write_text(name)
    new(folder, 30)
    check("lazy", folder)
    assert all((folder / name).read_text() == name for name in mine)
    assert not old & set(os.listdir(folder))  # those of the old content are removed


def test_a_database_of_somebody_else_is_not_written_to(tmp_path):
    folder, victim = new(tmp_path / "a"), tmp_path / "mine.db"
    check("disk", folder)
    with closing(sqlite3.connect(victim)) as database, database:
        database.execute("CREATE TABLE precious (x)")
    before = victim.read_bytes()
    path = one(folder, "out/processed/molecules*.db")
    path.unlink()
    os.link(victim, path)
    with pytest.warns(UserWarning, match=rf"{path.name}.*without a table structures.*made again"):
        check("disk", folder)
    assert victim.read_bytes() == before


def test_a_database_that_is_in_use_is_not_made_again(tmp_path, monkeypatch):
    folder = new(tmp_path / "a")
    check("disk", folder)
    path = one(folder, "out/processed/molecules*.db")
    connect = sqlite3.connect
    monkeypatch.setattr(sqlite3, "connect", lambda *args, **options: connect(*args, timeout=0.1, **options))
    with closing(connect(path, isolation_level=None)) as other:
        other.execute("BEGIN EXCLUSIVE")
        with pytest.raises(
            TimeoutError, match=rf"{path.name}: expected a database to write, found it locked"
        ):
            check("disk", folder)
        other.execute("ROLLBACK")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        check("disk", folder)


def test_an_error_in_the_middle_leaves_what_is_done_and_no_lock(tmp_path, monkeypatch):
    monkeypatch.setattr("fa_pyg.datasets.xyz_disk.BATCH", 4)
    folder, seen = new(tmp_path / "a"), []

    def fail(data):
        seen.append(data.comment)
        if data.comment == "E=9":
            raise RuntimeError("no")
        return data

    with pytest.raises(RuntimeError, match="no") as kept:  # the traceback holds the data set
        disk(folder, pre_transform=fail)
    check("disk", folder)
    assert kept.value is not None
    seen.clear()
    dataset = disk(folder, pre_transform=fail)
    assert (len(dataset), seen) == (TOTAL, [])


# -- what the state says


def test_an_empty_database_that_is_called_done(tmp_path):
    folder = new(tmp_path / "a")
    check("disk", folder)
    path = one(folder, "out/processed/molecules*.db")
    with sqlite3.connect(path) as database:
        database.execute("DELETE FROM structures")
    database.close()
    with pytest.warns(UserWarning, match=rf"{path.name}.*0 structures instead of {TOTAL}"):
        check("disk", folder)
    path.unlink()
    path.touch()
    with pytest.warns(UserWarning, match=path.name):
        check("disk", folder)


@pytest.mark.parametrize("sealed", [False, True])
@pytest.mark.parametrize(
    "change",
    [
        lambda found: found["layout"].update(pos=["float64", [-1, 3]]),
        lambda found: found["layout"].update(pos=["int32", [-1, 3]]),
        lambda found: found["layout"].update(pos=["float32", [-1, 1]]),
        lambda found: found["layout"].update(charge=["float32", [-1]]),
        lambda found: found["layout"].pop("z"),
        lambda found: found.update(layout={}),
        lambda found: found.update(rows=TOTAL - 1),
        lambda found: found.update(rows=None),
        lambda found: found.update(version=1),
    ],
)
def test_another_layout(tmp_path, change, sealed):
    """Also of one who knows how it is sealed: the rows have to agree."""
    folder = new(tmp_path / "a")
    check("disk", folder)
    path = one(folder, "out/processed/molecules*.json")
    found = read_checked_json(path) if sealed else json.loads(path.read_text())
    change(found)
    write_checked_json(path, {**found, "stamp": None}) if sealed else path.write_text(json.dumps(found))
    with pytest.warns(UserWarning, match=rf"{path.stem}.*made again"):
        check("disk", folder)


def test_damage_behind_an_unchanged_time_is_an_error_and_then_mended(tmp_path):
    folder = new(tmp_path / "a")
    dataset = disk(folder)
    path = one(folder, "out/processed/molecules*.db")
    status, data = path.stat(), path.read_bytes()
    row = torch.tensor([0, 0, 7.25]).numpy().tobytes()
    assert data.count(row) == 1
    path.write_bytes(data.replace(row, torch.tensor([0, 0, 9.25]).numpy().tobytes()))
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))
    dataset = disk(folder)
    for read in (lambda: dataset[7], lambda: dataset.__getitems__([1, 7]), lambda: list(dataset)):
        with pytest.raises(ValueError, match=rf"{path.name}: expected .*, found damage .*structure 7"):
            read()
    assert dataset[6].pos[0, 2] == 6.25
    with pytest.warns(UserWarning, match=rf"{path.name}.*structure 7.*made again"):
        check("disk", folder)


def test_a_copy_without_its_times_is_read_once_and_believed(tmp_path, monkeypatch):
    folder = new(tmp_path / "a")
    check("disk", folder)
    os.utime(one(folder, "out/processed/molecules*.db"), (1, 1))
    monkeypatch.setattr(OnDiskXYZ, "_fill", lambda *_: pytest.fail("made again"))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        check("disk", folder)
        check("disk", folder)


# -- names


HOSTILE = (
    *(
        "E-dft",
        "my key",
        "a.b",
        "select",
        "1st",
        "%s",
        "?",
        "x;--",
        "a'b",
        "é",
        "COL_pos",
        "id",
        "crc32",
        "c0",
        "place",
    ),
    *(
        'x"; DROP TABLE structures; --',
        "x) ; DROP TABLE structures; --",
        "Energy",
        "energy",
        "ENERGY",
        "\udcff",
        "",
    ),
)


def add(data):
    for number, name in enumerate(HOSTILE):
        data[name] = torch.tensor([float(data.comment[2:]) + number]) if number % 2 else [name, number]
    return data


@pytest.mark.parametrize("workers", [0, 2])
def test_names_of_all_kinds(tmp_path, workers):
    folder = new(tmp_path / "a")
    for _ in range(2):
        dataset = disk(folder, pre_transform=add, workers=workers)
        assert len(dataset) == TOTAL
        for i, data in enumerate(dataset):
            for number, name in enumerate(HOSTILE):
                assert data[name] == (torch.tensor([float(i + number)]) if number % 2 else [name, number])
    assert torch.equal(dataset.multi_get([3, 5])[1].pos, read_xyz(folder / "a.xyz.gz")[5].pos)


def test_names_from_a_header(tmp_path):
    keys = 'E-dft=1 "my key"=2 Energy_x=3 energy_X=4 select=5 order=6'
    text = "".join(f"1\nProperties=species:S:1:pos:R:3 {keys} e_={i}\nHe 0 0 {i}\n" for i in range(3))
    (tmp_path / "a.xyz").write_text(text)
    expected = read_xyz(tmp_path / "a.xyz")
    found = list(OnDiskXYZ(tmp_path / "out", tmp_path / "a.xyz"))
    for ours, theirs in zip(found, expected, strict=True):
        assert set(ours.keys()) == set(theirs.keys())
        for name, value in theirs:
            assert torch.equal(ours[name], value) if isinstance(value, torch.Tensor) else ours[name] == value


class Select(OnDiskXYZ):
    """Called like a word of SQL."""


def test_a_class_of_any_name(tmp_path):
    folder = new(tmp_path / "a")
    assert len(Select(folder / "out", folder / "a.xyz.gz")) == TOTAL
    assert len(disk(folder)) == TOTAL


@pytest.mark.parametrize("name", ["", ".", "..", "../out", "a/b", "a\0b", "x" * 101, 3, None])
def test_names_of_databases(tmp_path, name):
    with pytest.raises(ValueError, match="name: expected a file name"):
        disk(new(tmp_path / "a"), name=name)


@pytest.mark.parametrize("name", ["my data", "a'b", 'a"b', "é", "%", "?mode=ro", "file:x", "-", "a.b"])
def test_odd_names_of_databases(tmp_path, name):
    folder = new(tmp_path / "a")
    for _ in range(2):
        assert len(disk(folder, name=name)) == TOTAL


@pytest.mark.parametrize(
    "value", [torch.zeros(1, dtype=torch.bfloat16), torch.eye(2).to_sparse(), {1, 2}, object(), 1j, float]
)
def test_what_cannot_be_stored_is_named(tmp_path, value):
    def put(data):
        data.odd = value
        return data

    with pytest.raises(ValueError, match=r"a\.xyz\.gz:1: odd: expected a CPU tensor"):
        disk(new(tmp_path / "a"), pre_transform=put)


def test_too_many_attributes(tmp_path):
    def put(data):
        for number in range(2000):
            data[f"k{number}"] = number
        return data

    with pytest.raises(ValueError, match=r"a\.xyz\.gz:1: expected at most 1900 attributes, found 200\d"):
        disk(new(tmp_path / "a"), pre_transform=put)


# -- several processes, folders that cannot be used


def build(folder, kind, barrier):
    barrier.wait()
    check(kind, folder)


@pytest.mark.parametrize("kind", ["lazy", "disk"])
def test_processes_that_find_damage_at_once(tmp_path, kind):
    folder = new(tmp_path / "a")
    check(kind, folder)
    for pattern in (".fa_xyz*.rows", "out/processed/*.db"):
        for path in folder.glob(pattern):
            path.write_bytes(b"")
    context = multiprocessing.get_context("fork")
    barrier = context.Barrier(3)
    processes = [context.Process(target=build, args=(folder, kind, barrier)) for _ in range(3)]
    for process in processes:
        process.start()
    for process in processes:
        process.join(60)
        assert process.exitcode == 0


def test_damage_does_not_take_rows_from_those_who_read(tmp_path):
    """Rows are mapped into memory: cutting the file off under a reader would kill it."""
    path = tmp_path / "a.xyz"
    path.write_text(content())
    reader = LazyXYZ(path)
    one(tmp_path, ".fa_xyz*.json").write_text("damaged")
    with pytest.warns(UserWarning, match="made again"):
        LazyXYZ(path)
    assert [data.comment for data in reader] == [data.comment for data in read_xyz(path)]


def test_threads_may_open_the_same_files(tmp_path):
    folder, failures = new(tmp_path / "a"), []

    def run():
        try:
            check("disk", folder)
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=run) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures


def test_a_complete_cache_in_a_folder_of_others_is_used(tmp_path, monkeypatch):
    """Where nothing can be written; what is not complete there is made elsewhere, or says so."""
    folder = new(tmp_path / "a")
    check("lazy", folder)
    check("disk", folder)
    real, writes = os.open, os.O_WRONLY | os.O_RDWR | os.O_CREAT

    def refuse(file, flags, *more, **options):
        if flags & writes and str(file).startswith(str(folder)):
            raise PermissionError(13, "Permission denied")
        return real(file, flags, *more, **options)

    monkeypatch.setattr(os, "open", refuse)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        check("lazy", folder)
        check("disk", folder)
    with pytest.warns(UserWarning, match=r"the index cannot be stored .*Permission denied"):
        check("lazy", new(folder, 40))
    with (
        pytest.warns(UserWarning, match="the index cannot be stored"),
        pytest.raises(ValueError, match=r"molecules-.*denied"),
    ):
        check("disk", folder)


def test_a_cache_that_is_a_file(tmp_path):
    folder = new(tmp_path / "a")
    (tmp_path / "file").touch()
    for cache in (tmp_path / "file", tmp_path / "file" / "sub"):
        with pytest.raises(ValueError, match="cache: expected a folder, found"):
            lazy(folder, cache=cache)


def test_sealed_files(tmp_path):
    path = tmp_path / "state.json"
    assert read_checked_json(path) is None
    for value in ({"a": [1, 2.5, None, "é\udcff"]}, {}):
        write_checked_json(path, value)
        assert read_checked_json(path) == value
    for text in ('{"sha256": ""}', '{"a": 1}', "[1, 2]", "3", "", "\0"):
        path.write_text(text)
        with pytest.raises(DamagedFile, match=r"state\.json: expected"):
            read_checked_json(path)
