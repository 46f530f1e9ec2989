"""The torture tests of RFC 4475 and RFC 5118, with the verdict that each section gives.

For the tests of the parser (`verdict`) and of the user agent (`answers`). Where an RFC lets an element
choose, the entry says what this program chooses.
"""

import re
from dataclasses import dataclass

from tests.sip import torture_rfc4475, torture_rfc5118

CALL = 100
"""In `Torture.answers`: the INVITE is a new call, answered with 100 until the bridge decides."""
NOT_ALLOWED = (405, 501)
"""For methods that the user agent does not serve (REGISTER among them)."""

PARSED = 0
"""In `Torture.verdict`: `parse` returns a message."""


@dataclass(frozen=True)
class Torture:
    name: str
    section: str
    verdict: int | None
    """PARSED; or the status of the MalformedMessage; None: MalformedMessage without one (drop it)."""
    answers: tuple[int, ...]
    """Any one of these is a right answer of a user agent; empty: it must not answer."""

    @property
    def data(self) -> bytes:
        texts = (
            torture_rfc4475.MESSAGES if self.name in torture_rfc4475.MESSAGES else torture_rfc5118.MESSAGES
        )
        return expand(texts[self.name])

    @property
    def is_response(self) -> bool:
        return self.data.startswith(b"SIP/")


def expand(text: str) -> bytes:
    """Make the bytes of a message from the notation of RFC 4475 section 2."""
    assert text.startswith("\n")
    lines: list[str] = []
    joined: list[str] | None = None
    for line in text[1:].split("\n"):
        if line == "<allOneLine>":
            joined = []
        elif line == "</allOneLine>":
            assert joined is not None
            lines.append("".join(joined))
            joined = None
        else:
            (lines if joined is None else joined).append(line)
    whole = "\r\n".join(lines)
    whole = re.sub(r"<repeat count=(\d+)>(.*?)</repeat>", lambda m: m[2] * int(m[1]), whole)
    return re.sub(r"<hex>(.*?)</hex>", lambda m: bytes.fromhex(m[1]).decode("latin-1"), whole).encode(
        "latin-1"
    )


RFC4475 = (
    # 3.1.1 valid messages
    Torture("wsinv", "3.1.1.1", PARSED, (481,)),  # its To has a tag, so it is inside a dialog we do not have
    Torture("intmeth", "3.1.1.2", PARSED, NOT_ALLOWED),
    Torture("esc01", "3.1.1.3", PARSED, (CALL,)),
    Torture("escnull", "3.1.1.4", PARSED, NOT_ALLOWED),
    Torture("esc02", "3.1.1.5", PARSED, NOT_ALLOWED),
    Torture("lwsdisp", "3.1.1.6", PARSED, (200,)),
    Torture("longreq", "3.1.1.7", PARSED, (CALL,)),
    Torture("dblreq", "3.1.1.8", PARSED, NOT_ALLOWED),  # the INVITE behind it is not to be looked at
    Torture("semiuri", "3.1.1.9", PARSED, (200, 404)),
    Torture("transports", "3.1.1.10", PARSED, (200,)),
    Torture("mpart01", "3.1.1.11", PARSED, (200, 202, 405, 415)),
    Torture("unreason", "3.1.1.12", PARSED, ()),
    Torture("noreason", "3.1.1.13", PARSED, ()),
    # 3.1.2 invalid messages
    Torture("badinv01", "3.1.2.1", 400, (400,)),
    Torture("clerr", "3.1.2.2", 400, (400,)),
    Torture("ncl", "3.1.2.3", 400, (400,)),
    Torture("scalar02", "3.1.2.4", 400, (400,)),
    Torture("scalarlg", "3.1.2.5", None, ()),
    Torture("quotbal", "3.1.2.6", 400, (400,)),
    Torture("ltgtruri", "3.1.2.7", 400, (400,)),
    Torture("lwsruri", "3.1.2.8", 400, (400,)),
    Torture("lwsstart", "3.1.2.9", 400, (400,)),
    Torture("trws", "3.1.2.10", PARSED, (200,)),  # our choice: bear it
    Torture("escruri", "3.1.2.11", 400, (400,)),  # our choice: refuse it
    Torture("baddate", "3.1.2.12", PARSED, (CALL,)),  # our choice: nobody reads Date
    Torture("regbadct", "3.1.2.13", 400, (400,)),  # our choice: refuse it
    Torture("badaspec", "3.1.2.14", 400, (400,)),  # our choice: refuse it
    Torture("baddn", "3.1.2.15", 400, (400,)),  # our choice: refuse it
    Torture("badvers", "3.1.2.16", 505, (505,)),
    Torture("mismatch01", "3.1.2.17", 400, (400,)),
    Torture("mismatch02", "3.1.2.18", 400, (400, 501)),
    Torture("bigcode", "3.1.2.19", None, ()),
    # 3.2 transaction layer: a branch of nothing but the magic cookie is no RFC 3261 branch
    Torture("badbranch", "3.2.1", PARSED, (200,)),
    # 3.3 application layer
    Torture("insuf", "3.3.1", 400, (400,)),
    Torture("unkscm", "3.3.2", PARSED, (416,)),
    Torture("novelsc", "3.3.3", PARSED, (416,)),
    Torture("unksm2", "3.3.4", PARSED, NOT_ALLOWED),
    Torture("bext01", "3.3.5", PARSED, (420,)),
    Torture("invut", "3.3.6", PARSED, (415,)),
    Torture("regaut01", "3.3.7", PARSED, NOT_ALLOWED),
    Torture("multi01", "3.3.8", 400, (400,)),
    Torture("mcl01", "3.3.9", 400, (400,)),
    Torture("bcast", "3.3.10", PARSED, ()),
    Torture("zeromf", "3.3.11", PARSED, (200, 483)),  # 0 forbids forwarding, not arriving
    Torture("cparam01", "3.3.12", PARSED, NOT_ALLOWED),
    Torture("cparam02", "3.3.13", PARSED, NOT_ALLOWED),
    Torture("regescrt", "3.3.14", PARSED, NOT_ALLOWED),
    Torture("sdp01", "3.3.15", PARSED, (406,)),
    # 3.4 back to RFC 2543
    Torture("inv2543", "3.4.1", PARSED, (CALL,)),
)

RFC5118 = (
    Torture("ipv6-good", "4.1", PARSED, NOT_ALLOWED),
    Torture("ipv6-bad", "4.2", 400, (400,)),
    Torture("port-ambiguous", "4.3", PARSED, NOT_ALLOWED),
    Torture("port-unambiguous", "4.4", PARSED, NOT_ALLOWED),
    Torture("via-received-param-with-delim", "4.5", PARSED, (481,)),
    Torture("via-received-param-no-delim", "4.5", PARSED, (200,)),
    Torture("ipv6-in-sdp", "4.6", PARSED, (CALL, 488)),
    Torture("mult-ip-in-header", "4.7", PARSED, (481,)),
    Torture("mult-ip-in-sdp", "4.8", PARSED, (CALL, 488)),
    Torture("ipv4-mapped-ipv6", "4.9", PARSED, (CALL, 488)),
    Torture("ipv6-bug-abnf-3-colons", "4.10", PARSED, (200,)),
    Torture("ipv6-correct-abnf-2-colons", "4.10", PARSED, (200,)),
)

ALL = RFC4475 + RFC5118


def named(name: str) -> bytes:
    """The bytes of the message of this name."""
    return next(entry.data for entry in ALL if entry.name == name)
