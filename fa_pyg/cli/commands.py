"""Table of the commands of ``fa-pyg``, and its help."""

from __future__ import annotations

from typing import NamedTuple

__all__ = ["COMMANDS", "Command", "group_help", "groups", "overview"]

AGAIN = "the same command starts again"
RESUMES = "the same command resumes"


class Command(NamedTuple):
    """A command: a module of ``fa_pyg.cli``, whose ``main`` takes ``first`` and the arguments of the user."""

    module: str
    summary: str
    first: tuple[str, ...] = ()
    interrupted: str = AGAIN


TRAINING = (
    "nothing is kept before the end of an epoch; after it, the same command with --ckpt_path last resumes"
)
COMMANDS = {
    "train nbody": Command("train", "positions of charged particles", ("nbody",), TRAINING),
    "train graphs": Command("train", "classes of graphs", ("graphs",), TRAINING),
    "train molecules": Command("train", "energies, forces, dipoles, ...", ("molecules",), TRAINING),
    "train normals": Command("train", "normals of point clouds", ("normals",), TRAINING),
    "train shapes": Command("train", "classes of point clouds", ("shapes",), TRAINING),
    "predict molecules": Command(
        "predict", "XYZ in, XYZ out", ("molecules",), "nothing was written; " + AGAIN
    ),
    "predict normals": Command("predict", "scans in, normals out", ("normals",), "finished files stay"),
    "dynamics": Command("dynamics", "molecular dynamics at constant energy, with several models"),
    "rollout": Command("rollout", "n-body models on their own predictions, many steps"),
    "reproduce nbody": Command("reproduce.nbody", "the n-body table", (), RESUMES),
    "reproduce separation": Command("reproduce.separation", "graphs that models tell apart", (), RESUMES),
    "reproduce molecules": Command("reproduce.molecules", "frames compared on forces", (), RESUMES),
    "reproduce normals": Command("reproduce.normals", "normals and classes of CAD parts", (), RESUMES),
    "reproduce frames": Command("reproduce.frames", "frames compared in training, n-body", (), RESUMES),
    "check": Command("check", "is a model equivariant, conservative, smooth? A report"),
    "configs list": Command("configs", "names of the configurations, and what each is", ("list",)),
    "configs copy": Command("configs", "a configuration as a file to edit", ("copy",)),
    "build parts": Command("datasets.parts", "CAD parts with exact normals", (), RESUMES),
    "build molecules": Command("datasets.molecules", "snapshots of five small molecules", (), RESUMES),
}
GROUPS = {
    "train": "train and test a model",
    "predict": "predict with a trained model",
    "reproduce": "train the models of a table, and write it",
    "configs": "configurations that come with fa_pyg",
    "build": "data sets that are computed here",
}
USAGE = """\
usage: fa-pyg COMMAND [options]

Frame averaging for PyTorch Geometric.

"""
EXAMPLE = """
  fa-pyg configs list nbody
  fa-pyg train nbody --config fa_kinematic
  fa-pyg COMMAND --help        fa-pyg --version
"""


def groups() -> dict[str, list[str]]:
    """Return the first words of all commands, each with its second words."""
    found: dict[str, list[str]] = {}
    for name in COMMANDS:
        first, _, second = name.partition(" ")
        found.setdefault(first, []).extend([second] if second else [])
    return found


def overview() -> str:
    """Return the help of ``fa-pyg``."""
    lines = []
    for name, parts in groups().items():
        usage = f"{name} {{{','.join(parts)}}}" if parts else name
        summary = GROUPS.get(name) or COMMANDS[name].summary
        lines.append(f"  {usage}\n{'':14}{summary}" if len(usage) > 11 else f"  {usage:12}{summary}")
    return USAGE + "\n".join(lines) + "\n" + EXAMPLE


def group_help(group: str) -> str:
    """Return the help of a group of commands."""
    names = groups()[group]
    lines = [f"  {name:12}{COMMANDS[f'{group} {name}'].summary}" for name in names]
    usage = f"usage: fa-pyg {group} {{{','.join(names)}}} [options]"
    return "\n".join([usage, "", f"{GROUPS[group]}:", *lines, ""])
