"""What `scripts/demo` plays, without its set-up."""

import asyncio
import os
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.e2e


async def test_the_demo_shows_seven_flows(tmp_path: Path) -> None:
    demo = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "demo", str(tmp_path / "demo"),
        env=os.environ | {"PYTHONPATH": str(Path(__file__).parents[1]), "COLUMNS": "120"},
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
    )  # fmt: skip
    output, _ = await demo.communicate()
    text = output.decode()
    assert demo.returncode == 0, text
    for number in range(1, 8):
        assert f"{number}. " in text
    for word in ("vc:request", "notifyIChatCallRequest", "initiateIChatCall", "INVITE", "BYE", "received"):
        assert word in text
    assert "FAILED" not in text
