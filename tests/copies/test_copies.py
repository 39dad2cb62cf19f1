"""Copies of loose arguments, by PyG's rules for their names, or by their sizes."""

import pytest
import torch
from torch_geometric.data import Batch, Data

SIZES = [3, 1, 4]
FRAMES = {"uniform": [3, 3, 3], "ragged": [2, 4, 1], "many": [1, 1, 5]}


def canonical(z, pos, edge_index, edge_attr):
    """A graph as a set: nodes by their position, edges by their ends' positions."""
    nodes = sorted(zip(pos.tolist(), z.tolist(), strict=True))
    ends = zip(pos[edge_index[0]].tolist(), pos[edge_index[1]].tolist(), edge_attr.tolist(), strict=True)
    return nodes, sorted(ends)


@pytest.mark.parametrize("step", [1, 2, 3, 9])
@pytest.mark.parametrize("shuffle", [False, True], ids=["sorted", "unsorted"])
@pytest.mark.parametrize("counts", FRAMES)
def test_loose_copies_are_the_graphs_in_their_frames(
    counts, shuffle, step, run, frames_of, graphs, merged, positional
):
    model, items = positional(), graphs
    args = merged(items, shuffle)
    frames = frames_of(FRAMES[counts], args["batch"])
    seen = []
    for slots, (_, call) in zip(
        run(model, (), {**args, "num_graphs": 3}, frames, step), model.calls, strict=True
    ):
        assert call["num_graphs"] == slots.num_graphs
        assert len(call["z"]) == slots.num_nodes
        assert len(call["extra"]) == slots.num_graphs
        for number in range(slots.num_graphs):
            mine = call["batch"] == number
            edges = mine[call["edge_index"][0]]
            assert torch.equal(edges, mine[call["edge_index"][1]])
            place = mine.long().cumsum(0) - 1
            index = place[call["edge_index"][:, edges]]
            graph = canonical(call["z"][mine], call["pos"][mine], index, call["edge_attr"][edges])
            seen.append((graph, call["extra"][number].tolist()))
    expected = []
    for frame, body in enumerate(frames.body.tolist()):
        item = items[body]
        pos = frames.to_frame(args["pos"], "vector")[frames.rows(args["batch"], 8)[1] == frame]
        order = args["pos"][args["batch"] == body]
        place = torch.tensor([(order == p).all(1).nonzero().item() for p in item["pos"]])
        framed = pos[place]
        graph = canonical(item["z"], framed, item["edge_index"], item["edge_attr"])
        expected.append((graph, item["extra"][0].tolist()))
    assert seen == expected


def test_one_full_slot_copies_nothing(run, frames_of, graphs, merged, positional):
    model, args = positional(), merged(graphs, shuffle=True)
    run(model, (), args, frames_of([3, 3, 3], args["batch"]), 1)
    assert len(model.calls) == 3
    for _, call in model.calls:
        assert all(call[name] is args[name] for name in args if name != "pos")
        assert call["num_graphs"] is None


def test_without_batch_copies_of_one_graph_share_a_call(run, frames_of, graphs, positional):
    for given in ({}, {"batch": None}):
        model, item = positional(), {k: v for k, v in graphs[0].items() if k != "extra"}
        slots = run(model, (), {**item, **given}, frames_of([5]), 2)
        assert [s.num_graphs for s in slots] == [2, 2, 1]
        first, last = model.calls[0][1], model.calls[-1][1]
        assert first["batch"].tolist() == [0, 0, 0, 1, 1, 1]
        assert torch.equal(
            first["edge_index"], torch.cat([item["edge_index"], item["edge_index"] + 3], dim=1)
        )
        assert last["batch"] is None


@pytest.mark.parametrize("counts", FRAMES)
def test_names_say_how_to_copy(counts, run, frames_of, graphs, merged, recorder):
    args = merged(graphs, shuffle=False)
    frames = frames_of(FRAMES[counts], args["batch"])
    more = {
        "ptr": torch.tensor([0, 3, 4, 8]),
        "x_s_batch": torch.tensor([0, 1, 1, 2]),
        "x_s_ptr": torch.tensor([0, 1, 3, 4]),
        "face": torch.tensor([[0, 1, 2, 4], [1, 2, 0, 5], [2, 0, 1, 6]]),
        "center_index": torch.tensor([0, 3, 7]),
        "num_nodes": 8,
        "batch_size": 3,
        "name": "abc",
        "options": {"a": [1, 2]},
        "shared": torch.zeros(8),
        "index_of_z": torch.arange(8),
        "nothing": None,
    }
    model, levels = recorder(), {"shared": "shared", "index_of_z": "node"}
    for slots, (_, call) in zip(
        run(model, (), {**args, **more}, frames, 2, levels), model.calls, strict=True
    ):
        if slots.is_source:
            assert call["ptr"] is more["ptr"]
            continue
        body = slots.selection.graphs.tolist()
        sizes, extra = torch.tensor(SIZES)[body], torch.tensor([1, 2, 1])[body]
        start = torch.cat([sizes.new_zeros(1), sizes.cumsum(0)])
        assert call["ptr"].tolist() == start.tolist()
        assert call["batch"].tolist() == torch.arange(len(body)).repeat_interleave(sizes).tolist()
        assert call["x_s_batch"].tolist() == torch.arange(len(body)).repeat_interleave(extra).tolist()
        assert call["x_s_ptr"].tolist() == [0, *extra.cumsum(0).tolist()]
        faces = {0: [[0, 1, 2], [1, 2, 0], [2, 0, 1]], 1: [], 2: [[0, 1, 2]]}
        expected = [
            [n + s for n in face] for b, s in zip(body, start.tolist(), strict=False) for face in faces[b]
        ]
        assert call["face"].T.tolist() == expected
        assert call["center_index"].tolist() == [
            {0: 0, 1: 0, 2: 3}[b] + s for b, s in zip(body, start.tolist(), strict=False)
        ]
        assert (call["num_nodes"], call["batch_size"]) == (slots.num_nodes, slots.num_graphs)
        assert (call["name"], call["options"], call["nothing"]) == ("abc", {"a": [1, 2]}, None)
        assert call["shared"] is more["shared"]
        rows = [n for b in body for n in range([0, 3, 4, 8][b], [0, 3, 4, 8][b + 1])]
        assert call["index_of_z"].tolist() == rows


def test_graphs_without_edges_and_empty_graphs(run, frames_of, positional):
    pos, batch = torch.randn(3, 3, dtype=torch.float64), torch.tensor([1, 3, 3])
    args = {
        "z": torch.arange(3),
        "pos": pos,
        "batch": batch,
        "edge_index": torch.zeros(2, 0, dtype=torch.long),
    }
    frames = frames_of([1, 2, 2, 3, 1], batch)
    model = positional()
    slots = run(model, (), {**args, "num_graphs": 5}, frames, 1)
    assert [s.num_graphs for s in slots] == [5, 3, 1]
    assert [s.num_nodes for s in slots] == [3, 3, 2]
    assert model.calls[1][1]["batch"].tolist() == [0, 2, 2]
    assert all(call["edge_index"].shape == (2, 0) for _, call in model.calls)
    model = positional()
    run(model, (), {**args, "num_graphs": 5}, frames_of([2] * 5, batch), 2)
    assert model.calls[0][1]["batch"].tolist() == [1, 3, 3, 6, 8, 8]
    assert model.calls[0][1]["edge_index"].shape == (2, 0)


@pytest.mark.parametrize("kind", ["coo", "csr", "csc"])
@pytest.mark.parametrize("counts", FRAMES)
def test_adjacency_matrices_are_put_side_by_side(counts, kind, run, frames_of, graphs, merged, recorder):
    args = merged(graphs, shuffle=True)
    dense = torch.zeros(8, 8)
    dense[args["edge_index"][0], args["edge_index"][1]] = torch.rand(args["edge_index"].size(1))
    adj = dense.to_sparse(layout=getattr(torch, f"sparse_{kind}"))
    frames, model = frames_of(FRAMES[counts], args["batch"]), recorder()
    kept = {k: args[k] for k in ("z", "pos", "batch")}
    for slots, (_, call) in zip(run(model, (), {**kept, "adj_t": adj}, frames, 3), model.calls, strict=True):
        assert call["adj_t"].layout == adj.layout
        found, batch = call["adj_t"].to_dense(), call["batch"]
        assert found.shape == (slots.num_nodes, slots.num_nodes)
        assert found[batch.unsqueeze(0) != batch.unsqueeze(1)].eq(0).all()
        for number, body in enumerate(slots.selection.graphs.tolist()):
            mine, source = batch == number, args["batch"] == body
            assert torch.equal(found[mine][:, mine], dense[source][:, source])


def test_what_cannot_be_copied_says_so(run, frames_of, graphs, merged, recorder):
    args = merged(graphs, shuffle=False)
    frames = frames_of([2, 2, 2], args["batch"])
    for wrong in ((args["z"], args["z"]), {"a": [args["z"]]}, [args["z"]]):
        with pytest.raises(
            ValueError, match=r"expected a tensor for several frames .* of tensors .*chunk=1.*shared"
        ):
            run(recorder(), (), {**args, "wrong": wrong}, frames, 2)
        run(recorder(), (), {**args, "wrong": wrong}, frames, 1)
        run(recorder(), (), {**args, "wrong": wrong}, frames, 2, {"wrong": "shared"})
    with pytest.raises(ValueError, match=r"'adj': expected a torch.sparse matrix .* found a Tensor"):
        run(recorder(), (), {**args, "adj": torch.zeros(3, 8).to_sparse()}, frames, 2)
    with pytest.raises(ValueError, match=r"'w': .*found 7 rows"):
        run(recorder(), (), {**args, "w": torch.zeros(7)}, frames, 2)


def test_the_users_data_is_not_changed(run, frames_of, holder):
    batch = Batch.from_data_list([Data(pos=torch.randn(2, 3)), Data(pos=torch.randn(1, 3))])
    before = batch.pos.clone()
    frames = frames_of([2, 2], batch.batch)
    for step in (1, 2):
        run(holder(), (batch,), {}, frames, step)
    assert torch.equal(batch.pos, before)
    assert len(batch) == 2
