"""What a confined process can do no more."""

import subprocess
import sys
from types import SimpleNamespace
from unittest.mock import Mock

import pytest

from ichat_gw import confinement

CONFINED = "from ichat_gw.confinement import *; confine(memory=512 * MIB); "


def run(code: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", CONFINED + code]
    return subprocess.run(command, check=False, capture_output=True, text=True, timeout=30)


@pytest.mark.skipif(sys.platform != "linux", reason="what Linux promises")
def test_it_gets_no_new_privileges_and_leaves_no_core() -> None:
    done = run("print(open('/proc/self/status').read(), open('/proc/self/limits').read())")
    assert "NoNewPrivs:\t1" in done.stdout
    assert [line.split()[4:6] for line in done.stdout.splitlines() if "core file" in line] == [["0", "0"]]


@pytest.mark.skipif(sys.platform != "linux", reason="what Linux promises")
def test_its_memory_is_bounded() -> None:
    done = run("x = bytearray(600 * MIB)")
    assert "MemoryError" in done.stderr
    assert run("x = bytearray(100 * MIB)").returncode == 0


def test_a_limit_that_is_lower_already_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    said: list[tuple[int, int]] = []

    class Limits:
        RLIMIT_CORE, RLIMIT_AS, RLIM_INFINITY = 1, 2, -1

        @staticmethod
        def getrlimit(limit: int) -> tuple[int, int]:
            return (100, 100) if limit == 2 else (-1, -1)

        @staticmethod
        def setrlimit(limit: int, to: tuple[int, int]) -> None:
            said.append((limit, to[1]))
            if limit == 1:
                raise ValueError("not here")

    monkeypatch.setattr(confinement, "resource", Limits)
    monkeypatch.setattr(confinement, "ctypes", SimpleNamespace(CDLL=Mock()))
    confinement.confine(memory=1000)
    assert said == [(1, 0), (2, 100)]
