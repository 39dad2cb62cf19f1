"""Train a network with and without frame averaging, and a learned pair force, on the n-body benchmark.

``python scripts/demo.py`` takes about three minutes on two cores; ``--short`` only tests that it runs.
"""

from __future__ import annotations

import argparse
import os
from concurrent.futures import ProcessPoolExecutor
from contextlib import redirect_stdout
from multiprocessing import get_context
from pathlib import Path

import torch
from torch import Tensor, nn
from torch_geometric.data import Batch

from fa_pyg.datasets.nbody import simulate
from fa_pyg.testing import equivariance_error, random_motion
from fa_pyg.train import NBodyData, load_best, main
from fa_pyg.train.plots import plot_losses, plot_predictions

ROOT = Path(__file__).resolve().parents[1]
FRAMED, FORCE = "fa_kinematic", "pair_force_equivariant"
INPUTS = ("pos", "vel", "charge", "edge_index", "edge_attr", "batch")
MODELS = {  # configuration -> name, published test MSE of its like
    "linear": ("Linear", "0.0819 [1]"),
    "gnn": ("GNN", "0.0107 [1]"),
    FRAMED: ("GNN with frames", "0.0057 [1]"),
    FORCE: ("learned pair force", ""),
}
FOOT = """\
best published: MVN 0.0035 [2], SEGNN and PONITA 0.0043 [3]. Equivariance error: largest deviation of f(gx)
from g f(x) over random E(3) motions g of {graphs} test systems, relative to each system's largest coordinate.
The pair force is a hybrid: equations of motion are built in, the force is learned. All rows:
docs/benchmarks/nbody.md.
[1] Puny et al. 2022, as Linear, GNN and FA-GNN   [2] arXiv 2406.04052   [3] README of PONITA"""


def demo(short: bool) -> None:
    """Prepare the data, train four models, compare them."""
    os.environ["OMP_NUM_THREADS"] = "1"  # a core for each of the two networks
    torch.set_num_threads(1)
    data = NBodyData(ROOT / "data/nbody", num_samples=100 if short else None)
    data.prepare_data()
    print("training the GNN with frames, then a pair force (bars below); beside them the GNN without frames")
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as second:
        bare = second.submit(train, "gnn", short, bar=False)
        runs = {name: train(name, short, bar=name != "linear") for name in (FRAMED, "linear", FORCE)}
        runs["gnn"] = bare.result()
    runs = {name: runs[name] for name in MODELS}
    report(runs, Batch.from_data_list(data.split("test")[:200]), short)


def train(name: str, short: bool, bar: bool) -> dict:
    """Run scripts/train_nbody.py, without its output beside the progress bar, and return the results."""
    few = ["--trainer.max_epochs=10"] if name == FORCE else []  # half of its epochs are enough
    if short:
        few = ["--data.num_samples=100", "--trainer.max_epochs=4", "--trainer.check_val_every_n_epoch=2"]
    folders = [f"--data.root={ROOT / 'data/nbody'}", f"--trainer.default_root_dir={folder(short)}"]
    shown = f"--trainer.enable_progress_bar={str(bar).lower()}"
    with redirect_stdout(None):
        return main(["--config", str(ROOT / f"configs/nbody/{name}.yaml"), *folders, shown, *few])


def folder(short: bool) -> Path:
    return ROOT / "runs" / ("demo_short" if short else "demo")


def report(runs: dict[str, dict], test: Batch, short: bool) -> None:
    """Draw the pictures and print the table."""
    models = {name: load_best(run["folder"]).model for name, run in runs.items()}
    epochs = runs["gnn"]["epochs"]
    losses, pictures = folder(short) / "losses.png", folder(short) / "predictions.png"
    plot_losses(
        {MODELS[name][0]: run["folder"] for name, run in runs.items()}, losses, f"n-body, {epochs} epochs"
    )
    systems = Batch.from_data_list(test.to_data_list()[:4])
    predictions = {MODELS[name][0]: poses(models[name], systems) for name in ("gnn", FRAMED)}
    plot_predictions(
        true_paths(systems), predictions, pictures, "predictions from 30 random poses, moved back"
    )
    print(f"\nloss curves: {losses.relative_to(ROOT)}; trajectories: {pictures.relative_to(ROOT)}\n")
    if short:
        print("SHORT RUN, ONLY A TEST THAT EVERYTHING WORKS: THE FIGURES BELOW MEAN NOTHING\n")
    print(f"{'mean squared error of positions':34}{'test':>10}{'published':>14}   equivariance error")
    print(f"{'':34}{'':>10}{'':>14}   float32   float64")
    for name, model in models.items():
        errors = "".join(
            f"{equivariance(model, test, dtype):10.0e}" for dtype in (torch.float32, torch.float64)
        )
        label = f"{MODELS[name][0]}, {runs[name]['epochs']} epochs"
        print(f"{label:34}{runs[name]['test_mse']:10.4f}{MODELS[name][1]:>14}{errors}")
    print(FOOT.format(graphs=test.num_graphs))


def equivariance(model: nn.Module, data: Batch, dtype: torch.dtype) -> float:
    """Return the largest relative error over rotations, reflections and translations."""
    inputs = {name: cast(data[name], dtype) for name in INPUTS}
    reps = {"pos": "point", "vel": "vector"}
    return max(equivariance_error(model.to(dtype), inputs, "E(3)", reps, "point").values())


def cast(x: Tensor, dtype: torch.dtype) -> Tensor:
    return x.to(dtype) if x.is_floating_point() else x


@torch.no_grad()
def poses(model: nn.Module, data: Batch, times: int = 30) -> Tensor:
    """Return predictions ``[S, times, n, 3]`` of randomly moved copies of S systems, moved back."""
    model, generator, found = model.float(), torch.Generator().manual_seed(0), []
    for _ in range(times):
        motion = random_motion("E(3)", generator)
        moved = {name: data[name] for name in INPUTS} | {
            "pos": motion(data.pos),
            "vel": motion(data.vel, "vector"),
        }
        found.append((model(**moved).double() - motion.translation) @ motion.rotation)
    return torch.stack(found).unflatten(1, (data.num_graphs, -1)).transpose(0, 1)


def true_paths(data: Batch) -> Tensor:
    """Return positions ``[S, 11, n, 3]`` from input to target, by the law of motion."""
    state = [
        data[name].double().numpy().reshape(data.num_graphs, -1, data[name].shape[1])
        for name in INPUTS[2::-1]
    ]
    charge, vel, pos = state
    path = torch.from_numpy(simulate(charge, pos, vel, range(10))[0])
    return torch.cat([torch.from_numpy(pos)[:, None], path], 1)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--short", action="store_true", help="a few steps on a few samples: no figure means anything"
    )
    demo(parser.parse_args().short)
