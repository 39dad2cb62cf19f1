"""Graph separation benchmark: compute the parts of all rows, and keep each result in a file."""

from __future__ import annotations

import hashlib
import json
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from time import monotonic
from typing import Any

import torch
import yaml
from lightning.pytorch.utilities.seed import isolate_rng
from torch import Tensor
from torch_geometric.data import Batch

from fa_pyg.config.old_names import with_old_settings
from fa_pyg.datasets import EXP, GRAPH8c
from fa_pyg.datasets.exp_like import EXPLike
from fa_pyg.files import write_atomically
from fa_pyg.files.checked_json import DamagedFile
from fa_pyg.files.tensors import load, save
from fa_pyg.progress import bar as show
from fa_pyg.separation.protocol import is_settled, judged, random_outputs
from fa_pyg.separation.relabelled import relabelled
from fa_pyg.train import GraphCLI, main
from fa_pyg.train.results import read_result
from fa_pyg.train.separation.rows import MODELS, PARTS, Row, factory
from fa_pyg.train.tasks.graphs import whole

__all__ = ["Benchmark"]

SAVE_EVERY = 10.0  # seconds


@dataclass(frozen=True)
class Benchmark:
    """Settings of the benchmark, and the folder of its results.

    Attributes:
        out: folder of the results.
        root: folder of the data sets.
        data: ``"exp"``, or ``"exp-like"`` for generated pairs.
        initializations: number of random models in a count. Published: 100.
        seeds: of the trained models.
        epochs: of training; default those of the configuration.
        num_nodes: of the graphs of GRAPH8c.
        num_pairs: of ``"exp-like"``.
        progress: show progress bars.
    """

    out: Path
    root: Path = Path("data")
    data: str = "exp"
    initializations: int = 100
    seeds: tuple[int, ...] = (0, 1, 2)
    epochs: int | None = None
    num_nodes: int = 8
    num_pairs: int = 600
    progress: bool = True

    def run(self, rows: Sequence[Row], parts: Sequence[str] = PARTS) -> Iterator[dict[str, Any]]:
        """Yield the results of all parts of all rows (see :meth:`result`), short parts first."""
        tasks = [(row, part, seed) for part in parts for seed in self._seeds(part) for row in rows]
        tasks = [task for task in tasks if task[1] in task[0].parts]
        with show(tasks, desc="separation", unit="part", progress=self.progress) as bar:
            for row, part, seed in bar:
                bar.set_postfix_str(f"{row.name}, {part}")
                yield self.result(row, part, seed)

    def result(self, row: Row, part: str, seed: int = 0) -> dict[str, Any]:
        """Return the result of a part of a row, from its file if there is one for the same settings.

        Returns:
            ``"row"``, ``"part"``, ``"seed"`` and ``"seconds"``, and either ``"not_told_apart"``,
            ``"soundness"``, ``"graphs"`` and the number of models or the ``results.json`` of a
            :class:`~fa_pyg.train.GraphCLI`.
        """
        path = self._path(row, part, seed)
        if known := read_result(path):
            return known
        path.parent.mkdir(parents=True, exist_ok=True)
        begin = monotonic()
        found = (self._trained if part == "exp_classify" else self._counted)(row, part, seed)
        found = {"row": row.name, "part": part, "seed": seed, "seconds": monotonic() - begin, **found}
        write_atomically(path, json.dumps(found, indent=2) + "\n")
        return found

    def _counted(self, row: Row, part: str, seed: int) -> dict[str, Any]:
        data = self.num_nodes if part == "graph8c" else self.data
        graphs, copies = _graphs(data, self.root, self.num_pairs, seed)
        make = factory(row.parts[part], row.trust)
        given = make()
        path = self._path(row, part, seed).with_suffix(".pt")
        outputs = _read_outputs(path)
        sets = (graphs, copies)
        found = random_outputs(
            lambda: make().model,
            sets,
            given.inputs,
            given.transforms,
            self.initializations,
            seed=seed,
            first=len(outputs),
        )
        pairs = None if part == "graph8c" else torch.arange(graphs.num_graphs).view(-1, 2)
        self._collect(found, outputs, pairs, path, f"{row.name}, {part}")
        result = judged(outputs, pairs)
        path.unlink(missing_ok=True)
        return {
            "not_told_apart": len(result.pairs),
            "soundness": result.soundness,
            "graphs": graphs.num_graphs,
            MODELS: self.initializations,
            "needed": len(outputs),  # more could not change the figures
        }

    def _collect(
        self, found: Iterator[Tensor], outputs: list[Tensor], pairs: Tensor | None, path: Path, name: str
    ) -> None:
        """Collect the outputs that can matter, and write them regularly to resume an interrupted count."""
        bar = show(
            found,
            desc=name,
            total=self.initializations,
            initial=len(outputs),
            unit="model",
            progress=self.progress,
            leave=False,
        )
        written = monotonic()
        for one in bar:
            outputs.append(one)
            if is_settled(outputs, pairs):
                return
            if monotonic() - written > SAVE_EVERY:
                save(path, {"outputs": torch.stack(outputs)})
                written = monotonic()

    def _trained(self, row: Row, part: str, seed: int) -> dict[str, Any]:
        folder, name = self.out / "training", self._path(row, part, seed).stem
        arguments = ["--config", yaml.safe_dump(dict(row.parts[part])), f"--seed_everything={seed}"]
        arguments += [f"--name={name}", f"--trainer.default_root_dir={folder}", *self._data_arguments()]
        arguments += ["--checkpoint_every=5", *(f"--trust={one}" for one in row.trust)]
        if self.epochs is not None:
            arguments += [f"--trainer.max_epochs={self.epochs}"]
        if not self.progress:
            arguments += ["--trainer.enable_progress_bar=false"]
        if list((folder / name).glob("version_*/last.ckpt")):
            arguments += ["--ckpt_path=last"]
        try:
            with isolate_rng():
                results = main(arguments, GraphCLI)
        except FloatingPointError as error:
            raise FloatingPointError(f"{row.name}, seed {seed}: {error}") from error
        # The best one stays; a checkpoint of the largest models has a third of a gigabyte.
        (Path(results["folder"]) / "last.ckpt").unlink(missing_ok=True)
        return results

    def _data_arguments(self) -> list[str]:
        kind = {"exp": "EXP", "exp-like": "EXPLike"}[self.data]
        arguments = [f"--data.dataset=fa_pyg.datasets.{kind}", f"--data.dataset.root={self.root / kind}"]
        if self.data == "exp":
            return arguments
        share = 2 * max(1, self.num_pairs // 6)
        more = [f"--data.dataset.num_pairs={self.num_pairs}", f"--data.val={share}", f"--data.test={share}"]
        return arguments + more

    def _seeds(self, part: str) -> tuple[int, ...]:
        return self.seeds if part == "exp_classify" else (0,)

    def _path(self, row: Row, part: str, seed: int) -> Path:
        """Return the file of a result; another one for other settings, whatever the names of arguments."""
        settings: dict[str, Any] = {"settings": with_old_settings(row.parts[part])}
        if part == "exp_classify":
            settings |= {"data": self.data, "epochs": self.epochs, "num_pairs": self.num_pairs}
        else:
            data = self.num_nodes if part == "graph8c" else [self.data, self.num_pairs]
            settings |= {"data": data, MODELS: self.initializations}
        digest = hashlib.sha256(json.dumps(settings, sort_keys=True).encode()).hexdigest()[:8]
        return self.out / "parts" / f"{row.name}_{part}_seed{seed}_{digest}.json"


def _read_outputs(path: Path) -> list[Tensor]:
    """Return the outputs of an interrupted count; none, with a warning, if the file is damaged."""
    try:
        return list(load(path)["outputs"]) if path.exists() else []
    except (DamagedFile, KeyError, TypeError) as error:
        warnings.warn(
            f"{path}: expected the outputs of a count, found none ({error}); it starts again", stacklevel=2
        )
        return []


@cache
def _graphs(data: str | int, root: Path, num_pairs: int, seed: int) -> tuple[Batch, Batch]:
    """Return all graphs of a data set, and a relabeled copy of each."""
    if isinstance(data, int):
        dataset = GRAPH8c(root / "GRAPH8c", data, log=False)
    elif data == "exp":
        dataset = EXP(root / "EXP")
    else:
        dataset = EXPLike(root / "EXPLike", num_pairs)
    graphs = whole(dataset)
    return graphs, relabelled(graphs, torch.Generator().manual_seed(seed))
