"""rtpengine: whether each one answers a ping of the ng protocol."""

import secrets
import socket
from collections.abc import Iterator

from ichat_gw.app.trials.trial import Trial
from ichat_gw.config.kinds import MediaEngineName
from ichat_gw.config.table import Settings

SECONDS = 2.0
"""For one of them to answer."""
_REMEDY = "start it, let it listen there (listen-ng), or set RtpengineAddress"


def try_rtpengines(settings: Settings) -> Iterator[Trial]:
    """Ping each, if rtpengine is what relays audio."""
    if settings.media_engine is MediaEngineName.RTPENGINE:
        for place in settings.rtpengine_address:
            fault = _fault(place.host, place.port)
            if fault:
                yield Trial("RtpengineAddress", "failed", f"{place} does not answer: {fault}", _REMEDY)
            else:
                yield Trial("RtpengineAddress", "ok", f"{place} answers")


def _fault(host: str, port: int) -> str:
    """Why it does not answer; "" when it does."""
    cookie = secrets.token_hex(4).encode()
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_DGRAM)[0]
        with socket.socket(family, kind, protocol) as asking:
            asking.settimeout(SECONDS)
            asking.connect(address)
            asking.send(cookie + b" d7:command4:pinge")
            answer = asking.recv(4096)
    except TimeoutError:
        return f"nothing came within {SECONDS:g} seconds"
    except OSError as error:
        return error.strerror or str(error)
    return "" if answer.startswith(cookie) and b"4:pong" in answer else "what answers is no rtpengine"
