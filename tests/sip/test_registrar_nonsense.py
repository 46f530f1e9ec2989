"""A registrar that answers nonsense: asked again later, not in a loop, and believed once it makes sense."""

from contextlib import suppress

from hypothesis import given, settings
from hypothesis import strategies as st

from ichat_gw.sip.events import StartRegistration
from ichat_gw.sip.headers import UnsafeHeader
from ichat_gw.sip.message import Request
from tests.sip.ladder import Peer
from tests.sip.test_registration import AOR, online

MOST_AT_ONCE = 8
"""REGISTERs that one nonsense may cause before there is a pause: a password, a minimum, and the like."""

LONGEST_PAUSE = 3_600
"""Seconds after which somebody who is not registered has been asked for again."""

NAMES = st.sampled_from(
    [
        "Contact",
        "Expires",
        "Min_Expires",
        "Retry_After",
        "WWW_Authenticate",
        "Proxy_Authenticate",
        "Authentication_Info",
        "Service_Route",
        "Path",
        "Require",
        "Date",
        "Warning",
        "Content_Length",
    ]
)
VALUES = st.sampled_from(
    [
        "*",
        "<sip:alice@192.0.2.1:5070>;expires=-1",
        "<sip:alice@192.0.2.1:5070>;expires=99999999999999999999",
        "<sip:alice@192.0.2.1:5070>;expires=0",
        "<sip:somebody@else>;expires=3600," * 50 + "<sip:x>",
        "<",
        "0",
        "-1",
        "4294967296",
        "1e9",
        "Digest",
        'Digest realm="a"',
        'Digest realm="a", nonce="b", algorithm=ROT13',
        'Digest realm="a", nonce="b", stale=true',
        'Digest realm="a", nonce="b", qop="auth-int"',
        "<sip:nowhere;lr>",
        "\x00",
        "",
    ]
) | st.text(st.characters(min_codepoint=32, exclude_categories=["Cs"]), max_size=40)
STATUSES = st.sampled_from(
    [100, 180, 200, 202, 301, 302, 305, 401, 403, 407, 408, 420, 423, 481, 500, 503, 699]
)
ANSWERS = st.tuples(STATUSES, st.dictionaries(NAMES, VALUES, max_size=4))
RUBBISH = st.binary(max_size=80)


def requests(registrar: Peer) -> list[Request]:
    """What it was asked since the last time, and not yet answered."""
    asked = [message for message in registrar.inbox if isinstance(message, Request)]
    registrar.inbox.clear()
    return asked


@settings(max_examples=80, deadline=None)
@given(st.lists(ANSWERS | RUBBISH, min_size=1, max_size=6))
def test_any_answers(nonsense: list[tuple[int, dict[str, str]] | bytes]) -> None:
    ladder, registrar = online()
    ladder.act(StartRegistration(AOR))
    for answer in nonsense:
        for _ in range(MOST_AT_ONCE):
            asked = requests(registrar)
            if not asked:
                break
            if isinstance(answer, bytes):
                registrar.throws(answer)
            else:
                status, fields = answer
                with suppress(UnsafeHeader):  # our own way of writing does not let all of them through
                    registrar.answers(asked[-1], status, **fields)
        else:
            raise AssertionError(f"asked more than {MOST_AT_ONCE} times for one answer")
        ladder.later(130)
    # It makes sense again.
    outcomes, contact = ladder.registered(), ""
    for _ in range(LONGEST_PAUSE // 10):
        for request in requests(registrar):
            # One without Contact asks what is known.
            contact = request.headers.get("Contact") or contact
            registrar.answers(request, 200, Contact=f"{contact};expires=3600")
        ladder.later(10)
        outcomes += ladder.registered()
        if outcomes and outcomes[-1][1] > 0 and not registrar.inbox:
            return
    raise AssertionError(f"not registered after {LONGEST_PAUSE} s: {outcomes[-3:]}")
