"""Pages of the API reference, written from the `__all__` of every room before a build: one for each name.

A name cannot be forgotten: every room that has public names must be in `GROUPS`.
"""

from __future__ import annotations

import inspect
import pkgutil
import re
import sys
import textwrap
from dataclasses import dataclass, field
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import Any

from sphinx.pycode import ModuleAnalyzer

import fa_pyg

__all__ = ["GROUPS", "MENTIONED", "Page", "pages", "rooms", "setup", "write"]

# Groups of the reference, in order: file, title, rooms below fa_pyg. "models/points" are those names of
# fa_pyg.models that are defined in fa_pyg.models.points.
GROUPS: list[tuple[str, str, str]] = [
    ("frames", "Frames", "builders frames"),
    ("operator", "Operator and layers", "nn"),
    ("groups", "Groups and representations", "groups reps"),
    ("transforms", "Transforms", "transforms"),
    ("models_particles", "Models of particles", "models/particles"),
    ("models_molecules", "Models of molecules", "models/molecules"),
    ("models_points", "Models of point clouds", "models/points"),
    ("models_graphs", "Models of graphs", "models/graphs"),
    ("neighbors", "Neighbors", "neighbors"),
    ("datasets", "Data sets", "datasets"),
    ("loader", "Loaders", "loader"),
    ("io", "Files of molecules and points", "io"),
    ("potential", "Potentials and the ASE calculator", "potential ase trained"),
    ("dynamics", "Dynamics and vibrations", "dynamics"),
    ("train", "Training", "train"),
    ("testing", "Tests of models and frames", "testing"),
    ("canonical", "Canonical labelling", "canonical"),
    ("separation", "Separation", "separation"),
    ("cad", "Mechanical parts", "cad"),
    ("plot", "Plots", "plot"),
    ("memory", "Memory", "memory"),
    ("config", "Configurations", "config"),
    (
        "internals",
        "Internals",
        "batches calls checks copies environment files lazy moved progress renamed workers",
    ),
]
# Classes that are in no room's `__all__`, but that public names inherit from, take or return.
MENTIONED = [
    "builders.combine.WrappedFrame",
    "builders.similarity.SimilarityFrame",
    "cad.draw.Draw",
    "config.allowlist.Allowlist",
    "calls.collation.Collation",
    "calls.indices.NodeIndices",
    "calls.sizes.Sizes",
    "canonical.choice.Choice",
    "canonical.divide.Division",
    "canonical.graphs.Graphs",
    "canonical.orbits.Labels",
    "canonical.orbits.Orbits",
    "canonical.twins.Twins",
    "datasets.clouds.mesh_pools.MeshPools",
    "datasets.clouds.pools.Pools",
    "datasets.molecule_statistics.TargetStatistics",
    "dynamics.bonds.Bonds",
    "frames.local_index.LocalIndex",
    "frames.motion.MotionFrames",
    "frames.permuted_rows.PermutedRows",
    "io.xyz.lines.Block",
    "io.xyz.lines.Text",
    "nn.invariants.Invariants",
    "io.xyz.options.ReadOptions",
    "io.xyz.table_rows.TableRows",
    "loader.epochs.EpochLoader",
    "models.molecules.cell_frames.Crystals",
    "models.molecules.heads.Head",
    "models.molecules.units.Units",
    "models.points.clouds.Clouds",
    "testing.contract.base.ContractBase",
    "testing.contract.degenerate.DegenerateContract",
    "testing.contract.maps.MapContract",
    "testing.contract.models.ModelContract",
    "testing.contract.modules.ModuleContract",
    "testing.reports.result.Curve",
    "testing.reports.result.Points",
    "train.split_data.SplitData",
    "train.tasks.clouds.Clouds",
    "train.tasks.clouds.Draw",
    "train.tasks.molecules_on_disk.MoleculesOnDisk",
    "train.tasks.targets.Targets",
    "transforms.reading.FrameTransform",
]
# Command lines are described in the guides; names for static types are of no use elsewhere.
HIDDEN = ("__main__", "cli", "options", "typed")
FOLDER = Path("api") / "generated"
HEAD = ".. Written by docs/extensions/api_pages.py.\n\n"
ROLE = re.compile(r":(?!math)\w+:`~?(?:\w+\.)*(\w+)`")


@dataclass
class Page:
    """Public object, with every path that it can be imported from; the first is the one shown."""

    value: Any
    paths: list[str] = field(default_factory=list)
    room: str = ""
    file: str = ""

    def rank(self, path: str) -> tuple[bool, bool, bool]:
        """Return what orders paths: the present spelling, in fa_pyg itself, in the room."""
        module, _, name = path.rpartition(".")
        older = name != getattr(self.value, "__name__", name)
        return older, module != "fa_pyg", module != f"fa_pyg.{self.room.partition('/')[0]}"

    @property
    def name(self) -> str:
        return self.paths[0].rpartition(".")[2]

    @property
    def kind(self) -> str:
        if inspect.isclass(self.value):
            return "class"
        return "function" if inspect.isroutine(self.value) else "data"

    @property
    def doc(self) -> str:
        """Docstring; of a constant, the one below its assignment."""
        if self.kind == "data":
            return data_doc(*self.paths[0].rpartition(".")[::2])
        return inspect.getdoc(self.value) or ""

    @property
    def summary(self) -> str:
        """First line of the docstring, without links, which may be relative to the object."""
        return ROLE.sub(r"``\1``", self.doc.partition("\n")[0])

    @property
    def text(self) -> str:
        also = [f"``{path}``" for path in self.paths[1:]]
        note = f"\nAlso importable as {' and '.join(also)}.\n" if also else ""
        options = "   :members:\n   :show-inheritance:\n" if self.kind == "class" else ""
        body = data(self) if self.kind == "data" else f".. auto{self.kind}:: {self.paths[0]}\n{options}"
        return f"{HEAD}{heading(self.name)}\n{body}{note}"


def heading(title: str, line: str = "=") -> str:
    return f"{title}\n{line * len(title)}\n"


def data(page: Page) -> str:
    """Return the description of a constant or of an alias of types."""
    value = re.sub(r"(typing|collections\.abc)\.", "", repr(page.value))
    shown = f"   :value: {value}\n" if len(value) < 100 and "<" not in value else ""
    return f".. py:data:: {page.paths[0]}\n{shown}\n{textwrap.indent(page.doc, '   ')}\n"


def data_doc(room: str, name: str) -> str:
    """Return the docstring of a constant, from the module that assigns it."""
    value = getattr(sys.modules[room], name)
    for path in sorted(path for path in sys.modules if path.startswith("fa_pyg")):
        if getattr(sys.modules[path], name, None) is value:
            docs = ModuleAnalyzer.for_module(sys.modules[path].__name__).find_attr_docs()
            if ("", name) in docs:
                return "\n".join(docs["", name])
    raise ValueError(f"{room}.{name}: expected a docstring below its assignment, found none")


@cache
def rooms() -> dict[str, list[str]]:
    """Return the public names of every package of fa_pyg, and of every module at its top."""
    found = {}
    for info in pkgutil.walk_packages(fa_pyg.__path__, "fa_pyg."):
        room = info.name.removeprefix("fa_pyg.")
        if (info.ispkg or "." not in room) and room.split(".")[0] not in HIDDEN:
            found[room] = list(getattr(import_module(info.name), "__all__", []))
    return {room: sorted(names, key=str.lower) for room, names in found.items() if names}


def groups() -> dict[str, list[str]]:
    """Return the rooms of each group, with packages inside a room of the group that it does not name."""
    result = {file: group.split() for file, _, group in GROUPS}
    named = {room for group in result.values() for room in group}
    for inner in sorted(set(rooms()) - named):
        home = next((group for group in result.values() if inner.split(".")[0] in group), None)
        if home is not None:
            home.append(inner)
    return result


def pages() -> dict[str, list[Page]]:
    """Return the pages of each room of `GROUPS`; every object is in the first room that has it.

    Raises:
        ValueError: for a room that is in no group, and for a name of a room that is on no page.
    """
    names, listed = rooms(), [room for group in groups().values() for room in group]
    if missing := set(names) - {room.split("/")[0] for room in listed}:
        raise ValueError(
            f"GROUPS: expected every room that has public names, found none of {sorted(missing)}"
        )
    known = collect(listed, names)
    shown = {path for page in known for path in page.paths}
    every = {f"fa_pyg.{room}.{name}" for room, found in names.items() for name in found}
    if missing := every - shown:
        raise ValueError(f"pages: expected one for every public name, found none of {sorted(missing)}")
    known.sort(key=lambda page: page.name.lower())
    result = {room: [page for page in known if page.room == room] for room in listed}
    result["mentioned"] = [mentioned(f"fa_pyg.{path}") for path in MENTIONED]
    name_files([page for group in result.values() for page in group])
    return result


def collect(listed: list[str], names: dict[str, list[str]]) -> list[Page]:
    """Return a page for every public object, with its paths and the room that defines it, or the first."""
    found: dict[Any, Page] = {}
    for room in listed:
        package, _, kind = room.partition("/")
        for name in names.get(package, []):
            value = getattr(import_module(f"fa_pyg.{package}"), name)
            home = getattr(value, "__module__", "")
            if kind and f".{package}.{kind}" not in home:
                continue
            plain = inspect.isclass(value) or inspect.isroutine(value)
            page = found.setdefault(id(value) if plain else (name, id(value)), Page(value))
            page.paths += [f"fa_pyg.{name}"] if name in fa_pyg.__all__ else []
            page.paths.append(f"fa_pyg.{package}.{name}")
            defines = plain and "." not in package and f"{home}.".startswith(f"fa_pyg.{package}.")
            page.room = room if defines else page.room or room
    for page in found.values():
        page.paths = sorted(dict.fromkeys(page.paths), key=page.rank)
    return list(found.values())


def mentioned(path: str) -> Page:
    module, _, name = path.rpartition(".")
    return Page(getattr(import_module(module), name), [path])


def name_files(every: list[Page]) -> None:
    """Give each page a file whose name differs from others in more than the case of letters."""
    taken: set[str] = set()
    for page in every:
        page.file = page.paths[0]
        while page.file.lower() in taken:
            page.file += "_"
        taken.add(page.file.lower())


def write(source: Path) -> list[Page]:
    """Write the pages of all groups below `source`, and return those of the names."""
    made, folder = pages(), source / FOLDER
    every = [page for group in made.values() for page in group]
    texts = {f"{page.file}.rst": page.text for page in every}
    for file, title, _ in GROUPS:
        group = [room for room in groups()[file] if made[room] or "." not in room]
        body = "\n".join(section(room, made[room], len(group) > 1) for room in group)
        texts[f"{file}.rst"] = f"{HEAD}{heading(title)}\n{body}"
    inner = f"\n{heading('Classes that signatures mention', '-')}\n{table(made['mentioned'])}"
    texts["internals.rst"] += inner
    folder.mkdir(parents=True, exist_ok=True)
    for path in folder.iterdir():
        if path.name not in texts:
            path.unlink()
    for file, text in texts.items():
        path = folder / file
        if not path.exists() or path.read_text(encoding="utf-8") != text:  # the others keep their time
            path.write_text(text, encoding="utf-8")
    return every


def section(room: str, listed: list[Page], titled: bool) -> str:
    """Return a room on the page of its group: what its docstring says, and a table of its names."""
    module = f"fa_pyg.{room.replace('/', '.')}"
    title = f"{heading(f'``{module}``', '-')}\n" if titled and listed else ""
    # A room in another is no target of references: functions may have its name.
    hidden = "   :no-index:\n" if "." in room else ""
    head = f"{title}.. automodule:: {module}\n{hidden}\n.. currentmodule:: None\n\n"
    return head + (table(listed) if listed else "")


def table(listed: list[Page]) -> str:
    """Return a table of names and first lines of docstrings, and a table of contents of their pages."""
    rows = [f"   * - :py:obj:`~{page.paths[0]}`\n     - {page.summary}" for page in listed]
    files = [f"   {page.name} <{page.file}>" for page in listed]
    head = ".. list-table::\n   :widths: 30 70\n   :class: names\n\n"
    return head + "\n".join(rows) + "\n\n.. toctree::\n   :hidden:\n\n" + "\n".join(files) + "\n\n"


def setup(app: Any) -> dict[str, bool]:
    app.connect("builder-inited", lambda app: setattr(app, "api_pages", write(Path(app.srcdir))))
    return {"parallel_read_safe": True, "parallel_write_safe": True}
