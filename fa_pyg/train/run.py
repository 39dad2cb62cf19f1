"""Train and test a model, and load it again."""

from __future__ import annotations

import io
import json
import sys
from collections.abc import Iterable, Sequence
from contextlib import redirect_stderr
from pathlib import Path
from typing import Any

import torch
from lightning.pytorch.utilities.seed import isolate_rng

from fa_pyg.files import write_atomically
from fa_pyg.files.runs import find_run
from fa_pyg.train.cli import FitCLI
from fa_pyg.train.divergence import check_finite
from fa_pyg.train.fit import FitModule
from fa_pyg.train.options import check_run
from fa_pyg.train.quiet import say
from fa_pyg.train.tasks.find import find_task
from fa_pyg.train.tasks.nbody import NBodyCLI

__all__ = ["load_best", "main"]


def main(
    args: Sequence[str] | None = None, make: type[FitCLI] = NBodyCLI, prog: str | None = None
) -> dict[str, Any]:
    """Train, test the weights of the best validation error, and write the results beside the checkpoints.

    Args:
        args: the command line; default that of the process, which then ends with 2 if settings or data are
            wrong, with 1 if the training diverges.
        make: the task.
        prog: the command, for usage and errors; default the name of the script.

    Returns:
        The content of ``results.json``: test figures and validation error, best epoch, number of epochs, the
        folder.

    Raises:
        ValueError: for settings and data that are wrong.
        FloatingPointError: for a loss or weight that is not finite, after which all steps would be lost; the
            checkpoints of before stay.
    """
    try:
        return _run(make(args) if prog is None else make(args, prog=prog))
    except (ValueError, OSError) as error:
        if args is not None:
            raise
        print(f"error: {error}", file=sys.stderr)
        raise SystemExit(2) from error
    except FloatingPointError as error:
        if args is not None:
            raise
        say(f"error: {error}", sys.stderr)
        raise SystemExit(1) from error


def _run(cli: FitCLI) -> dict[str, Any]:
    check_run(cli.config)
    if cli.resume:
        say(f"resuming from {cli.resume}")
    try:
        cli.trainer.fit(cli.model, cli.datamodule, ckpt_path=cli.resume, weights_only=True)
    except SystemExit:  # Lightning turns Ctrl-C into this
        last = cli.folder / "last.ckpt"
        hint = f"; the same command with --ckpt_path last resumes from {last}"
        say("interrupted" + (hint if last.exists() else " before the end of an epoch; nothing is kept"))
        raise
    return _report(cli)


def _report(cli: FitCLI) -> dict[str, Any]:
    """Test the best checkpoint; print and write the results."""
    trainer, epochs = cli.trainer, cli.trainer.current_epoch
    best, val = _best(cli)
    check_finite(f"validation {cli.model.monitor}", val, best)
    tested = trainer.test(cli.model, cli.datamodule, ckpt_path=best, weights_only=True, verbose=False)[0]
    check_finite(f"test {cli.model.monitor}", tested[f"test/{cli.model.monitor}"], best)
    kept = torch.load(best, map_location="cpu", weights_only=True)
    results = {
        "name": cli.config.name,
        **{f"test_{name}": tested[f"test/{name}"] for name in cli.model.names},
        f"val_{cli.model.monitor}": val,
        "best_epoch": min(kept["epoch"] + 1, epochs),
        "epochs": epochs,
        "seed": cli.config.seed_everything,
        "parameters": sum(p.numel() for p in cli.model.parameters()),
        "folder": str(cli.folder),
    }
    if trainer.is_global_zero:
        write_atomically(cli.folder / "results.json", json.dumps(results, indent=2) + "\n")
        cli.draw()
        figures = ", ".join(f"test {_title(name)} {results[f'test_{name}']:.5f}" for name in cli.model.names)
        print("{name}: {0} at epoch {best_epoch} of {epochs} ".format(figures, **results), end="")
        print(f"(validation {val:.5f}); results, curves and checkpoints in {cli.folder}")
    return results


def _best(cli: FitCLI) -> tuple[str, float]:
    """Return the best checkpoint and its validation error; without a validation so far, those of the end."""
    trainer = cli.trainer
    callback: Any = trainer.checkpoint_callback
    if best := callback.best_model_path:
        if Path(best).resolve().parent != cli.folder.resolve():  # named by the checkpoint that was resumed
            raise ValueError(
                f"--ckpt_path: expected a best checkpoint in {cli.folder}, found {best!r} in its state"
            )
        return best, float(callback.best_model_score)
    late = trainer.current_epoch % cli.config.checkpoint_every > 0  # any last checkpoint is older
    best = str(cli.folder / ("final.ckpt" if late else "last.ckpt"))
    if late:  # under another name: a run cannot be resumed exactly from after its end
        trainer.save_checkpoint(best)
    found = trainer.validate(cli.model, cli.datamodule, ckpt_path=best, weights_only=True, verbose=False)
    return best, float(found[0][f"val/{cli.model.monitor}"])


def _title(name: str) -> str:
    return name.upper() if name == "mse" else name


def load_best(
    folder: str | Path, make: type[FitCLI] | None = None, trust: str | Iterable[str] = ()
) -> FitModule:
    """Load the module of a run with the weights of its best validation error, in evaluation mode, on the CPU.

    Its data are built as for training. A file of somebody else may name the classes of an allowlist and of
    ``trust``, as for :func:`fa_pyg.potential.load`, and no others.

    Args:
        folder: of the run, ``version_<k>``.
        make: the task; by default the one of this package whose settings are those of ``config.yaml``.
        trust: more names that the configuration may hold.

    Raises:
        ValueError: naming the file, for a configuration that names what is not trusted, of no known task,
            or with settings that the task refuses.
    """
    checkpoint, config = find_run(folder), Path(folder) / "config.yaml"
    make = find_task(config) if make is None else make
    here = ["--ckpt_path=null", "--trainer.accelerator=cpu", "--trainer.devices=1", "--trainer.strategy=auto"]
    here += [f"--trust={name}" for name in ([trust] if isinstance(trust, str) else trust)]
    with isolate_rng():
        cli = _made(make, config, here)
    cli.model.load_state_dict(torch.load(checkpoint, "cpu", weights_only=True)["state_dict"])
    return cli.model.eval()


def _made(make: type[FitCLI], config: Path, options: Sequence[str]) -> FitCLI:
    """Build a task from a file; what its parser would print before it ends the process becomes an error."""
    said = io.StringIO()
    try:
        with redirect_stderr(said):
            cli = make(["--config", str(config), *options])
    except SystemExit as stopped:
        reason = said.getvalue().rpartition("error: ")[2].strip()
        raise ValueError(
            f"{config}: expected the settings of {make.__name__}, found others ({reason})"
        ) from stopped
    print(said.getvalue(), end="", file=sys.stderr)  # warnings
    return cli
