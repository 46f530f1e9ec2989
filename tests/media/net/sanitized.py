"""The compiled loop under the address and undefined behaviour sanitizers, played by its own tests.

    python -m tests.media.net.sanitized [ARGUMENTS OF PYTEST]

builds it once more with them, aside, and runs the tests of the worker with that. Needs gcc and the libraries
of its sanitizers (in Debian both come with `gcc`). `make sanitize` calls it.
"""

import importlib.util
import os
import subprocess
import sys
import sysconfig
import tempfile
from pathlib import Path

import pytest

SOURCE = Path(__file__).parents[3] / "src/ichat_gw/media/net/_fastloop.c"
NAME = "ichat_gw.media.net._fastloop"
TESTS = ("tests/media/net/test_worker.py", "tests/media/net/test_compiled_worker.py")


def build(folder: Path) -> Path:
    """Compile it; raises CalledProcessError when that is not possible."""
    module = folder / "_fastloop.so"
    flags = [
        "-g",
        "-O1",
        "-fno-omit-frame-pointer",
        "-fsanitize=address,undefined",
        "-fno-sanitize-recover=all",
    ]
    include = f"-I{sysconfig.get_paths()['include']}"
    subprocess.run(["gcc", "-shared", "-fPIC", *flags, include, "-o", module, SOURCE], check=True)
    return module


def run(module: Path, arguments: list[str]) -> int:
    """Start Python anew, the sanitizers first; the exit status of its tests."""
    library = subprocess.run(
        ["gcc", "-print-file-name=libasan.so"], stdout=subprocess.PIPE, text=True, check=True
    ).stdout.strip()
    environment = {
        **os.environ,
        "LD_PRELOAD": library,
        # Python itself keeps memory until the end, and its own allocator would hide what we overrun.
        "ASAN_OPTIONS": "detect_leaks=0",
        "PYTHONMALLOC": "malloc",
        "SANITIZED": str(module),
    }
    command = [sys.executable, "-m", "tests.media.net.sanitized", *arguments]
    return subprocess.run(command, env=environment, check=False).returncode


def play(module: str, arguments: list[str]) -> int:
    """In that Python: put the module where the worker looks for it, and run the tests."""
    spec = importlib.util.spec_from_file_location(NAME, module)
    assert spec is not None
    assert spec.loader is not None
    sys.modules[NAME] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(sys.modules[NAME])
    from ichat_gw.media.net import compiled_worker  # only now may it look for the module

    assert compiled_worker._fastloop is sys.modules[NAME]
    return pytest.main(["-q", "-p", "no:cacheprovider", *(arguments or TESTS)])


def main() -> int:
    """The exit status."""
    if (module := os.environ.get("SANITIZED")) is not None:
        return play(module, sys.argv[1:])
    with tempfile.TemporaryDirectory() as folder:
        return run(build(Path(folder)), sys.argv[1:])


if __name__ == "__main__":
    sys.exit(main())
