"""Which loop a worker runs."""

import os
import subprocess
import sys

import pytest

from ichat_gw.media.net.compiled_worker import is_built
from ichat_gw.media.relay_messages import FrameCutter, Started, read_reply


@pytest.mark.parametrize(
    ("asked", "loop"), [("", "compiled" if is_built() else "python"), ("python", "python")]
)
def test_the_worker_says_which_loop_it_runs(asked: str, loop: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "ichat_gw.media.net.worker_start"],
        input=b"",
        stdout=subprocess.PIPE,
        env={**os.environ, "ICHAT_GW_RELAY_LOOP": asked},
        check=True,
        timeout=30,
    )
    (body,) = FrameCutter().feed(done.stdout)
    started = read_reply(body)
    assert isinstance(started, Started)
    assert started.loop == loop
