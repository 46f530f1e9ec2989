"""Which numbers and addresses calls from XMPP may go to, so that a stolen account cannot run up a bill.

A prefix is compared with what is called after translation: the user part of a SIP URI, or the number of a
tel URI, as people write it, without the separators -.() that mean nothing (RFC 3966 section 5.1.1); after
that comes the host, as in `0900@pbx.company.com`. The longest prefix that fits decides; of two that are
equally long, the denying one. What fits none is allowed, unless a list says what is allowed.
"""

from dataclasses import dataclass
from urllib.parse import unquote

_SEPARATORS = str.maketrans("", "", "-.() ")
_NUMBER = frozenset("0123456789+*#abcdABCD")


@dataclass(frozen=True, slots=True)
class Destinations:
    """The two lists of prefixes, as `plain_destination` would write them."""

    allowed: tuple[str, ...] = ()
    """AllowedDestinations."""
    denied: tuple[str, ...] = ()
    """DeniedDestinations."""

    def refuses(self, target: str) -> str | None:
        """The name of the setting that refuses calls to this URI, or None."""
        called = plain_destination(target)
        allowed = _longest(self.allowed, called)
        denied = _longest(self.denied, called)
        if denied >= 0 and denied >= allowed:
            return "DeniedDestinations"
        if self.allowed and allowed < 0:
            return "AllowedDestinations"
        return None


def plain_destination(target: str) -> str:
    """What of a SIP, SIPS or tel URI, or of a prefix in a setting, is compared: `number@host`."""
    rest = target.strip()
    scheme, colon, after = rest.partition(":")
    if colon and scheme.lower() in ("sip", "sips", "tel"):
        rest = after
    user, at, host = rest.partition("@")
    # Parameters of the number belong to the user part; of the host only its name is compared.
    user = unquote(user.partition(";")[0].partition(":")[0])
    plain = user.translate(_SEPARATORS)
    if _NUMBER.issuperset(plain):
        user = plain.lower()
    host = host.partition(";")[0].partition("?")[0].lower()
    return f"{user}{at}{host}"


def _longest(prefixes: tuple[str, ...], called: str) -> int:
    """How long the longest prefix is that fits; -1 for none."""
    return max((len(prefix) for prefix in prefixes if called.startswith(prefix)), default=-1)
