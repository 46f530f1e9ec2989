"""The Reason header field (RFC 3326): why a CANCEL or a BYE was sent, in the terms of `Ending`."""

from ichat_gw.addressing.sip_grammar import (
    WS,
    InvalidSyntax,
    decimal,
    find_param,
    parse_params,
    quote,
    split_outside,
    unquote,
)
from ichat_gw.addressing.sip_uri import clean_text
from ichat_gw.call.cause import Cause, Ending
from ichat_gw.sip.message import Request

COMPLETED_ELSEWHERE = "Call completed elsewhere"
LONGEST = 200
"""Characters of their words that are kept."""
_NORMAL = (Cause.HANGUP, Cause.CANCELLED)


def reason_for(ending: Ending) -> str | None:
    """Return the value to send, or None for an end that needs no reason: somebody simply hung up."""
    if ending.cause is Cause.ANSWERED_ELSEWHERE:
        return f"SIP;cause=200;text={quote(COMPLETED_ELSEWHERE)}"
    if ending.cause in _NORMAL and ending.status is None:
        return None
    status = ending.status or ending.cause.sip_status
    # Only words of ours: `ending.text` may hold addresses and names that are nobody's business.
    return f"SIP;cause={status};text={quote(ending.cause.sentence)}"


def ending_of(request: Request, cause: Cause) -> Ending:
    """Return the ending that their CANCEL or BYE means: `cause`, with what its Reason says.

    "Completed elsewhere" is a cause of its own. Other SIP statuses go into `status`; what else there is
    (Q.850 and the like) is kept as text. A Reason that cannot be read says nothing.
    """
    status: int | None = None
    words: list[str] = []
    for protocol, number, text in _reasons(request):
        if protocol != "SIP":
            words.append(f"{protocol} {number} {text}".strip())
        elif number == 200:
            cause = Cause.ANSWERED_ELSEWHERE if cause is Cause.CANCELLED else cause
            words.append(text)
        else:
            status = number if number is not None and 300 <= number <= 699 else None
            words.append(text)
    return Ending(cause, status, clean_text("; ".join(word for word in words if word))[:LONGEST])


def _reasons(request: Request) -> list[tuple[str, int | None, str]]:
    """Protocol in upper case, number and text of each reason."""
    found = []
    for line in request.headers.get_all("Reason"):
        try:
            for value in split_outside(line, ","):
                protocol, semicolon, tail = value.partition(";")
                params = parse_params(semicolon + tail)
                number = decimal(find_param(params, "cause") or "", 999)
                found.append((protocol.strip(WS).upper(), number, unquote(find_param(params, "text") or "")))
        except InvalidSyntax:
            continue
    return found
