"""Loaded at the start of each of our processes in a soak: SIGUSR2 makes it count what it has in memory.

The counts of the objects of each of our classes, of asyncio's and uvloop's, and of the threads go to
`<SOAK_INVENTORY>/<pid>.json`.
"""

import gc
import json
import os
import signal
import threading
from collections import Counter
from pathlib import Path

FAMILIES = ("ichat_gw", "asyncio", "_asyncio", "uvloop", "slixmpp", "aiohttp")


def _count(_signal: int, _frame: object) -> None:
    for _ in range(3):
        gc.collect()
    counts: Counter[str] = Counter()
    for thing in gc.get_objects():
        kind = type(thing)
        module = str(kind.__module__)  # some classes have a descriptor there
        if module.partition(".")[0] in FAMILIES:
            counts[f"{module}.{kind.__qualname__}"] += 1
    counts["threads"] = threading.active_count()
    path = Path(os.environ["SOAK_INVENTORY"]) / f"{os.getpid()}.json"
    unfinished = path.with_suffix(".new")
    unfinished.write_text(json.dumps(counts))
    unfinished.rename(path)


if "SOAK_INVENTORY" in os.environ:
    signal.signal(signal.SIGUSR2, _count)
