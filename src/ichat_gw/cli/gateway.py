"""`ichat-gw`: reads the configuration and runs the gateway.

Exit status: 0 after an orderly stop, 1 when it could not start or go on (a port is taken, say), 2 when the
configuration or the command line is wrong.
"""

import asyncio
import signal
import sys
from collections.abc import Iterable, Sequence
from types import FrameType

from ichat_gw.app.loop import loop_factory, settle_garbage_collector
from ichat_gw.app.serve import Server
from ichat_gw.config.load import Loaded, load
from ichat_gw.config.problem import ConfigError, Problem
from ichat_gw.config.source import flag_parser, overrides_of
from ichat_gw.errors import GatewayError
from ichat_gw.ops import logging, redact

EXIT_FAILED = 1
EXIT_USAGE = 2

STOP_SIGNALS = (signal.SIGTERM, signal.SIGINT)


def main(argv: Sequence[str] | None = None) -> int:
    """Run the gateway with the flags of `argv` (default: the command line); returns the exit status."""
    for number in STOP_SIGNALS:
        signal.signal(number, _leave)  # until `Server.run` takes them
    flags = flag_parser().parse_args(argv)
    try:
        loaded = load(flags.config, overrides_of(flags))
    except ConfigError as error:
        _warn(error.warnings)
        for line in str(error).splitlines():
            print(line, file=sys.stderr)
        return EXIT_USAGE
    _warn(loaded.warnings)
    try:
        _configure_log(loaded)
    except GatewayError as error:
        print(f"ichat-gw: {error}", file=sys.stderr)
        return EXIT_FAILED
    log = logging.get_logger(__name__)
    try:
        settle_garbage_collector()
        with asyncio.Runner(loop_factory=loop_factory()) as runner:
            runner.run(_serve(loaded))
    except GatewayError as error:
        log.crit("the gateway cannot go on", text=str(error))
        print(f"ichat-gw: {error}", file=sys.stderr)
        return EXIT_FAILED
    except Exception:
        # A bug; who looks for the reason looks into the log.
        log.crit("the gateway cannot go on", exc_info=True)
        return EXIT_FAILED
    finally:
        logging.shutdown()
    return 0


async def _serve(loaded: Loaded) -> None:
    try:
        await Server(loaded.settings, loaded.path.parent).run()
    finally:
        for number in STOP_SIGNALS:
            # Everything is over; a second signal must not make another end of an orderly one.
            signal.signal(number, signal.SIG_IGN)


def _leave(number: int, frame: FrameType | None) -> None:
    """Stopped before anything has begun: there is nothing to end in order."""
    raise SystemExit(0)


def _warn(warnings: Iterable[Problem]) -> None:
    for warning in warnings:
        print(f"warning: {warning}", file=sys.stderr)


def _configure_log(loaded: Loaded) -> None:
    settings = loaded.settings
    passwords = (credentials.password for credentials in settings.sip_credentials)
    for secret in (settings.jabber_component_password, settings.tls_private_key_pass_phrase, *passwords):
        redact.register_secret(secret.get_secret_value() if secret else "")
    logging.configure(
        settings.log_level.value,
        str(settings.log_filename),
        max_lines=settings.log_file_max_lines,
        count=settings.log_file_count,
        form=settings.log_format.value,
    )


if __name__ == "__main__":
    sys.exit(main())
