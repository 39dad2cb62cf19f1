"""Types that users see: pyright accepts accepted.py, and reports each marked line of refused.py and no other.

.venv/bin/python tests/types/check.py
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
MARK = "# error"


def reported(*files: Path) -> dict[Path, dict[int, str]]:
    """Run pyright, which is installed beside this Python, and return its errors by file and line."""
    command = [str(Path(sys.executable).with_name("pyright")), "--outputjson", *map(str, files)]
    done = subprocess.run(command, cwd=HERE.parents[1], capture_output=True, text=True, check=False)
    if done.returncode not in (0, 1):
        raise SystemExit(
            f"pyright: expected errors or none, found exit status {done.returncode}\n{done.stderr}"
        )
    found: dict[Path, dict[int, str]] = {file: {} for file in files}
    for one in json.loads(done.stdout)["generalDiagnostics"]:
        if one["severity"] == "error":
            found[Path(one["file"])][one["range"]["start"]["line"] + 1] = one["message"]
    return found


def marked(file: Path) -> set[int]:
    """Return the lines of a file that pyright must report."""
    lines = file.read_text(encoding="utf-8").splitlines()
    return {number for number, line in enumerate(lines, 1) if line.endswith(MARK)}


def main() -> None:
    files = (HERE / "accepted.py", HERE / "refused.py")
    faults: list[str] = []
    for file, errors in reported(*files).items():
        expected = marked(file)
        faults += [f"{file.name}:{line}: expected an error, found none" for line in expected - errors.keys()]
        faults += [
            f"{file.name}:{k}: expected none, found: {text}"
            for k, text in errors.items()
            if k not in expected
        ]
    if faults or not marked(files[1]):
        raise SystemExit("\n".join(faults) or "refused.py: expected marked lines, found none")
    print(f"types of users' code: {len(marked(files[1]))} mistakes reported, and nothing else")


if __name__ == "__main__":
    main()
