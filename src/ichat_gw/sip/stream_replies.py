"""What a transport has to read in messages that it carries over streams, and nothing more."""

from ichat_gw.errors import GatewayError
from ichat_gw.sip.events import Flow
from ichat_gw.sip.locating import DEFAULT_PORTS
from ichat_gw.sip.message import Request, Response, parse


def second_way(response: bytes, flow: Flow) -> Flow | None:
    """Return where a response goes whose connection is gone (RFC 3261 section 18.2.2), or None.

    To the address that the request came from, at the port in the Via; over TLS the other side has to prove
    that it is the host in the Via.
    """
    try:
        message = parse(response)
    except GatewayError:
        return None
    if not isinstance(message, Response):
        return None
    via = message.via
    port = via.port or DEFAULT_PORTS[flow.transport]
    name = via.host.strip("[]").lower() if flow.transport == "TLS" else ""
    return Flow(flow.transport, flow.local, (flow.remote[0], port), name)


def alias_port(data: bytes) -> int | None:
    """Return the port at which a connection stands in for one that we would make (RFC 5923), or None.

    It does when the sender of this request says so, in its Via.
    """
    try:
        message = parse(data)
    except GatewayError:
        return None
    if not isinstance(message, Request) or message.via.param("alias") is None:
        return None
    return message.via.port or DEFAULT_PORTS["TLS"]
