"""Somebody sends us a page: MESSAGE outside a dialog (RFC 3428 section 7).

Repetitions are the transaction layer's: until a page has its final response, and for 32 s after that, they
reach nobody.
"""

from ichat_gw.addressing.sip_grammar import InvalidSyntax, find_param, parse_params
from ichat_gw.addressing.sip_uri import clean_text
from ichat_gw.sip.core import Core
from ichat_gw.sip.events import AnswerPage, Flow, PageReceived
from ichat_gw.sip.message import Request
from ichat_gw.sip.pager_client import TEXT_PLAIN, TOO_LARGE
from ichat_gw.sip.replies import RETRY_AFTER, Replies
from ichat_gw.sip.transaction import Transaction

MAX_BYTES = 16_384
"""Of the text of a page; a longer one gets 513."""
MAX_WAITING = 1_000
"""Pages that wait for their answer; more get 503."""

_CHARSETS = {"utf-8": "utf-8", "us-ascii": "ascii", "iso-8859-1": "latin-1"}


class PagerServer:
    """The pages that wait for their answer."""

    def __init__(self, core: Core, replies: Replies) -> None:
        self._core = core
        self._replies = replies
        self._waiting: dict[int, tuple[Transaction, Request]] = {}
        self._last = 0

    def __len__(self) -> int:
        return len(self._waiting)

    def hear(self, transaction: Transaction, request: Request, flow: Flow) -> None:
        """Hear a MESSAGE."""
        charset = _charset_of(request)
        if charset is None:
            accepted = (("Accept", TEXT_PLAIN),)
            encoded = (request.headers.get("Content-Encoding") or "identity").lower() != "identity"
            self._refuse(transaction, request, 415, accepted if not encoded else _IDENTITY)
        elif len(request.body) > MAX_BYTES:
            self._refuse(transaction, request, TOO_LARGE)
        elif not (text := request.body.decode(charset, "replace")).strip():
            # Nothing to read, and nothing wrong with that.
            self._refuse(transaction, request, 200)
        elif len(self._waiting) >= MAX_WAITING:
            self._refuse(transaction, request, 503, (RETRY_AFTER,))
        else:
            self._last += 1
            self._waiting[self._last] = transaction, request
            self._core.tell(
                PageReceived(
                    self._last,
                    request.uri,
                    request.to.uri,
                    request.from_.uri,
                    request.from_.display_name,
                    text,
                    clean_text(request.headers.get("Subject") or ""),
                    request.call_id,
                    _language_of(request),
                    flow,
                )
            )

    def answer(self, answer: AnswerPage) -> None:
        """Answer one of them."""
        transaction, request = self._waiting.pop(answer.number, (None, None))
        if transaction is not None and request is not None:
            self._refuse(transaction, request, answer.status)

    def _refuse(
        self, transaction: Transaction, request: Request, status: int, extra: tuple[tuple[str, str], ...] = ()
    ) -> None:
        self._core.respond(transaction, self._replies.plain(request, status, self._core.token(), extra=extra))


_IDENTITY = (("Accept-Encoding", "identity"),)


def _charset_of(request: Request) -> str | None:
    """How the text is to be decoded; None when it is no text that we read. No body at all is empty text."""
    if (request.headers.get("Content-Encoding") or "identity").lower() != "identity":
        return None
    if not request.body:
        return "utf-8"
    if request.content_type != TEXT_PLAIN:
        return None
    _, semicolon, tail = (request.headers.get("Content-Type") or "").partition(";")
    try:
        charset = find_param(parse_params(semicolon + tail), "charset") or "utf-8"
    except InvalidSyntax:
        return None
    return _CHARSETS.get(charset.strip('"').lower())


def _language_of(request: Request) -> str:
    tag = (request.headers.get("Content-Language") or "").partition(",")[0].strip()
    plain = tag.replace("-", "")
    return tag if len(tag) <= 35 and plain.isascii() and plain.isalnum() else ""
