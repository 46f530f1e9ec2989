"""Whom a SIP request that begins something is for: a call, or a message."""

from typing import Protocol

from ichat_gw.addressing.translation import TranslationRules
from ichat_gw.app.names import plain
from ichat_gw.app.users import Users
from ichat_gw.call.cause import Ending
from ichat_gw.call.routing import Network, Route, route
from ichat_gw.sip.events import Flow
from ichat_gw.sip.user_agent import UserAgent


class Addressed(Protocol):
    """What an INVITE and a page have in common."""

    @property
    def request_uri(self) -> str:
        """The Request-URI."""

    @property
    def to_uri(self) -> str:
        """The URI of To."""

    @property
    def flow(self) -> Flow:
        """How it came."""


class Callees:
    """Finds them. `local_hosts` are host names (in lower case) and addresses that mean this gateway."""

    def __init__(
        self, rules: TranslationRules, local_hosts: frozenset[str], user_agent: UserAgent, users: Users
    ) -> None:
        self.rules = rules
        self.local_hosts = local_hosts
        self._user_agent = user_agent
        self._users = users

    def address_of(self, request: Addressed) -> str:
        """Which address of a request the rules see.

        The Request-URI, unless its host is ours: then it says no more than that the request came here, and
        the To URI says for whom.
        """
        address, host = plain(request.request_uri)
        if host in self.local_hosts or host == request.flow.local[0].lower():
            address, _ = plain(request.to_uri)
        return address

    def route(self, address: str, request_uri: str) -> Route | Ending:
        """A Request-URI that is a Contact we registered means that user; otherwise the rules decide."""
        if (aor := self._user_agent.aor_of(request_uri)) is not None:
            user = self._users.at(aor)
            if user is not None:
                return Route(Network.XMPP, f"xmpp:{user}")
        return route(address, Network.SIP, self.rules)
