"""Checkpoints of runs are found, and what is there instead is named."""

import pytest

from fa_pyg.files.runs import find_run, missing, versions
from fa_pyg.potential import load


def made(folder, *names):
    folder.mkdir(parents=True)
    for name in names:
        (folder / name).touch()


def test_a_run_and_its_file(tmp_path):
    made(tmp_path / "version_0", "best.ckpt")
    assert find_run(tmp_path / "version_0") == find_run(tmp_path / "version_0" / "best.ckpt")


@pytest.mark.parametrize("find", [find_run, load])
def test_a_folder_above_runs_lists_them(find, tmp_path):
    for number in (0, 2, 10):
        made(tmp_path / "xyz_folder" / f"version_{number}", "best.ckpt")
    names = ", ".join(str(tmp_path / "xyz_folder" / f"version_{number}") for number in (10, 2, 0))
    for folder in (tmp_path / "xyz_folder", tmp_path):
        with pytest.raises(ValueError, match="found no such file, expected a checkpoint; ") as told:
            find(folder)
        assert str(told.value).endswith(f"{folder} is a folder above runs: {names}")


def test_many_runs_are_counted(tmp_path):
    for number in range(12):
        made(tmp_path / f"version_{number}")
    assert versions(tmp_path)[0].name == "version_11"
    with pytest.raises(ValueError, match=r"version_2, \.\.\. \(12 in all\)$"):
        find_run(tmp_path)


def test_a_run_that_was_not_validated(tmp_path):
    made(tmp_path / "version_0", "last.ckpt")
    with pytest.raises(ValueError, match=r"not validated yet, but has last\.ckpt"):
        find_run(tmp_path / "version_0")


def test_missing_files(tmp_path):
    assert missing([tmp_path, tmp_path / "a", "x" * 5000]) == [tmp_path / "a", "x" * 5000]
