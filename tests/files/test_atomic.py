"""Atomic writes: the old file or the new one, and nothing else is opened, followed or removed."""

import os
import stat

import pytest

from fa_pyg.files import atomic_write, write_atomically


def names(folder):
    return sorted(path.name for path in folder.iterdir())


@pytest.mark.parametrize(("content", "read"), [("grün\n2\n", "grün\n2\n".encode()), (b"\0\xff\r\n", None)])
def test_writes_and_replaces(tmp_path, content, read):
    path = tmp_path / "out"
    for before in (None, b"a longer file than the next"):
        if before:
            path.write_bytes(before)
        write_atomically(path, content)
        assert path.read_bytes() == (content if read is None else read)
    write_atomically(str(path), content)  # a str is a path too
    assert names(tmp_path) == ["out"]


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt, GeneratorExit, SystemExit])
def test_a_failure_leaves_the_old_file_and_no_other(tmp_path, error):
    path = tmp_path / "out"
    for old in (None, "old"):
        if old:
            path.write_text(old)
        with pytest.raises(error), atomic_write(path) as file:  # noqa: PT012
            file.write("new")
            file.flush()
            assert len(names(tmp_path)) == 1 + bool(old)  # it can fail: there is something to remove
            raise error
        assert names(tmp_path) == (["out"] if old else [])
    assert path.read_text() == "old"


def test_a_failure_to_close_or_rename_is_one_too(tmp_path, monkeypatch):
    for name in ("fsync", "replace"):
        with monkeypatch.context() as patch:

            def fail(*_):
                raise OSError(28, "No space left on device")

            patch.setattr(os, name, fail)
            with pytest.raises(OSError, match="No space"):
                write_atomically(tmp_path / "out", "new")
        assert names(tmp_path) == []


@pytest.mark.parametrize(
    "name", ["out", "a" * 255, "é" * 127, ".hidden", "-rf", "a\nb", os.fsdecode(b"\xff\xfe")]
)
def test_names_of_all_kinds(tmp_path, name):
    write_atomically(tmp_path / name, "new")
    assert (tmp_path / name).read_text() == "new"
    assert len(names(tmp_path)) == 1


def test_files_of_likely_names_stay(tmp_path):
    for name in ("out.tmp", ".out.tmp", "out.part", "out~"):
        (tmp_path / name).write_text(name)
    write_atomically(tmp_path / "out", "new")
    assert all((tmp_path / name).read_text() == name for name in names(tmp_path) if name != "out")
    assert len(names(tmp_path)) == 5


def test_the_temporary_file_is_exclusive(tmp_path, monkeypatch):
    """Even where its name is guessed: a link that lies there is not followed."""
    victim = tmp_path / "victim"
    victim.write_text("precious")
    monkeypatch.setattr("secrets.token_hex", lambda _: "0" * 16)
    (tmp_path / f".out.{'0' * 16}.tmp").symlink_to(victim)
    with pytest.raises(ValueError, match=r"out: .*File exists"):
        write_atomically(tmp_path / "out", "new")
    assert names(tmp_path) == [f".out.{'0' * 16}.tmp", "victim"]
    assert victim.read_text() == "precious"


def test_a_link_is_written_through(tmp_path):
    """To another folder, over several links, also where the file is not there yet."""
    (tmp_path / "far").mkdir()
    target, link, again = tmp_path / "far" / "target", tmp_path / "link", tmp_path / "again"
    link.symlink_to("far/target")
    again.symlink_to(link)
    for content in ("first", "second"):
        write_atomically(again, content)
        assert (target.read_text(), link.is_symlink(), again.is_symlink()) == (content, True, True)
    assert names(tmp_path) == ["again", "far", "link"]
    assert names(tmp_path / "far") == ["target"]
    write_atomically(again, "own", follow_links=False)
    assert (again.is_symlink(), again.read_text(), target.read_text()) == (False, "own", "second")


def test_a_hard_link_keeps_the_old_content(tmp_path):
    (tmp_path / "other").write_text("old")
    os.link(tmp_path / "other", tmp_path / "out")
    write_atomically(tmp_path / "out", "new")
    assert (tmp_path / "other").read_text() == "old"


@pytest.mark.parametrize("mode", [0o600, 0o644, 0o666, 0o660, 0o755])
def test_permissions_are_those_of_the_old_file(tmp_path, mode):
    path = tmp_path / "out"
    before = os.umask(0o077)
    try:
        path.write_text("old")
        path.chmod(mode)
        with atomic_write(path) as file:
            (temporary,) = (p for p in tmp_path.iterdir() if p != path)
            assert stat.S_IMODE(temporary.stat().st_mode) & ~mode == 0
            file.write("new")
    finally:
        os.umask(before)
    assert stat.S_IMODE(path.stat().st_mode) == mode


@pytest.mark.parametrize("mask", [0o022, 0o077, 0o002])
def test_permissions_of_a_new_file_are_as_the_umask_says(tmp_path, mask):
    before = os.umask(mask)
    try:
        write_atomically(tmp_path / "out", "new")
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "out").stat().st_mode) == 0o666 & ~mask


def circle(folder):
    (folder / "a").symlink_to("b")
    (folder / "b").symlink_to("a")
    return folder / "a"


def pipe(folder):
    os.mkfifo(folder / "pipe")
    return folder / "pipe"


def read_only(folder):
    (folder / "file").write_text("old")
    (folder / "file").chmod(0o444)
    return folder / "file"


@pytest.mark.parametrize(
    ("make", "found"),
    [
        (lambda folder: folder, "found a folder"),
        (lambda folder: "", "found a folder"),
        (lambda folder: f"{folder}/new/", "found a folder"),
        (lambda folder: folder / "none" / "out", "found no folder .*none"),
        (lambda folder: read_only(folder) / "out", "found no folder .*file"),
        (circle, "leads nowhere"),
        (pipe, "found a device or a pipe"),
        (lambda folder: "/dev/null", "found a device or a pipe"),
        (lambda folder: "a" * 300, "leads nowhere"),
    ],
)
def test_what_is_no_file_is_refused(tmp_path, make, found):
    path = make(tmp_path)
    before = names(tmp_path)
    with pytest.raises(ValueError, match=f"expected a file.*{found}"):
        write_atomically(path, "new")
    assert names(tmp_path) == before


def test_a_read_only_file_is_refused(tmp_path, monkeypatch):
    path = read_only(tmp_path)
    monkeypatch.setattr(os, "access", lambda *_: False)  # the superuser may write all
    with pytest.raises(ValueError, match="found a read-only file"):
        write_atomically(path, "new")
    assert path.read_text() == "old"


def test_a_folder_that_cannot_be_written_to(tmp_path, monkeypatch):
    def refuse(*_):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(os, "open", refuse)
    with pytest.raises(ValueError, match=r"out: expected a folder that can be written to.*Permission denied"):
        write_atomically(tmp_path / "out", "new")


def test_other_modes_are_refused(tmp_path):
    for mode in ("a", "r+", "x"):
        with (
            pytest.raises(ValueError, match=f"mode: expected 'w' or 'wb', found '{mode[0]}"),
            atomic_write(tmp_path / "out", mode),
        ):
            pass
