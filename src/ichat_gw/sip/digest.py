"""Digest authentication, the client's part: reading challenges, computing answers (RFC 7616, 8760, 2069).

Nothing here decides whom to answer: that is `authentication.py`.

What stood in quotation marks is kept as it stood, backslashes included, and goes back and into the hashes
that way: RFC 7616 section 3.4.3 defines `unq` as taking off the marks and no more, and a nonce is to come
back byte for byte. Time is linear in the length of a challenge.
"""

import hashlib
import re
from collections.abc import Iterable
from dataclasses import dataclass

from ichat_gw.addressing.sip_grammar import WS, InvalidSyntax, is_token, quoted_end, split_outside, unquote
from ichat_gw.errors import GatewayError


class BadChallenge(GatewayError):
    """A challenge that cannot be read, or not be answered by anybody who keeps to the RFCs."""


@dataclass(frozen=True, slots=True)
class Algorithm:
    """One row of what we can compute."""

    name: str
    """As IANA registers it."""
    hash: str
    """What `hashlib` calls the hash."""
    is_session: bool = False
    """Whether the key is made once for a nonce and a cnonce (`-sess`)."""

    def digest(self, text: str) -> str:
        """The hash of a text in lower-case hexadecimal digits."""
        return _hash(self.hash, _bytes(text))


ALGORITHMS = (
    Algorithm("SHA-512-256", "sha512_256"),
    Algorithm("SHA-512-256-sess", "sha512_256", is_session=True),
    Algorithm("SHA-256", "sha256"),
    Algorithm("SHA-256-sess", "sha256", is_session=True),
    Algorithm("MD5", "md5"),
    Algorithm("MD5-sess", "md5", is_session=True),
)
"""The strongest hash first; with `-sess` it is no stronger."""

_BY_NAME = {row.name.lower(): row for row in ALGORITHMS}
_STRENGTH = {"md5": 1, "sha256": 2, "sha512_256": 3}


@dataclass(frozen=True, slots=True)
class Challenge:
    """A `Digest` challenge that we can answer. The texts are raw: as between the quotation marks."""

    realm: str
    nonce: str
    algorithm: Algorithm
    names_algorithm: bool = True
    """Whether it says so; MD5 is what it means otherwise. An answer says it when the challenge does."""
    qop: str = ""
    """`auth`, `auth-int`, or "" when none was offered (RFC 2069)."""
    opaque: str | None = None
    stale: bool = False
    """The nonce has grown old; the password was right (RFC 7616 section 3.3)."""
    userhash: bool = False
    """The user name is to be hashed as well (RFC 7616 section 3.4.4)."""

    @property
    def realm_text(self) -> str:
        """The realm as a person would write it."""
        return unquote(f'"{self.realm}"')

    @property
    def strength(self) -> tuple[int, bool, bool]:
        """For choosing among several: better hash, then a qop at all, then the simpler `auth`."""
        return _STRENGTH[self.algorithm.hash], bool(self.qop), self.qop == "auth"


def strongest(challenges: Iterable[Challenge]) -> Challenge:
    """Return the one to answer among those of one realm, at least one; the first of equals.

    RFC 8760 section 2.4 has the server list its favourite first, unless the client has a policy: ours is
    that whoever got into the middle cannot choose MD5 for us by changing the order.
    """
    return max(challenges, key=lambda challenge: challenge.strength)


# --- reading ----------------------------------------------------------------------------------------------

MAX_VALUE = 2048
"""Characters that realm, nonce and opaque may have together: they go back in every request, and a user
agent has to keep its requests in one datagram."""


_holds_control = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]").search


def parse_challenges(text: str) -> list[Challenge]:
    """Take the value of one WWW-Authenticate or Proxy-Authenticate header field apart.

    It may hold several challenges separated by commas, which RFC 3261 does not foresee and HTTP allows.
    Returns those of `Digest` that we can answer; raises BadChallenge when there is none, or the text is
    no list of challenges.
    """
    challenges: list[Challenge] = []
    why = "it offers no Digest authentication"
    for scheme, params in _split(text):
        if scheme.lower() == "digest":
            try:
                challenges.append(_challenge(params))
            except BadChallenge as error:
                why = str(error)
    if not challenges:
        raise BadChallenge(why)
    return challenges


def _split(text: str) -> list[tuple[str, dict[str, str]]]:
    """Split into schemes, each with its parameters, whose values still have their quotation marks."""
    if _holds_control(text):
        raise BadChallenge("a control character stands in the challenge")
    try:
        parts = split_outside(text, ",")
    except InvalidSyntax as error:
        raise BadChallenge(str(error)) from None
    found: list[tuple[str, dict[str, str]]] = []
    for part in parts:
        name, equals, value = part.partition("=")
        words = name.split()
        if len(words) == 2 or (len(words) == 1 and not equals):
            found.append((words.pop(0), {}))
        if not words or not equals:
            continue  # an empty part, a scheme without parameters, or one with a single blob
        if len(words) != 1 or not is_token(words[0]) or not found:
            raise BadChallenge("a parameter of the challenge has no proper name")
        params, key = found[-1][1], words[0].lower()
        if key in params:
            raise BadChallenge("a parameter of the challenge stands twice")
        params[key] = value.strip(WS)
    return found


def _challenge(params: dict[str, str]) -> Challenge:
    values = {name: _raw(value) for name, value in params.items()}
    if "realm" not in values or not values.get("nonce"):
        raise BadChallenge("the challenge has no realm or no nonce")
    if sum(len(values.get(name, "")) for name in ("realm", "nonce", "opaque")) > MAX_VALUE:
        raise BadChallenge("the challenge is too long")
    algorithm = _BY_NAME.get(values.get("algorithm", "MD5").lower())
    if algorithm is None:
        raise BadChallenge("the challenge wants an algorithm that we do not have")
    qop = _qop(values.get("qop"))
    if algorithm.is_session and not qop:
        # The client would have to send its cnonce, which RFC 2617 forbids without qop.
        raise BadChallenge("the challenge wants a session algorithm without a qop")
    return Challenge(
        values["realm"],
        values["nonce"],
        algorithm,
        "algorithm" in values,
        qop,
        values.get("opaque"),
        values.get("stale", "").lower() == "true",
        values.get("userhash", "").lower() == "true",
    )


def _raw(value: str) -> str:
    """Take the quotation marks off; bear that they are missing (COMPAT: some registrars' realm or qop)."""
    if not value.startswith('"'):
        if '"' in value or "\\" in value:
            raise BadChallenge("a quotation mark stands inside a parameter of the challenge")
        return value
    try:
        end = quoted_end(value, 0)
    except InvalidSyntax as error:
        raise BadChallenge(str(error)) from None
    if end != len(value) - 1:
        raise BadChallenge("something follows the quotation marks of a parameter")
    return value[1:-1]


def _qop(offered: str | None) -> str:
    if offered is None:
        return ""
    names = {name.strip(WS).lower() for name in offered.split(",")} - {""}
    for name in ("auth", "auth-int"):
        if name in names:
            return name
    if names:
        raise BadChallenge("the challenge wants a qop that we do not have")
    return ""


# --- answering --------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Asked:
    """The request that an answer is for."""

    method: str
    uri: str
    """The Request-URI as it will be written."""
    body: bytes = b""


def answer(challenge: Challenge, user: str, password: str, asked: Asked, count: int, cnonce: str) -> str:
    """Return the value of the Authorization or Proxy-Authorization header field (RFC 7616 section 3.4).

    `user` holds neither quotation mark nor backslash, which servers understand in different ways.
    `count` (nc) is 1 for the first request with this nonce, 2 for the next: at most 2**32 - 1. `cnonce` is
    a text of letters and digits that nobody can guess, the same for all requests with one nonce.
    """
    algorithm, realm, nonce, qop = challenge.algorithm, challenge.realm, challenge.nonce, challenge.qop
    digest = algorithm.digest
    key = digest(f"{user}:{realm}:{password}")
    if algorithm.is_session:
        key = digest(f"{key}:{nonce}:{cnonce}")
    what = f"{asked.method}:{asked.uri}"
    if qop == "auth-int":
        what += f":{_hash(algorithm.hash, asked.body)}"
    bound = f"{nonce}:{count:08x}:{cnonce}:{qop}" if qop else nonce
    fields = [
        f'username="{digest(f"{user}:{realm}") if challenge.userhash else user}"',
        f'realm="{realm}"',
        f'nonce="{nonce}"',
        f'uri="{asked.uri}"',
        f'response="{digest(f"{key}:{bound}:{digest(what)}")}"',
    ]
    if challenge.names_algorithm:
        fields.append(f"algorithm={algorithm.name}")
    if qop:
        fields += [f"qop={qop}", f"nc={count:08x}", f'cnonce="{cnonce}"']
    if challenge.opaque is not None:
        fields.append(f'opaque="{challenge.opaque}"')
    if challenge.userhash:
        fields.append("userhash=true")
    return "Digest " + ", ".join(fields)


def _hash(name: str, data: bytes) -> str:
    # MD5 is what the peer asks for; a system in FIPS mode refuses it unless told that it protects nothing.
    return hashlib.new(name, data, usedforsecurity=False).hexdigest()


def _bytes(text: str) -> bytes:
    # Surrogates stand for bytes of a message that were not UTF-8 (see `message.parse`); they hash as sent.
    return text.encode("utf-8", "surrogateescape")
