"""Who may read the status page, and how often: decided before anything of a request is done.

Four things are checked, in this order; each is a pure function of the request's head and the time.

* The name in `Host` must be ours. A web site can have its name resolve to 127.0.0.1 and then counts as the
  origin of what it reads there (DNS rebinding), but it cannot send another name than its own.
* Nobody asks more often than `RATE`.
* A browser tells in `Sec-Fetch-Site` who made it ask. Other sites may link to a page, and nothing else; to
  cause a change, a request needs `api_routes.ASKING_HEADER` too, which no form can send.
* The password, compared in a time that does not depend on it. A source that guesses wrong is not
  listened to for a while, and longer each time. The same wrong password again is no new guess: a browser
  sends what was mistyped once with everything that a page asks for, and a script with yesterday's
  password for ever.
"""

import hashlib
import hmac
import ipaddress
import re
from base64 import b64decode
from binascii import Error as Base64Error
from collections import OrderedDict
from collections.abc import Collection
from dataclasses import dataclass

from ichat_gw.call.admission import source_of
from ichat_gw.call.rate import Bucket

RATE = 50.0
"""Requests per second of one source, on average."""
BURST = 100.0
"""Requests of one source at once."""
RATE_OF_ALL, BURST_OF_ALL = 200.0, 400.0
"""The same for all strangers together: whoever is on this machine has many addresses. A source that has last
sent the right password is none."""
FREE_GUESSES = 4
"""Wrong passwords in a row, each another than the one before, before a source has to wait."""
LONGEST_WAIT = 60.0
"""Seconds after a wrong password; the first wait is one second, and each is twice the last."""
MAX_SOURCES = 1024
"""How many sources are remembered; the stranger who asked longest ago is forgotten first."""
REALM = "ichat-gw"


@dataclass(frozen=True, slots=True)
class Asked:
    """The head of a request, as far as it matters here; "" for a header that is not there."""

    source: str
    """The IP address that it came from."""
    host: str = ""
    changes: bool = False
    """Whether it asks for a change (POST)."""
    is_open: bool = False
    """Whether it is for something that needs no password: a probe of `/healthz`, a style sheet."""
    authorization: str = ""
    origin: str = ""
    fetch_site: str = ""
    fetch_mode: str = ""
    asking: str = ""
    """The value of `api_routes.ASKING_HEADER`."""


@dataclass(frozen=True, slots=True)
class Denied:
    """Why nothing is answered: an HTTP status, words, a remedy, and headers for the answer."""

    status: int
    text: str
    remedy: str = ""
    headers: tuple[tuple[str, str], ...] = ()


@dataclass(slots=True)
class _Source:
    """What is remembered of who asks."""

    bucket: Bucket
    wrong: int = 0
    """Wrong passwords, each another than the one before, since the last right one."""
    last_wrong: bytes = b""
    """The digest of the last one."""
    deaf_until: float = 0.0
    proven: bool = False
    """The last password from there was the right one."""


class Access:
    """Decides about each request. `password` None: none is asked for; `hosts`: names beside `localhost`."""

    def __init__(self, password: str | None = None, hosts: Collection[str] = ()) -> None:
        self._password = None if password is None else _digest(password.encode())
        self._hosts = frozenset({"localhost", *(name.lower() for name in hosts)})
        self._sources: OrderedDict[str, _Source] = OrderedDict()
        self._all = Bucket(RATE_OF_ALL, BURST_OF_ALL, 0.0)

    def denied(self, asked: Asked, now: float) -> Denied | None:
        """Why the request is not answered; None when it is."""
        if not self._is_ours(asked.host):
            return Denied(
                421,
                "this gateway has another name",
                "use an IP address or localhost, or add the name to HttpHosts",
            )
        source = self._source(source_of(asked.source), now)
        if not (source.bucket.take(now) and (source.proven or self._all.take(now))):
            return Denied(429, "too many requests", "ask less often", (("Retry-After", "1"),))
        return _foreign(asked) or self._unknown(asked, source, now)

    def _is_ours(self, host: str) -> bool:
        """Whether a Host header names this gateway: an IP address (nobody else's name is one), or a name."""
        found = re.fullmatch(r"(\[[0-9A-Fa-f:.]+\]|[^:\[\]]+)(?::[0-9]{1,5})?", host)
        if found is None:
            return False
        name = found[1].strip("[]").lower().removesuffix(".")
        if name in self._hosts:
            return True
        try:
            ipaddress.ip_address(name)
        except ValueError:
            return False
        return True

    def _source(self, name: str, now: float) -> _Source:
        source = self._sources.get(name)
        if source is None:
            source = self._sources[name] = _Source(Bucket(RATE, BURST, now))
            if len(self._sources) > MAX_SOURCES:
                # Strangers are forgotten first.
                others = (each for each in self._sources if each != name)
                oldest = next((each for each in others if not self._sources[each].proven), None)
                del self._sources[oldest or next(iter(self._sources))]
        self._sources.move_to_end(name)
        return source

    def _unknown(self, asked: Asked, source: _Source, now: float) -> Denied | None:
        if self._password is None or asked.is_open:
            return None
        challenge = (("WWW-Authenticate", f'Basic realm="{REALM}", charset="UTF-8"'),)
        if not asked.authorization:
            return Denied(401, "a password is needed", "send HttpAuthPwd, with any user name", challenge)
        if now < source.deaf_until:
            wait = str(int(source.deaf_until - now) + 1)
            return Denied(429, "too many wrong passwords", f"wait {wait} s", (("Retry-After", wait),))
        guess = _digest(_password_in(asked.authorization))
        if hmac.compare_digest(guess, self._password):
            source.wrong, source.last_wrong, source.proven = 0, b"", True
            return None
        source.proven = False
        if guess != source.last_wrong:
            source.wrong, source.last_wrong = source.wrong + 1, guess
            if source.wrong > FREE_GUESSES:
                source.deaf_until = now + min(LONGEST_WAIT, 2.0 ** min(source.wrong - FREE_GUESSES - 1, 16))
        return Denied(401, "the password is wrong", "HttpAuthPwd in the configuration is it", challenge)


def _foreign(asked: Asked) -> Denied | None:
    """Why a request that another site's page has caused is not answered."""
    own = asked.fetch_site in ("", "same-origin", "none")
    if asked.changes:
        from_us = not asked.origin or asked.origin.partition("://")[2].lower() == asked.host.lower()
        if not own or not from_us:
            return Denied(403, "another site's page asks for this")
        if not asked.asking:
            return Denied(403, "this needs the header X-Ichat-Gw", "send it, with any value")
        return None
    if not own and asked.fetch_mode != "navigate":
        return Denied(403, "another site's page asks for this", "other pages may link here, no more")
    return None


def _password_in(authorization: str) -> bytes:
    """The password in an Authorization header of RFC 7617; b"" when there is none."""
    scheme, _, credentials = authorization.partition(" ")
    if scheme.lower() != "basic":
        return b""
    try:
        return b64decode(credentials.strip(), validate=True).partition(b":")[2]
    except (Base64Error, ValueError):
        return b""


def _digest(password: bytes) -> bytes:
    """So that what is compared has one length, whatever the password's is."""
    return hashlib.sha256(password).digest()
