"""Where a call goes: the translation rules decide, and with the result's scheme the kind of the other leg."""

from dataclasses import dataclass
from enum import Enum

from ichat_gw.addressing.jid import InvalidJid
from ichat_gw.addressing.mapping import sip_address, xmpp_address
from ichat_gw.addressing.translation import TranslationRules
from ichat_gw.call.cause import Cause, Ending


class Network(Enum):
    """On which of the two networks a party is."""

    SIP = "SIP"
    XMPP = "XMPP"


@dataclass(frozen=True, slots=True)
class Route:
    """The other leg: its network and its address, a URI."""

    network: Network
    target: str


def route(address: str, origin: Network, rules: TranslationRules) -> Route | Ending:
    """Find the other leg of a call to `address` that came from network `origin`.

    No rule: NO_ROUTE (404). A call from SIP to SIP or from XMPP to XMPP is FORBIDDEN (403): through a
    gateway it has no use but to hide or to have paid who called whom. `sips:` and `sip:` are both SIP.
    The rules see addresses as they came; what they make is written as its network writes characters.
    """
    translation = rules.translate(address)
    if translation is None:
        return Ending(Cause.NO_ROUTE, text=f"no TranslationPattern matches {address}")
    target = translation.output
    scheme = target.partition(":")[0].lower()
    if scheme == "xmpp":
        network = Network.XMPP
    elif scheme in ("sip", "sips"):
        network = Network.SIP
    else:
        return Ending(
            Cause.NO_ROUTE,
            text=f"rule {translation.rule} makes {target!r} of {address}, which is no sip: or xmpp: address",
        )
    if network is origin:
        return Ending(
            Cause.FORBIDDEN,
            text=f"rule {translation.rule} leads from {origin.value} back to {network.value}: {target}",
        )
    try:
        return Route(network, xmpp_address(target) if network is Network.XMPP else sip_address(target))
    except InvalidJid as error:
        return Ending(Cause.NOT_FOUND, text=str(error))
