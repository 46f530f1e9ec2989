"""The first steps of a request outside a dialog that one of our users makes: its way, and who may ask why.

The way is the OutboundProxy, else the Service-Route that the user's registrar gave (RFC 3608), else where the
target says (RFC 3261 section 8.1.2).
"""

from ichat_gw.addressing.sip_uri import NameAddr, SipUri
from ichat_gw.errors import GatewayError
from ichat_gw.sip.core import UserAgentConfig
from ichat_gw.sip.events import Flow


class Outbound:
    """The way of the requests of the user with the address of record `aor` ("": none).

    A `pinned` request goes straight to its target.
    """

    def __init__(
        self, config: UserAgentConfig, aor: str, service_route: tuple[str, ...], pinned: bool = False
    ) -> None:
        self._trust = config.trust
        self._aor = aor
        self._pinned = pinned
        self._proxy = None if pinned else config.outbound_proxy
        self._service_route = () if pinned else service_route

    def next_hop(self, target: str) -> str:
        """The URI to look up for a request to `target`."""
        if self._proxy is None and self._service_route:
            return NameAddr.parse(self._service_route[0]).uri
        return self._proxy or target

    def may_ask(self, target: str) -> bool:
        """Whether who is found there may ask for a password: the rule in `authentication.py`."""
        if self._pinned:
            return False
        if self._proxy is not None:
            return True
        if self._service_route:
            return self._trust.covers(self._aor)
        return self._trust.covers_call(self._aor, target)

    @property
    def routes(self) -> list[str]:
        """The values of Route that the request begins with."""
        routes = list(self._service_route)
        proxy = self._proxy
        if proxy and SipUri.parse(proxy).has_param("lr") and routes[:1] != [f"<{proxy}>"]:
            routes.insert(0, f"<{proxy}>")
        return routes


def asker(flow: Flow) -> tuple[bool, tuple[str, int]]:
    """Who is at the other end; over TCP, which large requests take, the same as over UDP."""
    return flow.transport == "TLS", flow.remote


def user_of(aor: str) -> str:
    """The user name of an address of record, without escapes; "" when it has none."""
    try:
        return SipUri.parse(aor).user_decoded
    except GatewayError:
        return ""
