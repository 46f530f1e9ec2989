"""The event loop: uvloop where it installs, asyncio's own elsewhere."""

import asyncio
import gc
from collections.abc import Callable


def loop_factory() -> Callable[[], asyncio.AbstractEventLoop]:
    """What `asyncio.Runner` is to make its loop with."""
    try:
        import uvloop
    except ImportError:  # there is none for Windows
        return asyncio.new_event_loop
    return uvloop.new_event_loop


def settle_garbage_collector() -> None:
    """Take what start-up has made out of the garbage collector's sight, and call it less often.

    Calls make many short-lived objects and few cycles; looking for those every 700 allocations, all modules
    included now and then, costs more than it finds.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 20, 20)
