"""Code on the pages runs as written and confirms their statements; links and files that they name exist."""

import importlib.util
import re
import sys
import warnings
from pathlib import Path

import pytest
import torch
import yaml

from fa_pyg.testing import assert_equivariant

ROOT = Path(__file__).resolve().parents[1]
DOCS = ROOT / "docs"
GUIDES = DOCS / "guides"
BUILT = ("_build", "generated", "jupyter_execute")
PAGES = sorted(
    [*ROOT.glob("*.md"), *(page for page in DOCS.rglob("*.md") if not {*page.parts} & {*BUILT})],
    key=str,
)


def shown(page):
    return str(page.relative_to(ROOT))


def run(page):
    """All that a page's code defines, block after block, as a reader would type it."""
    names = {}
    blocks = re.findall(r"^```python\n(.*?)^```", page.read_text(encoding="utf-8"), re.M | re.S)
    for number, block in enumerate(blocks):
        exec(compile(block, f"{page.name}, block {number}", "exec"), names)
    return names | {"blocks": len(blocks)}


@pytest.fixture(scope="module")
def names():
    torch.manual_seed(0)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        return run(GUIDES / "choosing.md")


def test_it_runs(names):
    text = (GUIDES / "choosing.md").read_text(encoding="utf-8")
    assert names["blocks"] == text.count("```python") > 3
    assert names["out"]["scalar"].shape == (8, 8)


def test_the_bare_network_fails_where_the_framed_one_passes(names):
    args = {key: names[key] for key in ("z", "pos", "batch")}
    assert_equivariant(names["exact"], args, "E(3)")
    with pytest.raises(AssertionError, match="not equivariant"):
        assert_equivariant(names["net"], args, "E(3)", {"pos": "point"}, "scalar")


def test_what_its_comments_say(names):
    z, pos, batch = names["z"], names["pos"], names["batch"]
    frames = names["WeightedPCAFrame"]("E(3)")(pos, batch=batch, node_weight=z)
    assert frames.counts.tolist() == [96, 8]
    fast = names["WeightedPCAFrame"]("E(3)", smoothness="fast")(pos, batch=batch, node_weight=z)
    assert fast.counts.tolist() == [24, 4]
    assert frames.exact_for("tensor").tolist() == [True, True]
    plain = names["PCAFrame"]
    assert plain("E(3)")(pos, batch=batch).exact_for("scalar").tolist() == [False, True]
    with pytest.warns(UserWarning, match="PCAFrame"):
        plain("E(3)", on_degenerate="warn")(pos, batch=batch)


def prose(page):
    """The text of a page without blocks of code."""
    return re.sub(r"^```.*?^```", "", page.read_text(encoding="utf-8"), flags=re.M | re.S)


def anchors(page):
    """The sections of a page, as links name them."""
    titles = re.findall(r"^#+ (.*)$", prose(page), re.M)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


@pytest.mark.parametrize("page", PAGES, ids=shown)
def test_every_page_and_section_that_it_links_to_is_there(page):
    text = re.sub(r"\$[^$]+\$|(?<!\])`[^`\n]*`", "`", prose(page))
    for target in re.findall(r"\]\(([^)\s]*)\)", text):
        if target.startswith(("http:", "https:")) or "generated/" in target:
            continue
        file, _, section = target.partition("#")
        other = page.parent / file if file else page
        assert other.exists(), target
        assert not section or section in anchors(other), target


def files_named(text):
    """Paths of files of this repository in code, from its root or from that of the package."""
    paths = re.findall(r"`([\w.\-]+(?:/[\w.\-]+)+\.(?:py|md|yaml))`", text)
    return [path for path in paths if path.split("/")[0] not in ("runs", "my_folder")]


@pytest.mark.parametrize("page", PAGES, ids=shown)
def test_every_file_that_it_names_is_there(page):
    missing = [
        path
        for path in files_named(page.read_text(encoding="utf-8"))
        if not any((home / path).exists() for home in (ROOT, ROOT / "fa_pyg", page.parent))
    ]
    assert missing == []


def test_a_file_that_is_not_there_is_found():
    assert files_named("see `config/trust.py`, `name.py` and `runs/a/config.yaml`") == ["config/trust.py"]


def test_the_start_page_has_the_example_of_the_readme():
    page, readme = ((folder / name).read_text() for folder, name in ((DOCS, "index.md"), (ROOT, "README.md")))
    for kind in ("python", "text"):  # tests/test_readme.py runs it
        (shown,) = re.findall(rf"^```{kind}\n.*?^```", page, re.M | re.S)
        assert shown in readme


def test_the_page_on_graphs_runs():
    torch.manual_seed(0)
    names = run(GUIDES / "graphs.md")
    assert names["y"].shape == (1, 10)
    args = {key: names[key] for key in ("x", "edge_index", "batch")}
    with pytest.raises(AssertionError, match="not equivariant"):
        assert_equivariant(names["net"], args, "S(n)")


def test_the_page_on_scaling_and_boosts_runs():
    names = run(GUIDES / "similarity.md")
    system, conjugate = names["system"], names["Conjugate"](names["net"])
    opposite = {**system, "charge": -system["charge"]}
    assert torch.allclose(conjugate(**system), conjugate(**opposite), rtol=1e-12)
    assert not torch.allclose(names["net"](**system), names["net"](**opposite), atol=1e-4)
    with pytest.raises(AssertionError, match="scaled"):
        assert_equivariant(names["net"], system, "Sim(3)", names["inputs"], names["later"])


def test_the_configuration_on_the_page_is_the_one_in_its_file():
    text = (GUIDES / "similarity.md").read_text(encoding="utf-8")
    block = yaml.safe_load(re.search(r"^```yaml\n(.*?)^```", text, re.M | re.S)[1])
    file = yaml.safe_load((ROOT / "configs/nbody/fa_gnn_haar_scaled.yaml").read_text())
    settings = file["model"]["model"]["init_args"]
    assert block == {name: settings[name] for name in ("frame", "inputs", "output")}


@pytest.fixture(scope="module")
def api():
    """The module that writes the pages of the reference; needs Sphinx."""
    pytest.importorskip("sphinx")
    spec = importlib.util.spec_from_file_location("api_pages", DOCS / "extensions/api_pages.py")
    module = sys.modules["api_pages"] = importlib.util.module_from_spec(spec)  # dataclasses look it up
    spec.loader.exec_module(module)
    return module


def test_every_public_name_has_a_page(api, tmp_path):
    written = {path for page in api.write(tmp_path) for path in page.paths}
    every = {f"fa_pyg.{room}.{name}" for room, found in api.rooms().items() for name in found}
    assert len(every) > 250
    assert every <= written
    pages = list((tmp_path / api.FOLDER).glob("*.rst"))
    assert len({path.name.lower() for path in pages}) == len(pages)
    assert "autoclass:: fa_pyg.PCAFrame" in (tmp_path / api.FOLDER / "fa_pyg.PCAFrame.rst").read_text()


def test_a_room_that_is_in_no_group_is_found(api, monkeypatch):
    monkeypatch.setattr(api, "GROUPS", [group for group in api.GROUPS if group[0] != "plot"])
    with pytest.raises(ValueError, match=r"GROUPS: expected .* found none of \['plot'\]"):
        api.pages()
