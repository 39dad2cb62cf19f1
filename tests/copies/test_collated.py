"""Copies of a collated batch, which can be taken apart again."""

import pytest
import torch
from torch_geometric import EdgeIndex
from torch_geometric.data import Batch, Data

SIZES = [3, 1, 4]
FRAMES = {"uniform": [3, 3, 3], "ragged": [2, 4, 1], "many": [1, 1, 5]}


class Crystal(Data):
    """Attributes that follow rules of their own."""

    def __inc__(self, key, value, *args, **kwargs):
        if key == "species_of":  # numbers of species, of which each graph has its own list
            return len(self.species)
        if key == "bonds":  # one axis counts nodes, the other species
            return torch.tensor([[self.num_nodes], [len(self.species)]])
        if key == "plain_index":
            return 0
        return super().__inc__(key, value, *args, **kwargs)

    def __cat_dim__(self, key, value, *args, **kwargs):
        if key == "bonds" or key == "wide":
            return 1
        if key == "stacked":
            return None
        return super().__cat_dim__(key, value, *args, **kwargs)


def crystals(seed=0):
    g = torch.Generator().manual_seed(seed)
    out = []
    for number, (size, edges) in enumerate(zip(SIZES, (5, 1, 6), strict=True)):
        data = Crystal(
            z=torch.randint(1, 9, (size,), generator=g),
            pos=torch.randn(size, 3, generator=g, dtype=torch.float64),
            edge_index=torch.randint(0, size, (2, edges), generator=g),
            edge_attr=torch.randn(edges, 2, generator=g),
            y=torch.randn(1, generator=g),
            cell=torch.randn(1, 3, 3, generator=g),
            temperature=0.5 * number,
            charge=number,
            name=f"crystal {number}",
            species=torch.arange(number + 1) + 10,
            species_of=torch.randint(0, number + 1, (size,), generator=g),
            bonds=torch.zeros(2, number, dtype=torch.long),
            wide=torch.randn(2, size, generator=g),
            stacked=torch.randn(2, 2, generator=g),
            plain_index=torch.arange(size),
            masses={"a": torch.randn(size, generator=g), "b": torch.randn(1, generator=g)},
            blocks=[torch.randn(size, generator=g), torch.randn(number, 3, generator=g)],
        )
        out.append(data)
    return out


def same(a, b):
    if isinstance(a, dict):
        return a.keys() == b.keys() and all(same(a[k], b[k]) for k in a)
    if isinstance(a, (list, tuple)):
        return len(a) == len(b) and all(map(same, a, b))
    return torch.equal(a, b) if isinstance(a, torch.Tensor) else a == b


@pytest.mark.parametrize("step", [1, 2, 3, 9])
@pytest.mark.parametrize("counts", FRAMES)
@pytest.mark.parametrize("cls", [Data, Crystal])
def test_copied_batches_can_be_taken_apart(cls, counts, step, run, frames_of, holder):
    items = crystals()
    if cls is Data:  # PyG's own rules; these attributes need others
        items = [Data(**{k: v for k, v in i.to_dict().items() if k not in ("bonds", "wide")}) for i in items]
    source = Batch.from_data_list(items, follow_batch=["species", "plain_index"])
    frames, model = frames_of(FRAMES[counts], source.batch), holder()
    framed = frames.to_frame(source.pos, "vector")
    frame_of_row, graph = frames.rows(source.batch, 8)[1], 0
    reference = source.to_data_list()  # as PyG gives them back: numbers become tensors
    for slots, ((batch,), _) in zip(run(model, (source,), {}, frames, step), model.calls, strict=True):
        assert isinstance(batch, Batch)
        assert isinstance(batch, cls)
        assert batch.num_graphs == slots.num_graphs == len(batch)
        assert batch.num_nodes == slots.num_nodes
        chosen = [reference[b] for b in slots.selection.graphs.tolist()]
        expected = Batch.from_data_list(
            [items[b] for b in slots.selection.graphs.tolist()], ["species", "plain_index"]
        )
        for name in expected.keys():  # noqa: SIM118  (a Batch is no dict)
            if name != "pos":
                assert same(batch[name], expected[name]), name
        for one, other in zip(batch.to_data_list(), chosen, strict=True):
            assert type(one) is cls
            assert set(one.keys()) == set(other.keys())
            for name, value in other.to_dict().items():
                wanted = framed[frame_of_row == graph] if name == "pos" else value
                assert same(one[name], wanted), name
            graph += 1
    assert graph == len(frames.body)


def test_batches_of_one_graph(run, frames_of, holder):
    source, model = Batch.from_data_list(crystals()[2:]), holder()
    run(model, (source,), {}, frames_of([3], source.batch), 3)
    batch = model.calls[0][0][0]
    assert torch.equal(batch.edge_index[:, 6:12], source.edge_index + 4)
    assert torch.equal(batch.bonds[:, 2:4], source.bonds + torch.tensor([[4], [3]]))
    assert all(same(one.bonds, crystals()[2].bonds) for one in batch.to_data_list())


def test_num_nodes_that_no_tensor_tells(run, frames_of, holder):
    items = [Data(pos=torch.randn(2, 3).double(), num_nodes=n) for n in (2, 2)]
    source, model = Batch.from_data_list(items), holder()
    run(model, (source,), {}, frames_of([1, 3], source.batch), 1)
    batch = model.calls[1][0][0]
    assert batch.num_nodes == 2
    assert [d.num_nodes for d in batch.to_data_list()] == [2]


def test_attributes_replaced_after_collation_follow_their_names(run, frames_of, graphs, holder):
    items = [Data(**{k: i[k] for k in ("z", "pos", "edge_index")}, labels=torch.zeros(1)) for i in graphs]
    source = Batch.from_data_list(items)
    source.labels = source.z  # one a graph before, one a node now
    source.edge_index = source.edge_index[:, :-1]  # other edges: the slices no longer fit
    source.extra = torch.arange(8.0)
    source.scale = torch.tensor(2.0)
    source.label = "text"
    model = holder()
    run(model, (source,), {}, frames_of([2, 1, 2], source.batch), 1)
    batch = model.calls[1][0][0]
    assert batch.extra.tolist() == [0, 1, 2, 4, 5, 6, 7]
    assert torch.equal(batch.labels, batch.z)
    last = source.edge_index[:, source.batch[source.edge_index[0]] == 2] - 1
    assert torch.equal(batch.edge_index[:, 5:], last)
    assert (batch.scale, batch.label) == (2.0, "text")


def test_data_with_a_batch_that_pyg_did_not_collate(run, frames_of, graphs, merged, recorder, holder):
    args = merged(graphs, shuffle=True)
    source, model = Data(**args), holder()
    frames = frames_of([2, 4, 1], source.batch)
    slots = run(model, (source,), {"factor": 3.0}, frames, 2)
    (batch,), kwargs = model.calls[0]
    assert kwargs == {"factor": 3.0}
    assert batch.num_nodes == slots[0].num_nodes
    assert batch.batch.max() == 4
    other = recorder()
    run(other, (), args, frames, 2)
    for name in args:
        assert torch.equal(batch[name], other.calls[0][1][name])


def test_copies_of_data_without_batch(run, frames_of, graphs, holder):
    source, model = Data(**{k: v for k, v in graphs[0].items() if k != "extra"}), holder()
    run(model, (source,), {}, frames_of([3]), 1)
    assert len(model.calls) == 3
    assert all(torch.equal(data.edge_index, source.edge_index) for (data,), _ in model.calls)


def test_calls_keep_the_class_of_data(run, frames_of, holder):
    class Mine(Data):
        pass

    source, model = Mine(pos=torch.randn(3, 3).double()), holder()
    run(model, (source,), {}, frames_of([2]), 1)
    assert type(model.calls[0][0][0]) is Mine


@pytest.mark.parametrize("counts", FRAMES)
def test_typed_edge_indices(counts, run, frames_of, graphs, holder):
    """PyG's EdgeIndex becomes a plain tensor of the same numbers."""
    plain = [Data(pos=i["pos"], edge_index=i["edge_index"]) for i in graphs]
    typed = [
        Data(pos=i["pos"], edge_index=EdgeIndex(i["edge_index"], sparse_size=(len(i["pos"]),) * 2))
        for i in graphs
    ]
    found, expected = holder(), holder()
    for model, items in ((found, typed), (expected, plain)):
        source = Batch.from_data_list(items)
        run(model, (source,), {}, frames_of(FRAMES[counts], source.batch), 2)
    for ((one,), _), ((other,), _) in zip(found.calls, expected.calls, strict=True):
        assert torch.equal(torch.as_tensor(one.edge_index), other.edge_index)
        for a, b in zip(one.to_data_list(), other.to_data_list(), strict=True):
            assert torch.equal(torch.as_tensor(a.edge_index), b.edge_index)


def test_reordered_nodes_are_copied_or_refused(run, frames_of, graphs, holder):
    """Slices no longer tell whose they are; with as many frames in every graph they need not."""
    batch = Batch.from_data_list([Data(pos=g["pos"], edge_index=g["edge_index"]) for g in graphs])
    order = torch.randperm(8)
    batch.pos, batch.batch = batch.pos[order], batch.batch[order]
    batch.edge_index = torch.argsort(order)[batch.edge_index]
    for step in (1, 2):
        model = holder()
        run(model, (batch,), {}, frames_of([2, 2, 2], batch.batch), step)
        for (data,), _ in model.calls:
            assert torch.equal(data.batch[data.edge_index[0]], data.batch[data.edge_index[1]])
        with pytest.raises(
            ValueError, match=r"batch: expected increasing order in a collated Batch.*reordered"
        ):
            run(holder(), (batch,), {}, frames_of([2, 4, 1], batch.batch), step)
