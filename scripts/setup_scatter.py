"""Install torch_scatter, compiled against the installed torch: a part of ``make test``.

A torch_scatter that was built against another torch fails on import, and pip cannot tell. It is accepted only
if a fresh process computes correctly with it, and wheels are cached by the version of torch. fa_pyg does not
need it: if it cannot be built, a message says so and the installation continues.
"""

from __future__ import annotations

import os
import subprocess
import sys
import sysconfig
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
WHEELS = ROOT / ".cache/wheels"
LOG = WHEELS / "torch_scatter.log"
PIP = [sys.executable, "-m", "pip", "--disable-pip-version-check"]
PROOF = """
import torch, torch_scatter
index = torch.tensor([0, 0, 1, 3, 3, 3])
src = torch.arange(12.0, dtype=torch.double).view(6, 2).requires_grad_()
out = torch_scatter.scatter_sum(src, index, dim=0, dim_size=4)
native = src.new_zeros(4, 2).index_add(0, index, src)
assert torch.equal(out, native)
grads = [torch.autograd.grad(y.square().sum(), src)[0] for y in (out, native)]
assert torch.equal(*grads)
assert torch.equal(torch_scatter.scatter_max(src, index, dim=0, dim_size=4)[0][3], src[5])
assert torch.equal(torch_scatter.segment_csr(src, torch.tensor([0, 2, 3, 3, 6])), native)
"""


def works() -> bool:
    """Return whether a fresh process imports torch_scatter and computes correctly with it."""
    return subprocess.run([sys.executable, "-c", PROOF], capture_output=True).returncode == 0


def cache() -> Path:
    """Return the folder of the wheels for this torch, this Python and this machine."""
    import torch
    from torch.utils.cpp_extension import CUDA_HOME

    kernels = "cuda" if CUDA_HOME and torch.cuda.is_available() else "cpu"
    parts = [f"torch-{torch.__version__}", sys.implementation.cache_tag, sysconfig.get_platform(), kernels]
    return WHEELS / "-".join(parts)


def install(folder: Path) -> bool:
    """Install the cached wheel, and return whether it works; one that does not is deleted."""
    for wheel in folder.glob("torch_scatter-*.whl"):
        subprocess.run([*PIP, "install", "-q", "--no-deps", "--force-reinstall", wheel], check=False)
        if works():
            return True
        wheel.unlink()
    return False


def build(folder: Path) -> None:
    """Compile a wheel on all cores, without the cache of pip, which ignores the version of torch."""
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder) as tmp, open(LOG, "w") as log:
        # Its setup.py turns ninja off, but setuptools can compile the four extensions in parallel.
        config = Path(tmp, "build.cfg")
        config.write_text(f"[build_ext]\nparallel = {min(os.cpu_count() or 1, 4)}\n")
        env = os.environ | {"DIST_EXTRA_CONFIG": str(config), "CFLAGS": "-g0"}  # stripped afterwards anyway
        command = [*PIP, "wheel", "-v", "--no-build-isolation", "--no-deps", "--no-cache-dir", "-w", tmp]
        command += ["-c", ROOT / "constraints.txt", "--no-binary=torch_scatter", "torch_scatter"]
        subprocess.run(command, stdout=log, stderr=log, env=env, check=False)
        for wheel in Path(tmp).glob("torch_scatter-*.whl"):
            os.replace(wheel, folder / wheel.name)


def main() -> None:
    if works():
        return
    folder = cache()
    if not install(folder):
        print("Compiling torch_scatter against the installed torch (once, five minutes) ...", flush=True)
        start = time.perf_counter()
        build(folder)
        if not install(folder):
            subprocess.run([*PIP, "uninstall", "-q", "-y", "torch_scatter"], capture_output=True)
            print(f"torch_scatter could not be built (see {LOG.relative_to(ROOT)}): continuing without it.")
            return
        print(f"Compiled in {time.perf_counter() - start:.0f} s.")
    print(f"torch_scatter works; its wheel is kept in {folder.relative_to(ROOT)}.")


if __name__ == "__main__":
    main()
