"""`make bench`: every measurement, one after the other; or those named on the command line."""

import sys
from collections.abc import Callable

from bench import delay, flood, load, memory, presence, relay, tracing

MEASUREMENTS: dict[str, Callable[[], str]] = {
    "delay": delay.report,
    "flood": flood.report,
    "load": load.report,
    "memory": memory.report,
    "presence": presence.report,
    "relay": lambda: "\n\n".join(relay.report(calls) for calls in (50, 200, 1_000)),
    "tracing": tracing.report,
}


def main() -> int:
    """Run what is asked for; returns the exit status."""
    unknown = [name for name in sys.argv[1:] if name not in MEASUREMENTS]
    if unknown:
        print(
            f"no such measurement: {', '.join(unknown)}; there are {', '.join(MEASUREMENTS)}", file=sys.stderr
        )
        return 2
    for name in sys.argv[1:] or MEASUREMENTS:
        print(MEASUREMENTS[name](), flush=True)
        print()
    return 0


if __name__ == "__main__":
    sys.exit(main())
