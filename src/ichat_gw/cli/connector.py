"""`ichat-gw-jc`: the Jabber connector. Started by `ichat-gw`, which tells it everything on standard input.

Exit status: 0 after an orderly stop, 1 when it cannot go on, 2 when it was not started by `ichat-gw`.
"""

import asyncio
import sys

from ichat_gw.app.connector import ConnectorServer
from ichat_gw.app.connector_start import ConnectorStart
from ichat_gw.app.loop import loop_factory, settle_garbage_collector
from ichat_gw.app.parent import StartDocumentError, read_start_document
from ichat_gw.confinement import MIB, confine
from ichat_gw.errors import GatewayError
from ichat_gw.ipc.messages import VERSION
from ichat_gw.ops import logging, redact

EXIT_FAILED = 1
EXIT_USAGE = 2
MEMORY = 2048 * MIB
"""Bytes of address space; 100,000 users take a fraction."""


def main() -> int:
    """Run the connector; returns the exit status."""
    confine(memory=MEMORY)
    try:
        start = read_start_document(ConnectorStart)
    except StartDocumentError as error:
        print(f"ichat-gw-jc: {error}", file=sys.stderr)
        return EXIT_USAGE
    redact.register_secret(start.password)
    # To standard output, as JSON: the gateway puts it into its own log.
    logging.configure(start.log_level, form="json", console=sys.stdout)
    if start.version != VERSION:
        logging.get_logger(__name__).err(
            "the gateway is of another release", theirs=start.version, ours=VERSION
        )
        return EXIT_FAILED
    try:
        settle_garbage_collector()
        with asyncio.Runner(loop_factory=loop_factory()) as runner:
            runner.run(_serve(start))
    except GatewayError as error:
        logging.get_logger(__name__).err("the connector cannot go on", text=str(error))
        return EXIT_FAILED
    finally:
        logging.shutdown()
    return 0


async def _serve(start: ConnectorStart) -> None:
    await ConnectorServer(start).run()


if __name__ == "__main__":
    sys.exit(main())
