"""The versions that are claimed: lower bounds, the sets of pins, the workflow and the hooks agree."""

import re
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

try:
    import tomllib
except ModuleNotFoundError:  # Python 3.10; pytest brings tomli
    import tomli as tomllib

ROOT = Path(__file__).resolve().parents[1]
SETTINGS = tomllib.loads((ROOT / "pyproject.toml").read_text())
PROJECT = SETTINGS["project"]
PYTHONS = [tail for one in PROJECT["classifiers"] if re.match(r"\d\.\d+$", tail := one.split(":: ")[-1])]
TRIED = ("train", "chem", "clouds", "wandb", "dev")  # the extras that `make test-oldest` installs
TOOLS = {"ruff", "pyright", "codespell", "pre-commit", "build"}  # of dev: no test runs them
WORKFLOW = yaml.safe_load((ROOT / ".github/workflows/ci.yml").read_text())
JOBS = WORKFLOW["jobs"]


def pins(name: str, python: str) -> dict[str, str]:
    """The versions in a file of constraints that hold for a version of Python; each is there once."""
    found: dict[str, str] = {}
    for line in (ROOT / name).read_text().splitlines():
        if text := line.partition("#")[0].strip():
            pin = Requirement(text)
            if pin.marker is None or pin.marker.evaluate({"python_version": python}):
                key = canonicalize_name(pin.name)
                assert key not in found, f"{name}: {key} is pinned twice for Python {python}"
                found[key] = str(pin.specifier).removeprefix("==")
    return found


def requirements() -> dict[str, Requirement]:
    """What the library and the tested extras need."""
    extras = PROJECT["optional-dependencies"]
    texts = [*PROJECT["dependencies"], *(text for extra in TRIED for text in extras[extra])]
    every = {canonicalize_name(one.name): one for one in map(Requirement, texts)}
    return {name: one for name, one in every.items() if name not in TOOLS}


NEEDED = requirements()


@pytest.mark.parametrize("name", NEEDED)
def test_lower_bound_is_oldest_pin(name):
    """A lower bound that nothing is tested with, and a requirement without one, are found here."""
    bounds = [Version(one.version) for one in NEEDED[name].specifier if one.operator == ">="]
    assert bounds == [Version(pins("constraints-oldest.txt", PYTHONS[0])[name])]


@pytest.mark.parametrize("python", PYTHONS)
@pytest.mark.parametrize("file", ["constraints-oldest.txt", "constraints.txt"])
def test_pins_are_allowed_and_complete(file, python):
    found = pins(file, python)
    assert found.keys() >= NEEDED.keys()
    for name, one in NEEDED.items():
        assert one.specifier.contains(found[name]), f"{one} excludes the pin {found[name]}"


def test_oldest_set_pins_what_is_declared_only():
    assert pins("constraints-oldest.txt", PYTHONS[0]).keys() == NEEDED.keys()


@pytest.mark.parametrize("name", NEEDED)
def test_newer_pythons_do_not_get_older_packages(name):
    versions = [Version(pins("constraints-oldest.txt", python)[name]) for python in PYTHONS]
    assert versions == sorted(versions)


def test_oldest_python():
    assert PROJECT["requires-python"] == f">={PYTHONS[0]}"
    assert SETTINGS["tool"]["ruff"]["target-version"] == "py" + PYTHONS[0].replace(".", "")


def test_workflow_tries_each_python_with_both_sets():
    matrix = JOBS["tests"]["strategy"]["matrix"]
    assert matrix["python"] == PYTHONS
    assert matrix["versions"] == ["oldest", "newest"]
    assert matrix["include"] == [{"versions": "oldest", "constraints": "-c constraints-oldest.txt"}]


def test_workflow_checks_what_every_change_must_pass():
    """By the same targets: a check that is added to one of them is made in both."""
    lines = (ROOT / ".ci/run").read_text().splitlines()
    wanted = {line.split()[1] for line in lines if line.startswith("make ")}
    run = [step.get("run", "") for job in JOBS.values() for step in job["steps"]]
    made = {word for text in run for word in re.findall(r"^make (\w+)$", text, re.M)}
    assert made == wanted - {"test", "smoke", "demo"}  # the first two in environments of their own
    assert any("pytest" in text for text in run)
    assert any("smoke_wheel.sh" in text for text in run)


def test_workflow_may_only_read():
    assert WORKFLOW["permissions"] == {"contents": "read"}
    assert not any("permissions" in job for job in JOBS.values())


@pytest.mark.parametrize("job", JOBS)
def test_job_ends_and_names_versions_of_actions(job):
    assert 0 < JOBS[job]["timeout-minutes"] <= 60
    used = [step["uses"] for step in JOBS[job]["steps"] if "uses" in step]
    assert used, "a job without the sources"
    assert all(re.fullmatch(r"[\w-]+/[\w-]+@v\d+", one) for one in used), used


@pytest.mark.parametrize("job", JOBS)
def test_job_installs_extras_that_exist(job):
    commands = "\n".join(step.get("run", "") for step in JOBS[job]["steps"])
    named = {extra for group in re.findall(r"\.\[([\w,]+)\]", commands) for extra in group.split(",")}
    assert named <= PROJECT["optional-dependencies"].keys()


@pytest.mark.parametrize(("tool", "repository"), [("ruff", "ruff-pre-commit"), ("codespell", "codespell")])
def test_hooks_have_the_pinned_versions(tool, repository):
    hooks = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text())["repos"]
    (revision,) = [one["rev"] for one in hooks if one["repo"].endswith("/" + repository)]
    assert revision == "v" + pins("constraints.txt", PYTHONS[-1])[tool]
