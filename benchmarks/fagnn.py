"""Epochs of FA-GNN on n-body data: the library's model and loader against a plain implementation.

Plain means what one would write down from the paper: frames by einsum in every layer, one copy of the
graph for each of the eight frames, edge networks on concatenated features, PyG's DataLoader. Both start from
the same weights and see the same batches, so their losses must agree; epochs alternate, and the ratio is
taken pair by pair. ``--profile`` shows where the time of the library's epoch goes.

    python benchmarks/fagnn.py [--epochs 5] [--threads 2] [--profile]
"""

from __future__ import annotations

import argparse
import itertools
import statistics
import time

import torch
from command_line import positive_int
from torch import Tensor, nn
from torch_geometric.loader import DataLoader

from fa_pyg.datasets import InMemoryLoader, NBody
from fa_pyg.models import FAGNN

SIGNS = torch.tensor(list(itertools.product((1.0, -1.0), repeat=3)))


def to_frames(v: Tensor, graphs: int) -> tuple[Tensor, Tensor]:
    """The eight framed copies ``[8 N, C, 3]`` and the frames ``[8, B, 3, 3]`` of vectors ``[N, C, 3]``."""
    cloud = v.reshape(graphs, -1, 3)
    axes = torch.linalg.eigh(torch.einsum("bni,bnj->bij", cloud, cloud))[1]
    frames = axes * SIGNS[:, None, None, :]
    nodes = v.view(graphs, -1, *v.shape[1:])
    return torch.einsum("bnci,kbij->kbncj", nodes, frames).reshape(-1, *v.shape[1:]), frames


def average(y: Tensor, frames: Tensor) -> Tensor:
    """Turns copies ``[8 N, C, 3]`` back and averages them."""
    copies = y.view(8, frames.size(1), -1, *y.shape[1:])
    return torch.einsum("kbncj,kbij->bnci", copies, frames).flatten(0, 1) / 8


def mlp(*widths: int) -> nn.Sequential:
    layers = [part for a, b in itertools.pairwise(widths) for part in (nn.Linear(a, b), nn.SiLU())]
    return nn.Sequential(*layers[:-1])


class PlainFAGNN(nn.Module):
    """FA-GNN as one would write it down."""

    def __init__(self, hidden: int = 60, layers: int = 4) -> None:
        super().__init__()
        self.embed, self.decode = mlp(6, hidden, hidden), mlp(hidden, hidden, 3)
        self.edge = nn.ModuleList(mlp(2 * hidden + 2, hidden, hidden) for _ in range(layers))
        self.node = nn.ModuleList(mlp(2 * hidden, hidden, hidden) for _ in range(layers))
        for node in self.node:
            node[2].bias = None

    def forward(self, pos: Tensor, vel: Tensor, edge_index: Tensor, edge_attr: Tensor, graphs: int) -> Tensor:
        source, target = edge_index
        distance = (pos[target] - pos[source]).square().sum(-1, keepdim=True)
        copies = len(pos) * torch.arange(8)[:, None]
        source, target = (source + copies).flatten(), (target + copies).flatten()
        edge = torch.cat([distance, edge_attr], dim=1).repeat(8, 1)
        nodes = pos.view(graphs, -1, 3)
        v = torch.stack([(nodes - nodes.mean(1, keepdim=True)).view(-1, 3), vel], dim=1)
        framed, frames = to_frames(v, graphs)
        v = average(self.embed(framed.flatten(1)).unflatten(1, (-1, 3)), frames)
        for edge_mlp, node_mlp in zip(self.edge, self.node, strict=True):
            framed, frames = to_frames(v, graphs)
            h = framed.flatten(1)
            message = nn.functional.silu(edge_mlp(torch.cat([h[target], h[source], edge], dim=1)))
            total = torch.zeros_like(h).index_add(0, target, message)
            v = average((h + node_mlp(torch.cat([h, total], dim=1))).unflatten(1, (-1, 3)), frames)
        framed, frames = to_frames(v, graphs)
        return pos + average(self.decode(framed.flatten(1)).unflatten(1, (1, 3)), frames).squeeze(1)

    def load(self, model: FAGNN) -> None:
        """Takes over the weights of the library's model, whose first maps are stored in parts."""
        self.embed.load_state_dict(model.embed.averaging.model.layer.state_dict())
        self.decode.load_state_dict(model.decode.averaging.model.layer.state_dict())
        with torch.no_grad():
            for edge, node, conv in zip(self.edge, self.node, model.convs, strict=True):
                layer = conv.averaging.model.layer
                target, source, own = layer.from_node.weight.chunk(3)
                edge[0].weight.copy_(torch.cat([target, source, layer.from_edge.weight], dim=1))
                edge[0].bias.copy_(layer.from_edge.bias)
                edge[2].load_state_dict(layer.message_out.state_dict())
                node[0].weight.copy_(torch.cat([own, layer.from_messages.weight], dim=1))
                node[0].bias.copy_(layer.from_messages.bias)
                node[2].load_state_dict(layer.node_out.state_dict())


def epoch(step, optimizer: torch.optim.Optimizer, loader) -> tuple[float, float]:
    """One epoch of training; returns its seconds and its mean loss."""
    begin, total = time.perf_counter(), 0.0
    for data in loader:
        optimizer.zero_grad()
        loss = (step(data) - data.y).square().mean()
        loss.backward()
        optimizer.step()
        total += loss.item()
    return time.perf_counter() - begin, total / len(loader)


def agreement(dataset, our_step, plain_step, ours: nn.Module, plain: nn.Module) -> float:
    """The largest relative difference of the losses over the first 10 steps, in float64."""
    worst, models = 0.0, (ours.double(), plain.double())
    optimizers = [torch.optim.Adam(model.parameters(), lr=1e-3) for model in models]
    for data in itertools.islice(InMemoryLoader(dataset, 100), 10):
        data = data.apply(lambda x: x.double() if x.is_floating_point() else x)
        losses = [(step(data) - data.y).square().mean() for step in (our_step, plain_step)]
        for loss, optimizer in zip(losses, optimizers, strict=True):
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        worst = max(worst, (losses[0] / losses[1] - 1).abs().item())
    for model in models:
        model.float()
    return worst


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--root", default="data/nbody")
    parser.add_argument("--epochs", type=positive_int, default=5)
    parser.add_argument("--threads", type=positive_int, default=2)
    parser.add_argument("--profile", action="store_true")
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    torch.manual_seed(0)
    dataset = NBody(args.root, "train")
    ours, plain = FAGNN(), PlainFAGNN()
    plain.load(ours)

    def our_step(data):
        return ours(
            data.pos, data.vel, data.charge, data.edge_index, data.edge_attr, data.batch, data.num_graphs
        )

    def plain_step(data):
        return plain(data.pos, data.vel, data.edge_index, data.edge_attr, data.num_graphs)

    print(
        f"losses of 10 steps in float64 agree to {agreement(dataset, our_step, plain_step, ours, plain):.0e}"
    )
    # Each as its training does: the published code with plain Adam, ours with the fused one of NBodyModule.
    optimizer = torch.optim.Adam(ours.parameters(), lr=1e-3, fused=True)
    runs = {
        "plain": (plain_step, torch.optim.Adam(plain.parameters(), lr=1e-3), DataLoader(dataset, 100)),
        "fa_pyg": (our_step, optimizer, InMemoryLoader(dataset, 100)),
    }
    seconds: dict[str, list[float]] = {name: [] for name in runs}
    print(f"{args.threads} threads, {len(dataset)} samples, batch 100")
    print("epoch   plain s  fa_pyg s   plain loss  fa_pyg loss")
    for number in range(args.epochs + 1):
        results = {name: epoch(*run) for name, run in runs.items()}
        (a, loss_a), (b, loss_b) = results["plain"], results["fa_pyg"]
        print(
            f"{number:5d} {a:9.2f} {b:9.2f} {loss_a:12.6f} {loss_b:12.6f}"
            + ("   (warm-up)" if number == 0 else "")
        )
        if number:
            for name in runs:
                seconds[name].append(results[name][0])
    ratios = [a / b for a, b in zip(seconds["plain"], seconds["fa_pyg"], strict=True)]
    for name, values in seconds.items():
        print(f"{name}: median epoch {statistics.median(values):.2f} s")
    print(f"plain / fa_pyg: {statistics.median(ratios):.2f} (min {min(ratios):.2f}, max {max(ratios):.2f})")
    if args.profile:
        with torch.profiler.profile() as profile:
            epoch(*runs["fa_pyg"])
        print(profile.key_averages().table(sort_by="self_cpu_time_total", row_limit=16))


if __name__ == "__main__":
    main()
