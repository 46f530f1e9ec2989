"""Signals for the event loop, also where the loop itself cannot take them (Windows)."""

import asyncio
import signal
from collections.abc import Callable


def on_signal(loop: asyncio.AbstractEventLoop, number: int, callback: Callable[[], object]) -> None:
    """Call `callback` from the loop whenever the signal comes. From the main thread."""
    try:
        loop.add_signal_handler(number, callback)
    except NotImplementedError:
        signal.signal(number, lambda *_: loop.call_soon_threadsafe(callback))


def off_signal(loop: asyncio.AbstractEventLoop, number: int, *, ignore: bool = False) -> None:
    """The signal does again what the system has it do, or nothing any more."""
    try:
        loop.remove_signal_handler(number)
    except NotImplementedError:
        signal.signal(number, signal.SIG_DFL)
    if ignore:
        signal.signal(number, signal.SIG_IGN)
