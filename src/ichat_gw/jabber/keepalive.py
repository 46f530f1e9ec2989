"""Notices a server that is dead though its connection stands.

Every JabberServerPingDuration the server is pinged (XEP-0199), which also keeps middleboxes from forgetting
the connection. Whatever comes from the server in time counts as an answer: a busy server is not a dead one.
"""

from ichat_gw.jabber import stanza
from ichat_gw.jabber.events import ConnectorCommand, Reconnect, SendStanza
from ichat_gw.jabber.ids import Ids
from ichat_gw.jabber.settings import ConnectorConfig

ANSWER_SECONDS = 30.0
"""How long the server may take to say anything after a ping."""


class Keepalive:
    """One timer: until the next ping, or until the answer is overdue."""

    def __init__(self, config: ConnectorConfig, ids: Ids) -> None:
        self._interval = config.ping_seconds
        self._to = config.ping_target
        self._from = config.domain
        self._ids = ids
        self._at: float | None = None
        self._pinged = False
        self._up = False

    def reconfigure(self, ping_seconds: float, now: float) -> None:
        """Ping so often from now on; 0: never. An answer that is waited for is waited for as long as ever."""
        self._interval = ping_seconds
        if self._up and not self._pinged:
            self._at = now + ping_seconds if ping_seconds > 0 else None

    def stream_up(self, now: float) -> None:
        """Begin."""
        self._up = True
        self._pinged = False
        self._at = now + self._interval if self._interval > 0 else None

    def stream_down(self) -> None:
        """Stop."""
        self._up = self._pinged = False
        self._at = None

    def heard(self, now: float) -> None:
        """The server sent something."""
        if self._pinged:
            self._pinged = False
            self._at = now + self._interval if self._interval > 0 else None

    def deadline(self) -> float | None:
        """When to ping, or to give up."""
        return self._at

    def expire(self, now: float) -> list[ConnectorCommand]:
        """Ping, or give up, if it is time."""
        if self._at is None or now < self._at:
            return []
        if self._pinged:
            self.stream_down()
            return [Reconnect(f"the XMPP server did not answer a ping in {ANSWER_SECONDS:g} s")]
        self._pinged = True
        self._at = now + ANSWER_SECONDS
        return [SendStanza(stanza.ping(self._to, self._from, self._ids.next()))]
