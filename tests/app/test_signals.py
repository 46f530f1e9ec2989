"""Signals reach the loop, whether it can take them or not."""

import asyncio
import signal

import pytest

from ichat_gw.app.signals import off_signal, on_signal


class LoopOfWindows(asyncio.SelectorEventLoop):
    """A loop without signals."""

    def add_signal_handler(self, *args: object) -> None:
        raise NotImplementedError

    def remove_signal_handler(self, sig: int) -> bool:
        raise NotImplementedError


@pytest.mark.parametrize("make", [asyncio.SelectorEventLoop, LoopOfWindows])
def test_a_signal_is_a_call_on_the_loop(make: type[asyncio.SelectorEventLoop]) -> None:
    async def wait_for_it() -> None:
        loop = asyncio.get_running_loop()
        came = asyncio.Event()
        on_signal(loop, signal.SIGUSR1, came.set)
        signal.raise_signal(signal.SIGUSR1)
        await asyncio.wait_for(came.wait(), 30)
        off_signal(loop, signal.SIGUSR1)

    before = signal.getsignal(signal.SIGUSR1)
    try:
        with asyncio.Runner(loop_factory=make) as runner:
            runner.run(wait_for_it())
        assert signal.getsignal(signal.SIGUSR1) is signal.SIG_DFL
    finally:
        signal.signal(signal.SIGUSR1, before)
