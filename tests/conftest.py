"""What all tests share: coroutine tests on one event loop, and the rule that in CI no server is missing."""

import asyncio
import inspect
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

SERVERS = {
    "prosody": "prosody",
    "ejabberdctl": "ejabberd",
    "sipp": "sip-tester",
    "baresip": "baresip-core",
    "kamailio": "kamailio",
    "rtpengine": "rtpengine-daemon",
    "svwar": "sipvicious",
    "setpriv": "util-linux",
    "chromium": "chromium",
}
"""The programs that tests marked e2e need, with their Debian packages."""


@pytest.fixture(scope="session")
def runner() -> Iterator[asyncio.Runner]:
    """The event loop of all coroutine tests; fixtures use it for their asynchronous parts."""
    with asyncio.Runner() as runner:
        yield runner


@pytest.hookimpl(tryfirst=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> bool | None:
    """Run a coroutine test to its end."""
    if not inspect.iscoroutinefunction(pyfuncitem.obj):
        return None
    runner: asyncio.Runner = pyfuncitem._request.getfixturevalue("runner")
    names = pyfuncitem._fixtureinfo.argnames
    runner.run(pyfuncitem.obj(**{name: pyfuncitem.funcargs[name] for name in names}))
    return True


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Skip an e2e test whose servers are missing; where everything must run, fail it instead."""
    if item.get_closest_marker("e2e") is None:
        return
    path = f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin"
    missing = [
        f"{name} ({package})" for name, package in SERVERS.items() if not shutil.which(name, path=path)
    ]
    if not any(Path("/usr/lib").glob("*/kamailio/modules/tls.so")):
        missing.append("TLS for Kamailio (kamailio-tls-modules)")
    if missing:
        verdict = pytest.fail if os.environ.get("CI") else pytest.skip
        verdict(f"not installed: {', '.join(missing)}; scripts/setup installs them")
