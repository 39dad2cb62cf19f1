"""Splits: disjoint, of the size asked for, the same for the same seed, or those of a file."""

import json

import numpy as np
import pytest

from fa_pyg.datasets import XYZ, LazyXYZ

TOTAL = 50


@pytest.fixture
def path(tmp_path):
    path = tmp_path / "a.xyz"
    path.write_text("".join(f"1\n{i}\nH 0 0 {i}\n" for i in range(TOTAL)))
    return path


def places(path, split, kind=XYZ, **options):
    return [int(data.comment) for data in kind(path, split=split, **options)]


@pytest.mark.parametrize(
    ("splits", "sizes"),
    [
        ((0.8, 0.1, 0.1), (40, 5, 5)),
        ((0.33, 0.33, 0.34), (16, 17, 17)),
        ((0.1, 0.1, 0.1), (5, 5, 5)),
        ((10, 20, None), (10, 20, 20)),
        ([None, 1, 2], (47, 1, 2)),
        ((3, 4, 5), (3, 4, 5)),
    ],
)
def test_drawn(path, splits, sizes):
    parts = [places(path, split, splits=splits, seed=1) for split in ("train", "val", "test")]
    assert tuple(map(len, parts)) == sizes
    assert all(part == sorted(part) for part in parts)
    assert len(set().union(*parts)) == sum(sizes)
    assert parts == [places(path, s, LazyXYZ, splits=splits, seed=1) for s in ("train", "val", "test")]
    assert parts[0] != places(path, "train", splits=splits, seed=2)
    assert places(path, None) == list(range(TOTAL))


def test_of_a_file(path, tmp_path):
    parts = {"train": [3, 1], "val": [0], "test": [9, 4]}
    (tmp_path / "s.json").write_text(json.dumps(parts))
    np.savez(tmp_path / "s.npz", **parts)
    for splits in (parts, tmp_path / "s.json", str(tmp_path / "s.npz")):
        assert places(path, "train", splits=splits) == [1, 3]
        assert places(path, "test", LazyXYZ, splits=splits) == [4, 9]


@pytest.mark.parametrize(
    ("splits", "words"),
    [
        ((0.8, 0.1), "three shares"),
        ((0.8, 0.2, 0.1), "three shares"),
        ((0.5, -0.1, 0.1), "three shares"),
        ((10, None, None), "three shares"),
        ((40, 10, 1), "counts that fit 50"),
        ((-1, 10, 1), "counts that fit 50"),
        ((60, None, 0), "counts that fit 50"),
        ((0, 10, 10), "expected structures for 'train', found none"),
        ({"train": [0], "val": [0], "test": [1]}, "expected 0 once, found it in train and val"),
        ({"train": [2, 2], "val": [0], "test": [1]}, "expected 2 once, found it in train and train"),
        ({"train": [50], "val": [0], "test": [1]}, "expected positions from 0 to 49, found 50"),
        ({"train": [-1], "val": [0], "test": [1]}, "expected positions from 0 to 49, found -1"),
        ({"train": [0.5], "val": [0], "test": [1]}, "a list of integers"),
        ({"train": "all", "val": [0], "test": [1]}, "a list of integers"),
        ({"train": [[1], [2, 3]], "val": [0], "test": [1]}, "a list of integers"),
        ({"train": [0], "val": [1]}, "not test"),
        ("none.json", "a readable file of splits"),
    ],
)
def test_errors(path, splits, words):
    with pytest.raises(ValueError, match=words):
        XYZ(path, split="train", splits=splits)


@pytest.mark.parametrize("content", [b"", b"[1]", b"{", b"\xff", b"PK\x03\x04 no archive"])
def test_broken_files(path, tmp_path, content):
    for name in ("s.json", "s.npz"):
        (tmp_path / name).write_bytes(content)
        with pytest.raises(ValueError, match=rf"s\.{name[2:]}: expected .*, found"):
            XYZ(path, split="train", splits=tmp_path / name)


def test_bad_arguments(path):
    with pytest.raises(ValueError, match=r"split: expected .*, found 'all'"):
        XYZ(path, split="all")
    with pytest.raises(ValueError, match=r"seed: expected .*, found 1\.5"):
        XYZ(path, split="train", seed=1.5)
