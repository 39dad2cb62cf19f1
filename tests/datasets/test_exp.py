import hashlib
import io
import os
from pathlib import Path
from urllib.error import URLError

import pytest
import torch

from fa_pyg.datasets import EXP, InMemoryLoader
from fa_pyg.datasets.exp import SHA256, URL

ROOT = Path(__file__).parents[2] / "data" / "EXP"
PUBLISHED = pytest.mark.skipif(
    not (ROOT / "raw" / "GRAPHSAT.txt").exists(),
    reason=f"{ROOT}/raw/GRAPHSAT.txt is missing: the published file (GPL-3) is no part of this package",
)
# A variable in a clause with two literals of another one, and a triangle of clauses.
SMALL = "2\n4 1\n1 2 1 2\n1 1 0\n0 2 3 0\n1 1 2\n3 0\n0 2 1 2\n0 2 0 2\n0 2 0 1\n"


def put(root, text):
    path = root / "raw" / "GRAPHSAT.txt"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def offline(*args, **kwargs):
    raise URLError("no route to host")


@pytest.fixture
def small(tmp_path):
    put(tmp_path, SMALL)
    return EXP(tmp_path, checksum=None)


def test_a_small_file(small):
    assert len(small) == 2
    first, second = small
    first.validate()
    assert first.x.tolist() == [[0, 1], [0, 1], [1, 0], [0, 1]]
    assert first.edge_index.tolist() == [[0, 0, 1, 2, 2, 3], [1, 2, 0, 0, 3, 2]]
    assert (first.y.tolist(), second.y.tolist()) == ([1], [0])
    assert second.x.tolist() == [[1, 0]] * 3
    assert second.edge_index.tolist() == [[0, 0, 1, 1, 2, 2], [1, 2, 0, 2, 0, 1]]
    assert first.x.dtype == torch.float32
    assert small.num_classes == 2


def test_loader(small):
    batch = next(iter(InMemoryLoader(small, 2)))
    assert batch.batch.tolist() == [0] * 4 + [1] * 3
    assert batch.edge_index[:, 6:].tolist() == [[4, 4, 5, 5, 6, 6], [5, 6, 4, 6, 4, 5]]


def test_nothing_is_written(small, tmp_path):
    assert os.listdir(tmp_path) == ["raw"]
    assert os.listdir(tmp_path / "raw") == ["GRAPHSAT.txt"]


def test_windows_line_ends_and_nodes_without_neighbors(tmp_path):
    put(tmp_path, "2\r\n1 1\r\n0 0\r\n2 0\r\n1 0\r\n0 0\r\n\r\n")
    dataset = EXP(tmp_path, checksum=None)
    assert [data.num_nodes for data in dataset] == [1, 2]
    assert dataset[1].edge_index.shape == (2, 0)


@pytest.mark.parametrize(
    ("line", "text", "expected"),
    [
        (1, "1", "an even number of graphs"),
        (1, "", "an even number of graphs"),
        (1, "0", "an even number of graphs"),
        (2, "4", "`nodes label`"),
        (2, "4 2", "`nodes label`"),
        (2, "0 1", "`nodes label`"),
        (2, "-4 1", "`nodes label`"),
        (2, "4 1 1", "`nodes label`"),
        (3, "2 2 1 2", "of node 0: kind 0 or 1"),
        (3, "1 3 1 2", "of node 0"),
        (3, "1 2 1 1", "different neighbors"),
        (3, "1 2 1 0", "different neighbors"),
        (3, "1 2 1 4", "neighbors below 4"),
        (3, "1 2 1 2.0", "of node 0"),
        (3, "1 2 1 " + 5000 * "9", "of node 0"),
        (3, "1", "of node 0"),
        (4, "", "of node 1"),
        (6, "1 1 2 0", "of node 3"),
        (6, "1 0", r"node 3 to list node 2 \(line 5 lists it\)"),
    ],
)  # fmt: skip
def test_a_malformed_line_is_named(tmp_path, line, text, expected):
    lines = SMALL.split("\n")
    lines[line - 1] = text
    path = put(tmp_path, "\n".join(lines))
    with pytest.raises(
        ValueError, match=f"{path}, line {line}: expected .*{expected}.*, found '{text[:20]}.*'"
    ):
        EXP(tmp_path, checksum=None)


def test_both_nodes_must_name_each_other(tmp_path):
    """The line that lacks the name is at fault."""
    put(tmp_path, SMALL.replace("1 2 1 2\n", "1 3 1 2 3\n", 1))
    with pytest.raises(
        ValueError, match=r"line 6: expected node 3 to list node 0 \(line 3 lists.*, found '1 1 2'"
    ):
        EXP(tmp_path, checksum=None)


@pytest.mark.parametrize("cut", range(1, 11))
def test_a_truncated_file(tmp_path, cut):
    put(tmp_path, "\n".join(SMALL.split("\n")[:cut]))
    if cut == 10:
        assert len(EXP(tmp_path, checksum=None)) == 2
    else:
        with pytest.raises(ValueError, match=f"line {cut + 1}: expected .*, found the end of the file"):
            EXP(tmp_path, checksum=None)


def test_a_file_that_goes_on(tmp_path):
    put(tmp_path, SMALL + "1 0\n")
    with pytest.raises(ValueError, match=r"line 11: expected the end .* after 2 graphs, found '1 0'"):
        EXP(tmp_path, checksum=None)


@pytest.mark.parametrize("content", [b"", b"\x80\x02}q\x00.", bytes(range(256))])
def test_no_text(tmp_path, content):
    put(tmp_path, content)
    with pytest.raises(ValueError, match=r"line 1: expected an even number of graphs.*, found '.*'"):
        EXP(tmp_path, checksum=None)


def test_another_file_than_the_published_one(tmp_path):
    path = put(tmp_path, SMALL)
    with pytest.raises(ValueError, match=f"{path}: expected the SHA-256 {SHA256}.*checksum=None.*, found "):
        EXP(tmp_path)
    assert len(EXP(tmp_path, checksum=hashlib.sha256(SMALL.encode()).hexdigest().upper())) == 2


def test_splits_without_the_published_file(tmp_path):
    put(tmp_path, "1200\n" + "".join(f"{1 + i % 7} {i % 2}\n" + "0 0\n" * (1 + i % 7) for i in range(1200)))
    for split, places in {"val": range(200), "test": range(200, 400), "train": range(400, 1200)}.items():
        dataset = EXP(tmp_path, split, checksum=None)
        assert [data.num_nodes for data in dataset] == [1 + i % 7 for i in places]
        assert [int(data.y) for data in dataset] == [i % 2 for i in places]
    assert len(EXP(tmp_path, checksum=None)) == 1200


def test_a_split_of_a_small_file(small, tmp_path):
    with pytest.raises(ValueError, match="expected 1200 graphs for split 'val', found 2"):
        EXP(tmp_path, "val", checksum=None)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("r", "valid"), "split: expected .*, found 'valid'"),
        ((None,), "root: expected a path.*, found None"),
    ],
)
def test_bad_arguments(arguments, message):
    with pytest.raises(ValueError, match=message):
        EXP(*arguments)


def test_without_a_network(tmp_path, monkeypatch):
    monkeypatch.setattr("fa_pyg.datasets.exp.urlopen", offline)
    with pytest.raises(ConnectionError) as error:
        EXP(tmp_path)
    for word in (str(tmp_path / "raw" / "GRAPHSAT.txt"), URL, "no route to host", "EXPLike"):
        assert word in str(error.value)
    assert os.listdir(tmp_path) == []


def test_download(tmp_path, monkeypatch):
    """Checked before it is written; then used without asking again."""
    monkeypatch.setattr("fa_pyg.datasets.exp.urlopen", lambda url, timeout: io.BytesIO(SMALL.encode()))
    for checksum in (SHA256, None):
        with pytest.raises(ValueError, match=f"{URL}: expected the SHA-256 .* nothing was written.*, found "):
            EXP(tmp_path, checksum=checksum)
    assert os.listdir(tmp_path) == []
    monkeypatch.setattr("fa_pyg.datasets.exp.SHA256", hashlib.sha256(SMALL.encode()).hexdigest())
    assert len(EXP(tmp_path, checksum=None)) == 2
    assert (tmp_path / "raw" / "GRAPHSAT.txt").read_text() == SMALL
    assert os.listdir(tmp_path / "raw") == ["GRAPHSAT.txt"]
    monkeypatch.setattr("fa_pyg.datasets.exp.urlopen", offline)
    assert len(EXP(tmp_path, checksum=None)) == 2


@pytest.fixture(scope="module")
def graphs():
    return EXP(ROOT)


@PUBLISHED
class TestPublished:
    def test_sizes(self, graphs):
        sizes = [data.num_nodes for data in graphs]
        assert (len(sizes), min(sizes), max(sizes)) == (1200, 33, 73)
        assert [int(data.y) for data in graphs] == [1, 0] * 600
        assert sizes[::2] == sizes[1::2]
        assert all(data.is_undirected() and not data.has_self_loops() for data in graphs)

    def test_labels_are_the_satisfiability_of_the_formulas(self, graphs, oracle):
        assert [oracle.solve(oracle.decode(data)) for data in graphs] == [True, False] * 600

    def test_pairs_are_the_same_to_1_wl_and_not_isomorphic(self, graphs, oracle):
        for i in range(0, 1200, 20):
            assert oracle.refine(graphs[i], graphs[i + 1])
            assert not oracle.isomorphic(graphs[i], graphs[i + 1])

    def test_other_pairs_are_not(self, graphs, oracle):
        """Negative control: a graph and the one after its pair."""
        assert not any(oracle.refine(graphs[i], graphs[i + 2]) for i in range(0, 100, 10))

    def test_splits(self, graphs):
        parts = {split: EXP(ROOT, split) for split in ("val", "test", "train")}
        assert [len(part) for part in parts.values()] == [200, 200, 800]
        joined = [data for part in parts.values() for data in part]
        for one, other in zip(joined[::97], list(graphs)[::97], strict=True):
            assert torch.equal(one.edge_index, other.edge_index)
            assert torch.equal(one.x, other.x)
