"""One short run of every task through its command line: weights, optimizer, averages and figures."""

from __future__ import annotations

import contextlib
import io
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
import yaml

from fa_pyg.testing import catalogue
from hashed import Cases

__all__ = ["CANONICAL", "DEGREE", "GIN", "MOLECULES", "cases", "labelled_xyz", "made", "run", "silent"]

EMA = [{"class_path": "fa_pyg.train.EMA", "init_args": {"decay": 0.9}}]


def made(name: str, **given: object) -> dict:
    """A class of a configuration."""
    return {"class_path": name, "init_args": given} if given else {"class_path": name}


def framed(model: dict, frame: dict) -> dict:
    inputs = {"pos": "point", "vel": "vector"}
    return made("fa_pyg.FrameAveraging", model=model, frame=frame, inputs=inputs, output="point")


def permode(group: str, level: str = "fast") -> dict:
    frame = made("fa_pyg.WeightedPCAFrame", group=group, smoothness=level)
    return made("fa_pyg.PerMode", train=made("fa_pyg.HaarFrame", group=group, k=1), eval=frame)


PCA = made("fa_pyg.PCAFrame", group="E(3)")
GNN = made("fa_pyg.models.GNN", hidden=8, layers=2)
PARTICLES = {
    "linear": {"model": made("fa_pyg.models.Linear")},
    "gnn": {"model": GNN, "weight_decay": 1e-4, "schedule": "cosine", "huber": 0.2},
    "fagnn": {"model": made("fa_pyg.models.FAGNN", hidden=6, layers=2)},
    "fagnn, not fused": {"model": made("fa_pyg.models.FAGNN", hidden=6, layers=2, fused=False)},
    "pca": {"model": framed(GNN, PCA)},
    "haar": {"model": framed(GNN, permode("E(3)"))},
    "learned": {"model": framed(GNN, made("fa_pyg.LearnedFrame", group="E(3)"))},
    "sampled": {"model": framed(GNN, made("fa_pyg.Sample", frame=PCA, k=1))},
}


def faenet(**more: object) -> dict:
    return made("fa_pyg.models.FAENet", hidden=8, layers=1, num_radial=4, **more)


def potential(model: dict, frame: dict | None, **more: object) -> dict:
    return made("fa_pyg.models.Potential", model=model, frame=frame, **more)


WEIGHTED = made("fa_pyg.WeightedPCAFrame", group="E(3)")
DIPOLE = {"energy": "scalar", "dipole": "vector"}
DIRECT = {"energy": "scalar", "forces": "node vector"}
MOLECULES = {
    "forces": {
        "model": potential(faenet(heads=DIPOLE), WEIGHTED),
        "weights": {"energy": 0.1, "forces": 1.0, "dipole": 0.1},
        "schedule": "cosine",
    },
    "consistency": {
        "model": potential(faenet(), permode("SE(3)")),
        "consistency": 10.0,
        "huber": 1.0,
        "weights": {"energy": 0.1, "forces": 1.0},
    },
    "forces of a head": {
        "model": potential(faenet(heads=DIRECT), PCA, gradient=False),
        "weights": {"energy": 0.1, "forces": 1.0},
    },
    "energy": {"model": potential(faenet(), None), "weights": {"energy": 1.0}},
}
STRESS = {
    "model": potential(faenet(cutoff=4.0), WEIGHTED, cell_frame=made("fa_pyg.models.LabeledCell")),
    "weights": {"energy": 0.1, "forces": 1.0, "stress": 1.0},
}
GIN = made(
    "fa_pyg.models.GIN", in_channels=3, hidden=8, num_layers=2, out_channels=1, ids=96, readout="mean", head=4
)
CANONICAL = made("fa_pyg.CanonicalFrame")
SPECTRAL = made("fa_pyg.SpectralFrame", max_frames=3)
DEGREE = made("fa_pyg.transforms.NodeDegree")


def ordered(frame: dict) -> dict:
    return made("fa_pyg.FrameAveraging", model=GIN, frame=frame)


GRAPHS = {
    "gin": ({"model": GIN}, [DEGREE]),
    "canonical": (
        {"model": ordered(CANONICAL)},
        [DEGREE, made("fa_pyg.transforms.AddFrames", frame=CANONICAL)],
    ),
    "spectral": (
        {"model": ordered(SPECTRAL), "sample": 1},
        [DEGREE, made("fa_pyg.transforms.AddFrames", frame=SPECTRAL)],
    ),
    "random": ({"model": ordered(made("fa_pyg.RandomNodeFrame"))}, [DEGREE]),
}


def labelled_xyz(count: int = 40) -> str:
    """Small molecules with the energy, forces and dipole of a potential of pairs, as extended XYZ."""
    clouds = [cloud for cloud in catalogue(3, ["molecules", "chiral"]) if len(cloud.pos) < 12]
    draw, text = torch.Generator().manual_seed(0), ""
    for number in range(count):
        cloud = clouds[number % len(clouds)]
        pos = cloud.pos + 0.1 * torch.randn(cloud.pos.shape, generator=draw).double()
        z = torch.ones(len(pos), dtype=torch.long) if cloud.z is None else cloud.z
        apart = pos[:, None] - pos
        well = (-apart.square().sum(2) / 4).exp()
        forces = (0.2 * apart * well[..., None]).sum(1)
        energy = 0.2 * float(well.triu(1).sum() * 2 - 1000.123456789 * z.sum())
        dipole = " ".join(f"{x:.8f}" for x in (pos[0] - pos[-1]).tolist())
        text += f"{len(pos)}\nProperties=species:S:1:pos:R:3:forces:R:3 energy={energy:.9f} "
        text += f'dipole="{dipole}"\n'
        for row in zip(z.tolist(), torch.cat([pos, forces], 1).tolist(), strict=True):
            text += f"{row[0]} " + " ".join(f"{x:.8f}" for x in row[1]) + "\n"
    return text


@contextlib.contextmanager
def silent() -> Iterator[None]:
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
        yield


def run(task: str, model: dict, data: dict, folder: str) -> list:
    """Weights, their averages, the optimizer and all figures of a run of two epochs."""
    from fa_pyg.train import GraphCLI, MoleculeCLI, NBodyCLI, main

    trainer = {"max_epochs": 2, "enable_progress_bar": False, "callbacks": EMA, "default_root_dir": folder}
    config = yaml.safe_dump({"model": model, "data": data, "trainer": {**trainer, "accelerator": "cpu"}})
    make = {"nbody": NBodyCLI, "graphs": GraphCLI, "molecules": MoleculeCLI}[task]
    arguments, sys.argv = sys.argv, ["train"]
    try:
        with silent():
            results = main(["--config", config], make)
    finally:
        sys.argv = arguments
    where = Path(results.pop("folder"))
    found: list = [results, (where / "metrics.csv").read_text()]
    for file in ("best.ckpt", "last.ckpt"):
        kept = torch.load(where / file, weights_only=True)
        found += [kept["state_dict"], kept["optimizer_states"], kept.get("ema")]
    return found


def particles(model: dict) -> list:
    with tempfile.TemporaryDirectory() as name:
        data = {"root": f"{name}/nbody", "num_samples": 10, "batch_size": 4}
        return run("nbody", model, data, name)


def molecules(model: dict, kind: str = "XYZ", text: str | None = None) -> list:
    with tempfile.TemporaryDirectory() as name:
        path = Path(name) / "all.xyz"
        path.write_text(text or labelled_xyz())
        dataset = made(f"fa_pyg.datasets.{kind}", root_or_files=str(path))
        dataset["dict_kwargs"] = {"targets": ["energy"]}
        return run("molecules", model, {"dataset": dataset, "val": 8, "test": 8, "batch_size": 8}, name)


def crystals_xyz() -> str:
    """Crystals with energy, forces and stress of the effective medium theory, and molecules."""
    from ase.build import bulk, molecule
    from ase.calculators.emt import EMT
    from ase.calculators.singlepoint import SinglePointCalculator
    from ase.io import write

    text, draw = io.StringIO(), np.random.default_rng(0)
    for number in range(20):
        atoms = (
            molecule("H2O") if number % 4 == 3 else bulk("Cu" if number % 2 else "Au", cubic=number % 3 == 0)
        )
        atoms.set_cell(atoms.cell.array @ (np.eye(3) + 0.03 * draw.normal(size=(3, 3))), scale_atoms=True)
        atoms.rattle(0.05, rng=draw)
        atoms.calc = EMT()
        found = {"energy": atoms.get_potential_energy(), "forces": atoms.get_forces()}
        found |= {"stress": atoms.get_stress()} if atoms.pbc.all() else {}
        atoms.calc = SinglePointCalculator(atoms, **found)
        write(text, atoms, format="extxyz")
    return text.getvalue()


def graphs(model: dict, transforms: list[dict]) -> list:
    with tempfile.TemporaryDirectory() as name:
        dataset = made("fa_pyg.datasets.EXPLike", root=f"{name}/pairs", num_pairs=6)
        data = {"dataset": dataset, "transforms": transforms, "val": 2, "test": 2, "batch_size": 4}
        return run("graphs", model, data, name)


def cases() -> Cases:
    """Yield the cases of this file."""
    for name, model in PARTICLES.items():
        yield f"training/n-body/{name}", lambda m=model: particles(m)
    for name, model in MOLECULES.items():
        yield f"training/molecules/{name}", lambda m=model: molecules(m)
    yield "training/molecules/lazily", lambda: molecules(MOLECULES["consistency"], "LazyXYZ")
    yield "training/molecules/stress", lambda: molecules(STRESS, text=crystals_xyz())
    for name, (model, transforms) in GRAPHS.items():
        yield f"training/graphs/{name}", lambda m=model, t=transforms: graphs(m, t)
