"""CPU time of a training step of the n-body networks, part by part.

Each configuration is built as ``scripts/train_nbody.py`` builds it. One round times every part of every one
once, in random order: "loss" is the forward pass with the loss, "backward" the gradients alone, "step" both
with clipping and the optimizer. Ratios are to the step of the first network, without frames, in the same
round. ``--lightning`` then trains with a trainer and runs a plain step between its steps: the difference is
what Lightning, the callbacks and the loader take. ``--compile`` adds steps under ``torch.compile``, which
needs a compiler; ``--profile`` lists operators by the median of their durations, which a busy machine hardly
changes.

    python benchmarks/nbody_steps.py [--rows gnn fa_gnn ...] [--lightning] [--compile] [--profile]
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
import warnings
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path

import torch
from command_line import positive, positive_int
from lightning.pytorch import Callback
from timing import interleaved, median_ms, ratio

from fa_pyg import FrameAveraging
from fa_pyg.train.tasks.nbody import NBodyCLI

CONFIGS = Path(__file__).parents[1] / "configs" / "nbody"
ROWS = ["gnn", "fa_gnn_haar", "fa_kinematic", "fa_galilean", "egnn", "fa_gnn"]


class Step:
    """Parts of the training step of a configuration, on batches in turn."""

    def __init__(self, name: str, root: str, folder: str) -> None:
        self.cli = _cli(name, root, folder)
        self.module = self.cli.model.train()
        self.batches = list(self.cli.datamodule.train_dataloader())
        self.clip = self.cli.trainer.gradient_clip_val
        # A learning rate of 0 is the same work, and leaves every step the weights of the first.
        self.optimizer = torch.optim.AdamW(self.module.parameters(), 0.0, fused=True)
        self.count, self.kept = 0, None

    def loss(self) -> torch.Tensor:
        batch = self.batches[self.count % len(self.batches)]
        self.count += 1
        predicted = self.module(batch)
        return self.module.loss(predicted, batch, self.module.measures(predicted, batch))

    def prepared(self) -> None:
        """Compute the loss whose gradients :meth:`backward` takes, again and again."""
        self.kept = self.loss()

    def backward(self) -> None:
        self.optimizer.zero_grad()
        self.kept.backward(retain_graph=True)

    def update(self) -> None:
        if self.clip:
            torch.nn.utils.clip_grad_norm_(self.module.parameters(), self.clip)
        self.optimizer.step()

    def full(self) -> None:
        self.optimizer.zero_grad()
        self.loss().backward()
        self.update()


def _cli(name: str, root: str, folder: str, *more: str) -> NBodyCLI:
    given = ["--config", str(CONFIGS / f"{name}.yaml"), "--data.root", root, "--trainer.accelerator", "cpu"]
    given += ["--trainer.default_root_dir", folder, "--trainer.enable_progress_bar", "false", *more]
    return NBodyCLI(given)


class Beside(Callback):
    """Time the steps of a trainer, from one batch to the next, and a plain step before each of them."""

    def __init__(self, plain: Callable[[], object]) -> None:
        self.plain, self.began = plain, None
        self.times: dict[str, list[float]] = {"plain": [], "lightning": []}

    def on_train_batch_start(self, *args: object) -> None:
        now = time.process_time()
        if self.began is not None:
            self.times["lightning"].append(now - self.began)
        self.plain()
        self.began = time.process_time()
        if self.times["lightning"] or not self.times["plain"]:
            self.times["plain"].append(self.began - now)


def table(steps: dict[str, Step], seconds: float) -> None:
    """Print the parts of a step of each configuration."""
    for step in steps.values():
        step.prepared()
    parts = {
        f"{name} {part}": getattr(step, part)
        for name, step in steps.items()
        for part in ("loss", "backward", "full")
    }
    times = interleaved(parts, seconds, clock=time.process_time)
    first = f"{next(iter(steps))} full"
    print(
        f"rounds: {len(times[first])}\n{'':22}loss  backward      step      ms  steps/s   (ratios to {first})"
    )
    for name in steps:
        cells = "".join(
            f"{ratio(times, f'{name} {part}', first):10.2f}" for part in ("loss", "backward", "full")
        )
        ms = median_ms(times, f"{name} full")
        print(f"{name:16}{cells}{ms:8.2f}{1e3 / ms:9.1f}", flush=True)


def rest(step: Step, seconds: float) -> None:
    """Print what a step takes beside the network's loss and gradients."""
    loader, position = step.cli.datamodule.train_dataloader(), iter(())
    weights = [p.detach() for p in step.module.parameters()]
    copies = [weight.clone() for weight in weights]

    def batch() -> None:
        nonlocal position
        if next(position, None) is None:
            position = iter(loader)
            next(position)

    def average() -> None:  # as in fa_pyg.train.EMA
        torch._foreach_lerp_(copies, weights, 1e-3)

    step.full()
    parts = {"step": step.full, "clipping and optimizer": step.update, "EMA": average, "loader": batch}
    times = interleaved(parts, seconds, clock=time.process_time)
    print("share of a step: " + ", ".join(f"{name} {ratio(times, name, 'step'):.3f}" for name in parts))


def lightning(name: str, step: Step, root: str, folder: str) -> None:
    """Print the CPU time of a step of a Lightning trainer over that of a plain step."""
    beside = Beside(step.full)
    cli = _cli(name, root, folder, "--trainer.max_epochs", "2", "--trainer.limit_val_batches", "0")
    cli.trainer.callbacks.insert(0, beside)
    cli.trainer.fit(cli.model, cli.datamodule)
    pairs = list(zip(beside.times["lightning"], beside.times["plain"], strict=False))[1:]
    share = statistics.median(a / b for a, b in pairs)
    print(
        f"{name}: a step of Lightning with loader, callbacks and logs over a plain one: {share:.3f}",
        flush=True,
    )


def compiled(steps: dict[str, Step], seconds: float) -> None:
    """Print steps of compiled networks over those of the same networks as they are."""
    for name, step in steps.items():
        plain, begin = step.module.model, time.perf_counter()
        fast = _compiled(plain)

        def run(model: torch.nn.Module, step: Step = step) -> None:
            step.module.model = model
            step.full()

        try:
            run(fast)
        except Exception as error:  # there is no compiler, or the network cannot be traced
            print(f"{name}: left out ({type(error).__name__}: {str(error).splitlines()[0]})", flush=True)
            step.module.model = plain
            continue
        first = time.perf_counter() - begin
        parts = {"plain": lambda run=run, m=plain: run(m), "compiled": lambda run=run, m=fast: run(m)}
        times = interleaved(parts, seconds, clock=time.process_time)
        step.module.model = plain
        share = ratio(times, "compiled", "plain")
        print(f"{name}: compiled step / step {share:.3f}, first call {first:.0f} s", flush=True)


def _compiled(model: torch.nn.Module) -> torch.nn.Module:
    """The network inside of frame averaging compiled, with the same parameters; any other network whole."""
    if not isinstance(model, FrameAveraging):
        return torch.compile(model)
    inner = torch.compile(model.model)
    return FrameAveraging(
        inner,
        model.frame,
        model.inputs,
        model.output,
        model.reads,
        model.node_weight,
        model.level,
        model.levels,
    )


def profile(name: str, step: Step, count: int = 12) -> None:
    """Print the operators that take most, each by the median of its calls on tensors of the same shapes."""
    with torch.profiler.profile(record_shapes=True) as record:
        for _ in range(count):
            step.full()
    calls = defaultdict(list)
    for event in record.events():
        calls[event.name, str(event.input_shapes)].append(event.self_cpu_time_total)
    total: dict[str, float] = defaultdict(float)
    for (operator, _), durations in calls.items():
        total[operator] += statistics.median(durations) * len(durations) / count / 1e3
    print(f"\n{name}: ms a step, {sum(total.values()):.1f} in all")
    for operator, ms in sorted(total.items(), key=lambda item: -item[1])[:14]:
        print(f"{ms:8.3f}  {operator}")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--root", default="data/nbody")
    parser.add_argument(
        "--rows", nargs="+", default=ROWS, help="names of configurations; ratios are to the first"
    )
    parser.add_argument("--seconds", type=positive, default=60, help="for each table")
    parser.add_argument("--threads", type=positive_int, default=1)
    for option in ("lightning", "compile", "profile"):
        parser.add_argument(f"--{option}", action="store_true")
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    warnings.filterwarnings("ignore")  # of Lightning: few workers, small batches
    with tempfile.TemporaryDirectory() as folder:
        steps = {name: Step(name, args.root, folder) for name in args.rows}
        table(steps, args.seconds)
        for name in [name for name in ("fa_gnn_haar", "fa_gnn") if name in steps]:
            rest(steps[name], args.seconds / 6)
            if args.lightning:
                lightning(name, steps[name], args.root, folder)
        if args.compile:
            compiled(steps, args.seconds / 6)
        if args.profile:
            for name, step in steps.items():
                profile(name, step)


if __name__ == "__main__":
    main()
