"""What only Linux or Unix has is not there: everything is still imported, and a call is still made.

This is no macOS and no Windows, which we do not have here: it is Linux with those things taken away, as far
as Python's own standard library can do without them. The worker on its own goes further (`test_poll`).
"""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from peers import flows
from peers.stage import Stage

SRC = Path(__file__).parents[2] / "src"

IMPORT_ALL = """
import asyncio, importlib, os, pkgutil, select, signal, socket, sys
import ichat_gw.confinement  # asks sys.platform before it imports what Windows has not
import aiohttp.web, dns.asyncresolver, prometheus_client, psutil, pydantic, rich.console, slixmpp, structlog
for module in ("uvloop", "resource", "fcntl", "pwd", "grp", "termios", "tty", "curses", "readline"):
    sys.modules[module] = None
for holder, names in (
    (os, "killpg set_blocking pread pwrite fork geteuid getuid getgid O_CLOEXEC O_NONBLOCK chown mkfifo"),
    (signal, "SIGHUP SIGKILL SIGUSR1 SIGUSR2 SIGCHLD SIGPIPE SIGALRM setitimer pthread_sigmask"),
    (socket, "AF_UNIX AF_NETLINK MSG_ERRQUEUE SO_REUSEPORT socketpair TCP_KEEPIDLE"),
    (select, "epoll poll"),
):
    for name in names.split():
        if hasattr(holder, name):
            delattr(holder, name)
import ichat_gw
names = [module.name for module in pkgutil.walk_packages(ichat_gw.__path__, "ichat_gw.")]
for name in names:
    if name != "ichat_gw.media.net._fastloop":
        importlib.import_module(name)
from ichat_gw.app.loop import loop_factory
assert loop_factory() is asyncio.new_event_loop
from ichat_gw.cli.gateway import main
print(len(names))
sys.exit(main(["translate", "xmpp:72@gw.localhost", "-c", sys.argv[1]]))
"""

CONFIG = """JabberServer = 127.0.0.1
JabberComponentName = gw.localhost
JabberComponentPassword = secret-secret
JabberControlUsername = control
TranslationPattern = ^xmpp:(.*)@gw
TranslationOutput = sip:$1@phones.example.org
"""

TAKE_AWAY = """
import asyncio, os, select, selectors, signal, socket, sys
import psutil  # which asks sys.platform what there is
sys.modules["uvloop"] = sys.modules["ichat_gw.media.net._fastloop"] = None
for holder, name in ((select, "epoll"), (select, "poll"), (os, "killpg"), (os, "pread"), (signal, "SIGHUP"),
                     (socket, "MSG_ERRQUEUE")):
    delattr(holder, name)
selectors.DefaultSelector = selectors.SelectSelector
def missing(*args):
    raise NotImplementedError
for name in ("add_signal_handler", "remove_signal_handler", "add_reader", "remove_reader"):
    setattr(asyncio.SelectorEventLoop, name, missing)
"""
"""For every Python that is started: as a `sitecustomize`."""


def test_every_module_can_be_imported(tmp_path: Path) -> None:
    config = tmp_path / "ichat-gw.config"
    config.write_text(CONFIG)
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", IMPORT_ALL, str(config)],
        env=os.environ | {"PYTHONPATH": str(SRC)}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert int(done.stdout.split()[0]) > 100
    assert "sip:72@phones.example.org" in done.stdout


@pytest.mark.e2e
async def test_a_call_in_each_direction(tmp_path: Path) -> None:
    poor = tmp_path / "poor"
    poor.mkdir()
    (poor / "sitecustomize.py").write_text(TAKE_AWAY)
    stage = Stage(tmp_path)
    program = stage.gateway.program
    program.command = ["env", f"PYTHONPATH={poor}:{SRC}", *program.command]
    async with stage:
        assert (await flows.sip_calls_established(stage, talk=0.5)).sound
        await stage.settle()
        assert (await flows.ichat_calls_established(stage, talk=0.5)).sound
    log = stage.gateway.log_file.read_text()
    assert '"loop": "python"' in log
    assert "internal error" not in log
