"""A short, bounded run of each fuzz target; `make fuzz` runs them for longer."""

import subprocess
import sys
from pathlib import Path

import pytest

RUNS = {"configuration": 1_500}
"""Fewer where each takes longer."""

pytest.importorskip("atheris", reason="there are atheris wheels for Linux on x86_64 alone")


TARGETS = ("sip_message", "sip_stream", "sdp", "rtp", "ng", "stanzas", "blob", "ipc", "configuration")


@pytest.mark.parametrize("target", TARGETS)
def test_a_short_run_finds_nothing(target: str) -> None:
    command = [
        sys.executable,
        "-m",
        "fuzz",
        target,
        f"-runs={RUNS.get(target, 8_000)}",
        "-max_total_time=60",
        "-seed=1",
    ]
    done = subprocess.run(
        command, cwd=Path(__file__).parent.parent, capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stderr[-3000:]
    assert "Done" in done.stderr
