"""Why a leg or a call ended, and what that is called on each wire: one table.

A leg that refuses or ends says so with an `Ending`. The cause is ours; the status is the SIP code that
came with it, kept so that it can be passed on and shown as received.
"""

from dataclasses import dataclass
from enum import Enum

from ichat_gw.addressing.sip_uri import clean_text

LONGEST_TEXT = 300
"""Characters of the words about an end."""


class Cause(Enum):
    """The cause of an end.

    Each member is (SIP status for a caller who is still waiting, status that an iChat client shows well
    when it has already sent its INVITE, sentence for logs and people). iChat shows 486, 487 and 603 only.
    """

    HANGUP = (487, 487, "one of the parties hung up")
    CANCELLED = (487, 487, "the caller gave up before the call was answered")
    ANSWERED_ELSEWHERE = (487, 487, "another of the user's devices answered")
    TRANSFERRED = (487, 487, "the party was replaced by whom it transferred the call to")
    REPLACED = (487, 487, "another call took the place of this one")
    BUSY = (486, 486, "the called party is busy")
    DECLINED = (603, 603, "the called party declined")
    NOT_FOUND = (404, 603, "the called address does not exist or the user is offline")
    NO_ROUTE = (404, 603, "no translation rule matches the called address")
    FORBIDDEN = (403, 603, "the gateway does not connect these two parties")
    NOT_ONLINE = (408, 603, "no device of the called user appeared in time")
    NO_ANSWER = (480, 603, "nobody answered in time")
    TIMEOUT = (408, 603, "the other side did not respond")
    UNREACHABLE = (503, 603, "the called party could not be reached")
    NO_USABLE_ADDRESS = (603, 603, "the iChat client gave no address that can be used")
    NOT_ACCEPTABLE = (488, 603, "the two parties have no common way to talk")
    MALFORMED = (400, 603, "the other side sent something that cannot be understood")
    REJECTED = (480, 603, "the call was refused")
    NO_RESOURCES = (503, 603, "the gateway has no media port left")
    OVERLOADED = (503, 603, "the gateway has too much to do")
    CONNECTOR_LOST = (503, 603, "the connection to the XMPP server is down")
    MEDIA_FAILED = (500, 603, "the media relay failed")
    MEDIA_TIMEOUT = (408, 603, "one of the parties sent no audio for too long")
    TOO_LONG = (487, 487, "the call has lasted as long as MaxCallDuration allows")
    SHUTDOWN = (503, 603, "the gateway is being stopped")

    def __init__(self, sip_status: int, ichat_status: int, sentence: str) -> None:
        self.sip_status = sip_status
        self.ichat_status = ichat_status
        self.sentence = sentence


_BY_STATUS = {
    400: Cause.MALFORMED,
    403: Cause.FORBIDDEN,
    404: Cause.NOT_FOUND,
    408: Cause.TIMEOUT,
    410: Cause.NOT_FOUND,
    415: Cause.NOT_ACCEPTABLE,
    480: Cause.NO_ANSWER,
    484: Cause.NOT_FOUND,
    486: Cause.BUSY,
    487: Cause.CANCELLED,
    488: Cause.NOT_ACCEPTABLE,
    503: Cause.UNREACHABLE,
    600: Cause.BUSY,
    603: Cause.DECLINED,
    604: Cause.NOT_FOUND,
    606: Cause.NOT_ACCEPTABLE,
}


@dataclass(frozen=True, slots=True)
class Ending:
    """An end: its cause, the SIP status it came with (300..699, or None), and words about the case.

    `warning` is the code of RFC 3261 section 20.43 (300 to 399) for what is wrong with a session description.
    The words are mostly another's (a reason phrase): at most `LONGEST_TEXT` characters are kept, and none
    that cannot be shown, stored and sent on.
    """

    cause: Cause
    status: int | None = None
    text: str = ""
    warning: int | None = None

    def __post_init__(self) -> None:
        if len(self.text) > LONGEST_TEXT or not self.text.isprintable():
            object.__setattr__(self, "text", clean_text(self.text[:LONGEST_TEXT]))

    @classmethod
    def from_status(cls, status: int, text: str = "") -> "Ending":
        """The ending that a final SIP status means; codes without a row of their own are REJECTED."""
        return cls(_BY_STATUS.get(status, Cause.REJECTED), status, text)

    @property
    def sip_status(self) -> int:
        """What a waiting SIP caller is told.

        The code as received where the caller can use it. Not 3xx, 401, 407 and the like: they ask the
        receiver to act with contacts or credentials that are ours, not the caller's (RFC 7247 says the
        same of the challenges).
        """
        if self.status is None or self.status < 400 or self.status in _OURS_ALONE:
            return self.cause.sip_status
        return self.status

    @property
    def ichat_status(self) -> int:
        """What an iChat client whose INVITE is being refused is told."""
        return self.cause.ichat_status

    def __str__(self) -> str:
        """A sentence, with the code as received and the details where there are any."""
        code = f" (SIP {self.status})" if self.status is not None else ""
        return f"{self.cause.sentence}{code}{': ' + self.text if self.text else ''}"


# Digest challenges, session-timer, extension, loop and transaction matters between us and one neighbour.
_OURS_ALONE = frozenset({401, 402, 405, 407, 413, 414, 416, 420, 421, 422, 423, 481, 482, 483, 491, 493, 494})
