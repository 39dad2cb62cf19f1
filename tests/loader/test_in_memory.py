import pytest
import torch
from torch_geometric.data import Batch, Data, HeteroData, InMemoryDataset
from torch_geometric.loader import DataLoader

from fa_pyg.datasets import InMemoryLoader
from fa_pyg.loader.in_memory import select_graphs


class Graphs(InMemoryDataset):
    """A data set of these graphs, kept nowhere."""

    def __init__(self, graphs, transform=None):
        super().__init__(None, transform)
        self._data, self.slices = self.collate(graphs)


class Bipartite(Data):
    """Rules of its own: two kinds of nodes, a stacked attribute, an index into edges."""

    def __inc__(self, key, value, *args, **kwargs):
        if key == "edge_index":
            return torch.tensor([[self.x_s.size(0)], [self.x_t.size(0)]])
        if key == "line_index":
            return self.edge_index.size(1)
        return super().__inc__(key, value, *args, **kwargs)

    def __cat_dim__(self, key, value, *args, **kwargs):
        return None if key == "cell" else super().__cat_dim__(key, value, *args, **kwargs)


def random_graph(nodes, edges):
    return Data(
        pos=torch.randn(nodes, 3),
        edge_index=torch.randint(nodes, (2, edges)),
        edge_attr=torch.randn(edges, 2),
        face=torch.randint(nodes, (3, 2)),
        node_index=torch.randint(nodes, (4,), dtype=torch.int32),
        y=torch.randn(1, 3, 3, dtype=torch.double),
        energy=torch.randn(()),
        count=nodes,
        name=f"graph of {nodes}",
    )


def bipartite(s, t, edges):
    edge_index = torch.stack([torch.randint(s, (edges,)), torch.randint(t, (edges,))])
    return Bipartite(
        x_s=torch.randn(s, 2),
        x_t=torch.randn(t, 2),
        edge_index=edge_index,
        line_index=torch.randint(edges, (2, 3)),
        cell=torch.randn(3, 3),
        num_nodes=s + t,
    )


def nested(nodes):
    """A graph of several parts: an attribute named batch is incremented by its largest entry."""
    return Data(x=torch.randn(nodes, 1), part_batch=torch.arange(nodes) // 2)


def topology(nodes):
    """A graph that says by its edges alone how many nodes it has."""
    ring = torch.arange(nodes)
    return Data(edge_index=torch.stack([ring, ring.roll(1)]))


def unsized(length):
    """No way to tell the number of nodes: PyG gives no batch vector."""
    return Data(series=torch.randn(length))


KINDS = {
    "uniform": lambda: [random_graph(5, 20) for _ in range(9)],
    "ragged": lambda: [random_graph(n, 3 * n) for n in (3, 1, 7, 4, 4, 9, 2, 5, 6)],
    "edgeless": lambda: [random_graph(n, e) for n, e in ((3, 0), (1, 2), (2, 0), (5, 4))],
    "one": lambda: [random_graph(4, 6)],
    "own rules": lambda: [bipartite(*sizes) for sizes in ((2, 3, 4), (1, 5, 3), (4, 4, 7))],
    "nested": lambda: [nested(n) for n in (4, 7, 2)],
    "edges only": lambda: [topology(n) for n in (4, 7, 5)],
    "unsized": lambda: [unsized(n) for n in (4, 7, 5)],
}


def assert_same(ours, theirs):
    assert type(ours) is type(theirs)
    if isinstance(theirs, torch.Tensor):
        assert ours.dtype == theirs.dtype
        assert torch.equal(ours, theirs)
    elif isinstance(theirs, dict):
        assert list(ours) == list(theirs)
        for key in theirs:
            assert_same(ours[key], theirs[key])
    else:
        assert ours == theirs


def assert_same_batch(ours, theirs):
    assert_same(ours.to_dict(), theirs.to_dict())
    assert_same(ours._slice_dict, theirs._slice_dict)
    assert_same(ours._inc_dict, theirs._inc_dict)
    assert (ours.num_graphs, ours.num_nodes) == (theirs.num_graphs, theirs.num_nodes)
    for one, other in zip(ours.to_data_list(), theirs.to_data_list(), strict=True):
        assert_same(one.to_dict(), other.to_dict())


@pytest.mark.filterwarnings("ignore:Unable to accurately infer")
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("drop_last", [False, True])
def test_equals_pygs_loader(kind, drop_last):
    dataset = Graphs(KINDS[kind]())
    order = torch.randperm(len(dataset)).tolist()
    ours = InMemoryLoader(dataset, 2, sampler=order, drop_last=drop_last)
    theirs = DataLoader(dataset, 2, sampler=order, drop_last=drop_last)
    assert len(ours) == len(theirs)
    for mine, other in zip(ours, theirs, strict=True):
        assert_same_batch(mine, other)


@pytest.mark.parametrize("kind", ["uniform", "ragged", "own rules", "nested"])
def test_graphs_of_a_batch(kind):
    """Indices of a batch are incremented already: what they contain is taken out again."""
    graphs = KINDS[kind]()
    batch = Batch.from_data_list(graphs)
    ids = torch.tensor([2, 0, 2])
    picked = select_graphs(batch, batch._slice_dict, ids, batch._inc_dict)
    assert_same_batch(picked, Batch.from_data_list([graphs[i] for i in ids]))


def test_the_data_set_is_not_written_to():
    dataset = Graphs(KINDS["ragged"]())
    before = {key: value.clone() for key, value in dataset._data if isinstance(value, torch.Tensor)}
    for batch in InMemoryLoader(dataset, 4):
        batch.edge_index.add_(1)
        batch.pos.zero_()
    for key, value in before.items():
        assert torch.equal(dataset._data[key], value)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
@pytest.mark.parametrize("kind", ["uniform", "ragged"])
def test_batches_on_the_gpu(kind):
    dataset = Graphs(KINDS[kind]())
    for mine, other in zip(InMemoryLoader(dataset, 2, device="cuda"), DataLoader(dataset, 2), strict=True):
        assert all(value.is_cuda for _, value in mine if isinstance(value, torch.Tensor))
        assert_same_batch(mine.cpu(), other)


def test_part_of_a_data_set():
    dataset = Graphs(KINDS["ragged"]())[torch.tensor([7, 1, 2])]
    (batch,) = InMemoryLoader(dataset, 8)
    assert batch.name == ["graph of 5", "graph of 1", "graph of 7"]


def names(loader):
    return [name for batch in loader for name in batch.name]


@pytest.fixture
def dataset():
    return Graphs([random_graph(n, n) for n in range(1, 24)])


def test_order_is_a_function_of_seed_and_epoch(dataset):
    one, other = (InMemoryLoader(dataset, 4, shuffle=True, seed=3) for _ in range(2))
    epochs = [names(one) for _ in range(3)]
    assert epochs == [names(other) for _ in range(3)]
    assert epochs[0] != epochs[1] != epochs[2]
    assert all(sorted(epoch) == sorted(g.name for g in dataset) for epoch in epochs)
    other.set_epoch(1)
    assert names(other) == epochs[1]
    assert names(InMemoryLoader(dataset, 4, shuffle=True, seed=4)) != epochs[0]


def test_unshuffled_order(dataset):
    loader = InMemoryLoader(dataset, 4)
    assert names(loader) == names(loader) == [g.name for g in dataset]


def test_generator(dataset):
    one, other = (InMemoryLoader(dataset, 4, True, torch.Generator().manual_seed(1)) for _ in range(2))
    first = names(one)
    assert first == names(other)
    assert first != names(one)


def test_ranks_share_every_epoch(dataset):
    """23 graphs on two ranks: 12 each, one of them twice."""
    ranks = [InMemoryLoader(dataset, 5, shuffle=True, rank=r, world_size=2) for r in range(2)]
    for _ in range(2):
        shares = [names(rank) for rank in ranks]
        assert [len(share) for share in shares] == [12, 12]
        assert set(shares[0]) | set(shares[1]) == {g.name for g in dataset}
        assert len(set(shares[0]) & set(shares[1])) <= 1


def test_share_in_the_process_group(dataset, monkeypatch):
    for name, value in {"is_initialized": True, "get_rank": 1, "get_world_size": 2}.items():
        monkeypatch.setattr(torch.distributed, name, lambda value=value: value)
    share = names(InMemoryLoader(dataset, 5, shuffle=True))
    assert share == names(InMemoryLoader(dataset, 5, shuffle=True, rank=1, world_size=2))


def test_resumes_with_the_next_batch(dataset):
    loader = InMemoryLoader(dataset, 5, shuffle=True)
    names(loader)
    iterator = iter(loader)
    next(iterator), next(iterator)
    state = loader.state_dict()
    rest = [name for batch in iterator for name in batch.name]
    following = names(loader)

    resumed = InMemoryLoader(dataset, 5, shuffle=True)
    resumed.load_state_dict(state)
    assert names(resumed) == rest
    assert names(resumed) == following


def test_a_finished_epoch_is_not_skipped(dataset):
    loader = InMemoryLoader(dataset, 5, shuffle=True)
    names(loader)
    state, following = loader.state_dict(), names(loader)
    resumed = InMemoryLoader(dataset, 5, shuffle=True)
    resumed.load_state_dict(state)
    resumed.set_epoch(1)  # a trainer that goes on says which epoch is next
    assert names(resumed) == following


def test_lightning_goes_on_where_it_stopped(dataset, tmp_path):
    """From a checkpoint in the middle of the third epoch: the same graphs as without the stop."""
    lightning = pytest.importorskip("lightning.pytorch")

    class Recorder(lightning.LightningModule):
        def __init__(self):
            super().__init__()
            self.weight, self.seen = torch.nn.Parameter(torch.zeros(())), []

        def training_step(self, batch, _):
            self.seen += batch.name
            return self.weight * batch.energy.sum()

        def configure_optimizers(self):
            return torch.optim.SGD(self.parameters(), 0.1)

    def fit(ckpt_path=None):
        model, save = Recorder(), lightning.callbacks.ModelCheckpoint(tmp_path, "mid", every_n_train_steps=12)
        quiet = {"logger": False, "enable_progress_bar": False, "enable_model_summary": False}
        trainer = lightning.Trainer(accelerator="cpu", max_epochs=4, callbacks=[save], **quiet)
        trainer.fit(model, InMemoryLoader(dataset, 5, shuffle=True, seed=1), ckpt_path=ckpt_path)
        return model.seen

    whole = fit()
    assert len(whole) == 4 * 23
    assert fit(tmp_path / "mid.ckpt") == whole[2 * 23 + 2 * 5 :]


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (
            lambda: InMemoryLoader([random_graph(2, 2)]),
            "dataset: expected an InMemoryDataset or a Batch, found 'list'",
        ),
        (lambda: InMemoryLoader(Graphs(KINDS["one"](), transform=len)), "transform"),
        (
            lambda: InMemoryLoader(Graphs(KINDS["one"]()), batch_size=0),
            "batch_size: expected a positive integer, found 0",
        ),
        (
            lambda: InMemoryLoader(Graphs(KINDS["one"]()), batch_size="2"),
            "batch_size: expected a positive integer, found '2'",
        ),
        (
            lambda: InMemoryLoader(Graphs(KINDS["one"]()), batch_size=1.5),
            "batch_size: expected a positive integer, found 1.5",
        ),
        (lambda: InMemoryLoader(Graphs(KINDS["one"]()), seed="x"), "seed: expected an integer .*found 'x'"),
        (
            lambda: InMemoryLoader(Graphs(KINDS["one"]()), rank="0"),
            "rank: expected an integer >= 0 or None, found '0'",
        ),
        (
            lambda: InMemoryLoader(Graphs(KINDS["one"]()), shuffle=True, generator=3),
            "generator: expected a torch.Generator or None, found 3",
        ),
        (
            lambda: InMemoryLoader(Graphs(KINDS["one"]()), sampler=4),
            "sampler: expected an iterable of positions with a length, or None, found 4",
        ),
        (lambda: InMemoryLoader(Graphs([HeteroData(v={"x": torch.ones(2, 1)})])), "HeteroData"),
        (
            lambda: InMemoryLoader(Graphs([Data(x={"a": torch.ones(2, 1)})] * 2)),
            "x: expected a dense Tensor or a list, found a dict",
        ),
    ],
)
def test_what_cannot_be_gathered_is_named(make, message):
    with pytest.raises(ValueError, match=message):
        make()


def test_a_transform_that_is_set_later(dataset):
    loader = InMemoryLoader(dataset, 4)
    dataset.transform = len
    with pytest.raises(ValueError, match="transform: expected None"):
        next(iter(loader))
