"""What a trace shows of a message."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ichat_gw.ipc.messages import Stop
from ichat_gw.ops.reading import LONGEST_SUMMARY, contents, sip_summary, summary


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"INVITE sip:bob@example.com SIP/2.0\r\n\r\n", "INVITE sip:bob@example.com"),
        (b"SIP/2.0 200 OK\r\nCSeq: 7 INVITE\r\n\r\nv=0\r\n", "200 OK (INVITE)"),
        (b"SIP/2.0 200 OK\ncseq: 7 BYE\n\n", "200 OK (BYE)"),
        (b"SIP/2.0 486 Busy Here\r\n\r\nCSeq: 7 INVITE", "486 Busy Here ()"),
        (b"SIP/2.0 abc OK\r\n\r\n", "not SIP"),
        (b"\r\n\r\n", "keep-alive"),
        (b"\0", "keep-alive"),
        (b"hello", "not SIP"),
        (b"\xff\xfe", "not SIP"),
    ],
)
def test_sip(data: bytes, words: str) -> None:
    assert sip_summary(data) == words


@pytest.mark.parametrize(
    ("xml", "words"),
    [
        (
            "<iq type='set' id='1'><query xmlns='apple:iq:vc:request'><a/></query></iq>",
            "iq set apple:iq:vc:request",
        ),
        ('<iq id="1" type="result"/>', "iq result"),
        ("<presence from='a'><priority>0</priority></presence>", "presence"),
        ("<message type='chat'><body xmlns='x'>secret</body></message>", "message chat"),
        ("<", "not a stanza"),
        ("the call rings", "the call rings"),
        ("two\nlines\tand\x00more", "two lines and\x00more"),
    ],
)
def test_text(xml: str, words: str) -> None:
    assert summary(xml) == words


def test_between_the_programs() -> None:
    assert summary(Stop()) == "stop"
    assert contents(Stop()) == b""


def test_only_what_was_sent_is_content() -> None:
    assert contents("the call rings") == b""
    assert contents("<iq/>") == b"<iq/>"
    assert contents(b"\xff\0") == b"\xff\0"


def test_a_summary_is_short() -> None:
    assert len(summary(b"INVITE sip:%s SIP/2.0\r\n\r\n" % (b"x" * 5000))) == LONGEST_SUMMARY


@given(st.binary() | st.text())
def test_anything_can_be_shown(content: bytes | str) -> None:
    assert "\n" not in summary(content)
    contents(content)


def test_a_summary_can_be_written() -> None:
    assert summary("refused: \udcff") == "refused: \ufffd"
