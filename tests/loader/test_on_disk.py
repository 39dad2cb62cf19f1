"""Reading batches from disk: the same batches, in the same order, whoever reads them."""

import pytest
import torch
from torch_geometric.data import Data, Dataset, InMemoryDataset, OnDiskDataset
from torch_geometric.loader import DataLoader

from fa_pyg.datasets import InMemoryLoader, OnDiskLoader, XYZStream

TOTAL = 23
WORKERS = pytest.mark.parametrize("num_workers", [0, 2])


def graph(n):
    edges = torch.arange(2 * (n % 3)).view(2, -1) % (1 + n % 4)
    return Data(x=torch.full((1 + n % 4, 2), float(n)), edge_index=edges, y=torch.tensor([n]), name=str(n))


class Memory(InMemoryDataset):
    def __init__(self):
        super().__init__()
        self._data, self.slices = self.collate([graph(n) for n in range(TOTAL)])


class Stored(Dataset):
    """Graphs that know whether they are bad."""

    def __init__(self, bad=None, make=graph, **options):
        super().__init__(**options)
        self.bad, self.make = bad, make

    def len(self):
        return TOTAL

    def get(self, idx):
        if idx == self.bad:
            raise UnicodeDecodeError(
                "utf-8", b"x", 0, 1, f"graph {idx} is bad"
            )  # a ValueError of odd arguments
        return self.make(idx)


class Pickled(OnDiskDataset):
    """As a user would write it; tells whether its connection is still to be opened."""

    def get(self, idx):
        fresh = self._db is None
        data = super().get(idx)
        data.fresh = fresh
        return data


def numbers(loader):
    return [batch.y.tolist() for batch in loader]


@pytest.mark.parametrize(("num_workers", "drop_last"), [(0, False), (0, True), (2, False)])
def test_batches_are_those_of_the_loader_in_memory(num_workers, drop_last):
    options = {"batch_size": 5, "shuffle": True, "drop_last": drop_last, "seed": 3}
    for rank in range(2):
        share = {"rank": rank, "world_size": 2}
        ours = OnDiskLoader(Stored(), **options, **share, num_workers=num_workers)
        theirs = InMemoryLoader(Memory(), **options, **share)
        assert len(ours) == len(theirs) == (2 if drop_last else 3)
        for _ in range(2):  # epochs
            for one, other in zip(ours, theirs, strict=True):
                assert set(one.keys()) == set(other.keys())
                assert one.name == other.name
                assert one.num_graphs == other.num_graphs
                for key in ("x", "edge_index", "y", "batch", "ptr"):
                    assert torch.equal(one[key], other[key]), key
    assert numbers(OnDiskLoader(Stored(), 5)) == [b.y.tolist() for b in DataLoader(Stored(), 5)]


@WORKERS
def test_resumes_with_the_next_batch(num_workers):
    def make():
        return OnDiskLoader(Stored(), 5, shuffle=True, num_workers=num_workers)

    loader = make()
    numbers(loader)
    iterator = iter(loader)
    next(iterator), next(iterator)  # workers are further
    state = loader.state_dict()
    rest, following = numbers(iterator), numbers(loader)
    assert state == {"epoch": 1, "batches": 2}
    resumed = make()
    resumed.load_state_dict(state)
    assert [numbers(resumed), numbers(resumed)] == [rest, following]
    finished = make()
    finished.load_state_dict(state)
    finished.set_epoch(2)
    assert numbers(finished) == following


def draw(data):
    data.noise = torch.rand(1)
    return data


@WORKERS
def test_random_numbers_of_this_process_are_left_alone(num_workers):
    torch.manual_seed(0)
    expected = torch.rand(3)
    torch.manual_seed(0)
    numbers(OnDiskLoader(Stored(), 5, shuffle=True, num_workers=num_workers))
    assert torch.equal(torch.rand(3), expected)


def test_workers_draw_by_seed_epoch_and_process():
    def noise(epoch, **options):
        loader = OnDiskLoader(Stored(transform=draw), 5, num_workers=2, **options)
        loader.set_epoch(epoch)
        return torch.cat([batch.noise for batch in loader])

    first = noise(0)
    torch.manual_seed(1)
    assert torch.equal(noise(0), first)
    assert len(first.unique()) == TOTAL
    half = {"world_size": 2, "rank": 0}
    for other in (noise(1), noise(0, seed=1), noise(0, world_size=2, rank=1)):
        assert not torch.isin(other, first).any()
    assert not torch.isin(noise(0, **half | {"rank": 1}), noise(0, **half)).any()


@pytest.mark.parametrize("part", [slice(None), slice(5, 12)])
@WORKERS
def test_a_database_of_a_user(tmp_path, num_workers, part):
    dataset = Pickled(str(tmp_path))
    dataset.extend([graph(n) for n in range(TOTAL)])  # the connection is open when workers are forked
    batches = list(OnDiskLoader(dataset[part], 5, num_workers=num_workers))
    assert [n for batch in batches for n in batch.y.tolist()] == list(range(TOTAL))[part]
    fresh = [flag for batch in batches for flag in batch.fresh.tolist()]
    assert sum(fresh) == num_workers  # each opens its own, once
    dataset.close()


@WORKERS
def test_errors_come_as_they_are(num_workers):
    loader = OnDiskLoader(Stored(bad=7), 5, num_workers=num_workers)
    iterator = iter(loader)
    assert next(iterator).y.tolist() == [0, 1, 2, 3, 4]
    with pytest.raises(ValueError, match=r"^'utf-8' .*graph 7 is bad$"):
        next(iterator)


@pytest.mark.parametrize("odd", ["more", "less"])
def test_graphs_of_different_attributes(odd):
    def make(n):
        return Data(x=torch.ones(2, 1), **({"y": torch.ones(1)} if (n == 3) is (odd == "more") else {}))

    with pytest.raises(ValueError, match=r"expected \['x'.*\] as in graph 0.*, found \['x'.*\] in graph 3"):
        list(OnDiskLoader(Stored(make=make), 5))


def test_wrong_arguments(tmp_path):
    (tmp_path / "a.xyz").write_text("1\n\nHe 0 0 0\n")
    with pytest.raises(ValueError, match=r"dataset: expected a data set with a length, .*'XYZStream'"):
        OnDiskLoader(XYZStream(tmp_path))
    for options in ({"num_workers": -1}, {"batch_size": 0}, {"seed": "x"}, {"sampler": 4}):
        with pytest.raises(ValueError, match=f"^{next(iter(options))}: expected"):
            OnDiskLoader(Stored(), **options)
