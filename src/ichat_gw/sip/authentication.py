"""Who gets an answer when we are asked for a password, and how often (RFC 3261 section 22).

THE RULE. A challenge is answered when, and only when, the request that it is about was sent to an address
that was looked up for

  - the configured OutboundProxy, or
  - the domain of the AOR that the request was made for, a domain that the operator wrote down.

Requests made for an AOR are its REGISTER, an INVITE that its user places, and what follows in the dialog of
that INVITE as long as it goes to that same address. The way that the registrar gave with Service-Route
(RFC 3608) counts as its domain. So nobody else is answered: not a callee that is reached directly, nobody
who called us, not iChat (whose calls are pinned), not a domain that a caller or an XMPP user can choose.

What lies behind a server can ask through it, and SIP gives no means to tell who asked. So the operator names
realms, and a call that rings already gets no answer.

A digest is worth nothing less than the password: whoever gets one can try passwords against it at leisure.
"""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

from ichat_gw.addressing.sip_uri import InvalidSipUri, SipUri, clean_text
from ichat_gw.config.credentials import ANY_REALM, SipCredentials
from ichat_gw.errors import GatewayError
from ichat_gw.sip.digest import Asked, BadChallenge, Challenge, answer, parse_challenges, strongest
from ichat_gw.sip.message import Request, Response


class Unanswerable(GatewayError):
    """A challenge that is not answered (again); the message says why, for the operator."""


CHALLENGES = (401, 407)
"""The statuses of a response that asks for a password."""

_HEADERS = (("WWW-Authenticate", "Authorization"), ("Proxy-Authenticate", "Proxy-Authorization"))

MAX_STALE = 3
"""How often in a row a server may say that the nonce has grown old, before we think that it always will."""
MAX_ROUNDS = 6
"""Challenges answered for one request, of all realms together: a way with that many proxies is a loop."""
SHOWN = 80
"""Characters of a realm that an error message shows."""


@dataclass(frozen=True, slots=True)
class Trust:
    """The configured part of the rule, and what to answer with."""

    credentials: tuple[SipCredentials, ...] = ()
    registrars: frozenset[str] = field(default_factory=frozenset)
    """The domains that the operator wrote down, as `host` or `host:port` in lower case."""

    def covers(self, aor: str) -> bool:
        """Tell whether the domain of an AOR is one that may ask for a password."""
        try:
            uri = SipUri.parse(aor)
        except InvalidSipUri:
            return False
        # With `maddr` a URI leads elsewhere than its domain says (RFC 3261 section 19.1.1).
        return _domain(uri) in self.registrars and not uri.has_param("maddr")

    def covers_call(self, aor: str, target: str) -> bool:
        """Tell whether `target` leads to the domain of the AOR, which may ask for a password."""
        try:
            uri = SipUri.parse(target)
            return self.covers(aor) and self.covers(target) and _domain(uri) == _domain(SipUri.parse(aor))
        except InvalidSipUri:
            return False


def _domain(uri: SipUri) -> str:
    return f"{uri.host}{'' if uri.port is None else f':{uri.port}'}".lower()


@dataclass(slots=True)
class _Answer:
    """What a realm was last answered with; the nonce is used again until the server wants another."""

    challenge: Challenge
    credentials: SipCredentials
    cnonce: str
    count: int = 0


class Authentication:
    """The answers of one registration or one call to whoever may ask for a password.

    `user` is the user name of the AOR, without escapes. Whether somebody may ask is decided by the caller,
    with the rule above.
    """

    def __init__(self, credentials: tuple[SipCredentials, ...], user: str, token: Callable[[], str]) -> None:
        self._credentials = credentials
        self._user = user
        self._token = token
        self._answers: dict[tuple[str, str], _Answer] = {}
        """By the name of the header field that answers, and realm."""
        self._answered: Counter[tuple[str, str]] = Counter()
        """How often each has been answered for the request that is under way."""

    def begin(self) -> None:
        """A new request begins: whoever asks may be answered, though it was answered before."""
        self._answered.clear()

    def forget(self) -> None:
        """The answers led to nothing: do not give them again unasked."""
        self._answers.clear()

    def sign(self, request: Request) -> None:
        """Add an answer for each realm that has asked so far (RFC 3261 section 22.2), with the next count."""
        for (name, _), known in self._answers.items():
            known.count += 1
            asked = Asked(request.method, request.uri, request.body)
            credentials = known.credentials
            password = credentials.password.get_secret_value()
            value = answer(known.challenge, credentials.user, password, asked, known.count, known.cnonce)
            request.headers.add(name, value)

    def again(self, request: Request, response: Response, number: int) -> Request:
        """Make the request that answers a 401 or 407 to `request`: the same, signed, with this CSeq number.

        Raises Unanswerable. The new request has no Via yet.
        """
        self._take(response)
        headers = request.headers.copy()
        for name in ("Via", "Authorization", "Proxy-Authorization"):
            headers.remove(name)
        headers.replace("CSeq", f"{number} {request.method}")
        repeated = Request(request.method, request.uri, headers, request.body)
        self.sign(repeated)
        return repeated

    def _take(self, response: Response) -> None:
        """Choose what to answer. A realm with several challenges gets one answer, several realms one each."""
        offers, why = _read(response)
        answered = False
        for key, challenges in offers.items():
            challenge = strongest(challenges)
            realm = challenge.realm_text
            credentials = self._choose(realm)
            shown = clean_text(realm[:SHOWN])
            if credentials is None:
                why = (
                    why or f'asked for a password for the realm "{shown}", for which SIPCredentials has none'
                )
                continue
            if self._answered[key] and not challenge.stale:
                raise Unanswerable(
                    f'the password of "{credentials.user}" for the realm "{shown}" was refused'
                )
            if self._answered[key] > MAX_STALE or self._answered.total() >= MAX_ROUNDS:
                raise Unanswerable(f'the realm "{shown}" asks for the password again and again')
            self._answered[key] += 1
            self._answers[key] = _Answer(challenge, credentials, self._token())
            answered = True
        if not answered:
            raise Unanswerable(why or "asked for a password, but not how")

    def _choose(self, realm: str) -> SipCredentials | None:
        """Named realms before `*`, and among equals the AOR's own user name before the first in the list."""
        fitting = [credentials for credentials in self._credentials if credentials.serves(realm)]
        return min(fitting, key=lambda c: (c.realm == ANY_REALM, c.user != self._user), default=None)


def _read(response: Response) -> tuple[dict[tuple[str, str], list[Challenge]], str]:
    """Return the challenges by header field and realm, and what is wrong with one that cannot be read.

    Both header fields are read whatever the status: a proxy that forks puts the challenges of all branches
    into one response (RFC 3261 section 16.7, step 7).
    """
    offers: dict[tuple[str, str], list[Challenge]] = {}
    why = ""
    for name, answer_name in _HEADERS:
        for value in response.headers.get_all(name):
            try:
                for challenge in parse_challenges(value):
                    offers.setdefault((answer_name, challenge.realm), []).append(challenge)
            except BadChallenge as error:
                why = str(error)
    return offers, why
