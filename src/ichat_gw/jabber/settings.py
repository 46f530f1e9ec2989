"""What the connector must be told."""

from collections.abc import Sequence
from dataclasses import dataclass
from ipaddress import ip_address

from ichat_gw.addressing.jid import Jid
from ichat_gw.jabber.ichat import blob


@dataclass(frozen=True, slots=True)
class ConnectorConfig:
    """The connector's settings, in the words of the manual where it has them.

    The derived values raise `InvalidJid` when the names cannot be parts of a JID.
    """

    component: str
    """JabberComponentName: our domain on the XMPP server."""
    control_user: str
    """JabberControlUsername: the user part of the control JID."""
    addresses: Sequence[tuple[str, int]]
    """Our SIP addresses, as (IP address, port): what iChat is told. The first is named eth0, and so on."""
    proceeding_timeout_ms: int = 5000
    """IChatProceedingTimeout: milliseconds in which a called user's iChat must show up."""
    ping_seconds: float = 60.0
    """JabberServerPingDuration: seconds between two pings to the server; 0 sends none."""
    server_domain: str = ""
    """The domain to ping; by default the one above the component's name."""
    version: str = ""
    """Our version, for who asks."""
    messages: bool = False
    """SIPMessages: whether chat messages go to SIP phones, and theirs come to XMPP users."""
    numbers_reachable: bool = False
    """NumbersReachable: whether to say that telephone numbers can be called."""

    @property
    def domain(self) -> str:
        """The component's name as the server writes it."""
        return Jid("", self.component).domain

    @property
    def control(self) -> str:
        """The control JID."""
        return str(Jid(self.control_user, self.component))

    @property
    def ping_target(self) -> str:
        """Whom to ping."""
        return self.server_domain or self.domain.partition(".")[2] or self.domain

    @property
    def blob(self) -> str:
        """Our connect data."""
        return blob.encode(
            blob.ConnectRecord(f"eth{number}", ip_address(address), port)
            for number, (address, port) in enumerate(self.addresses)
        )
