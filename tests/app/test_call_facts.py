"""What a glance at a session description shows, and what becomes of what was noted."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ichat_gw.app.call_events import CallBegan, CallEnded, CallRefused
from ichat_gw.app.call_facts import MOST_SAMPLES, Watched, facts_of, glance, record_of
from ichat_gw.call.cause import Cause, Ending
from ichat_gw.call.media import (
    MediaAnswer,
    MediaCandidate,
    MediaOffer,
    MediaReady,
    MediaRefused,
    MediaRelease,
    MediaReoffer,
    Side,
)
from ichat_gw.media.engine import CallCounters
from ichat_gw.media.negotiation import read_audio
from ichat_gw.media.relay_messages import PartyCounters
from ichat_gw.media.sdp import SessionDescription
from ichat_gw.ops.verdict_facts import Person, Said
from ichat_gw.ops.verdict_judge import judge

HEAD = "v=0\r\no=- 1 1 IN IP4 192.0.2.7\r\ns=-\r\nc=IN IP4 192.0.2.7\r\nt=0 0\r\n"
AUDIO = (
    "m=audio 8000 RTP/AVP 0 96 101 13\r\na=rtpmap:96 opus/48000/2\r\na=rtpmap:101 telephone-event/8000\r\n"
)
VIDEO = "m=video 9000 RTP/AVP 34\r\nc=IN IP4 192.0.2.99\r\na=sendonly\r\n"
CODECS = ("PCMU/8000", "opus/48000/2")


@pytest.mark.parametrize(
    ("sdp", "said"),
    [
        (HEAD + AUDIO, Said(1.0, True, True, ("192.0.2.7", 8000), CODECS)),
        (HEAD + VIDEO + AUDIO, Said(1.0, True, True, ("192.0.2.7", 8000), CODECS)),
        (HEAD + AUDIO + "a=sendonly\r\n" + VIDEO, Said(1.0, True, False, ("192.0.2.7", 8000), CODECS)),
        (HEAD + "a=recvonly\r\n" + AUDIO, Said(1.0, False, True, ("192.0.2.7", 8000), CODECS)),
        (HEAD + AUDIO + "a=inactive\r\n", Said(1.0, False, False, ("192.0.2.7", 8000), CODECS)),
        (
            (HEAD + AUDIO + "c=IN IP6 2001:db8::7\r\n").replace("\r\n", "\n"),
            Said(1.0, True, True, ("2001:db8::7", 8000), CODECS),
        ),
        (HEAD + AUDIO + "c=IN IP4 0.0.0.0\r\n", Said(1.0, True, False, None, CODECS)),
        (HEAD + VIDEO, None),
        ("", None),
        ("v=0\nm=audio \n", Said(1.0, True, False, None, ())),
        ("v=0\nm=audio x RTP/AVP 77\n", Said(1.0, True, False, None, ())),
    ],
)
def test_a_glance(sdp: str, said: Said | None) -> None:
    assert glance(sdp, 1.0) == said


_LINES = st.sampled_from(
    [
        "c=IN IP4 192.0.2.9",
        "c=IN IP4 0.0.0.0",
        "a=sendonly",
        "a=recvonly",
        "a=inactive",
        "a=sendrecv",
        "a=ptime:20",
        "a=rtpmap:97 iLBC/8000",
        "m=video 9 RTP/AVP 34",
        "m=audio 16402 RTP/AVP 8 97 3",
    ]
)


@given(st.lists(_LINES, max_size=8))
def test_where_the_careful_reader_reads_the_glance_sees_the_same(lines: list[str]) -> None:
    sdp = HEAD + "".join(f"{line}\r\n" for line in lines)
    seen = glance(sdp, 1.0)
    try:
        audio = read_audio(SessionDescription.parse(sdp))
    except Exception:
        return
    assert seen is not None
    assert (seen.sends, seen.receives, seen.address) == (
        audio.direction.sends,
        audio.direction.receives,
        audio.rtp,
    )
    speech = tuple(
        dict.fromkeys(format.codec.rtpmap for format in audio.formats if format.codec.carries_speech)
    )
    assert seen.codecs == speech


@given(st.text())
def test_whatever_it_is_a_glance_is_enough(text: str) -> None:
    glance(text, 1.0)
    glance("v=0\r\nm=audio " + text, 1.0)


def watched() -> Watched:
    began = CallBegan(
        "n-1",
        "sip:bob@192.0.2.7",
        "xmpp:alice@example.com",
        "alice@example.com",
        "72@gw",
        Side.CALLEE,
        "192.0.2.7",
    )
    return Watched.begin(began, 1.0)


def over(call: Watched) -> Watched:
    call.end(CallEnded("n-1", Ending(Cause.HANGUP), Side.CALLER), 60.0)
    return call


def test_who_was_told_to_send_where() -> None:
    call = watched()
    call.answered = 5.0
    ours = HEAD.replace("192.0.2.7", "192.0.2.1") + AUDIO
    call.media += [
        (2.0, MediaOffer(1, Side.CALLER, HEAD + AUDIO, "")),
        (2.1, MediaReady(1, ours)),
        (3.0, MediaAnswer(2, Side.CALLEE, HEAD + AUDIO.replace("8000 ", "8002 "), "")),
        (3.1, MediaReady(2, ours.replace("8000 ", "8004 "))),
        (4.0, MediaReoffer(3, Side.CALLER, None, "")),
        (4.1, MediaReady(3, ours.replace("8000 ", "8006 "))),
        (4.2, MediaCandidate(4, Side.CALLER, "")),
        (4.3, MediaRefused(4, Ending(Cause.MEDIA_FAILED))),
        (4.4, MediaReady(99, ours)),
        (4.5, MediaRelease()),
    ]
    facts = facts_of(over(call))
    assert (facts.callee_port, facts.caller_port) == (("192.0.2.1", 8000), ("192.0.2.1", 8006))
    assert [said.address for said in facts.caller_said] == [("192.0.2.7", 8000)]
    assert [said.address for said in facts.callee_said] == [("192.0.2.7", 8002)]
    record = record_of(call, facts, judge(facts))
    assert record.codec == "PCMU/8000, opus/48000/2"
    assert (record.phone, record.user) == ("192.0.2.7", "alice@example.com")
    assert record.packets_from_caller is None


def test_refused_calls_name_who_is_of_which_network() -> None:
    ending = Ending(Cause.NO_ROUTE)
    out = Watched.refused(CallRefused("n-1", "a@b/x", "72@gw", "a@b", "72@gw", ending, ""), 1.0)
    assert out.people == {Side.CALLER: Person("xmpp:a@b/x"), Side.CALLEE: Person("xmpp:72@gw")}
    into = Watched.refused(CallRefused("n-1", "sip:bob@x", "sip:alice@y", "", "", ending, ""), 1.0)
    assert into.people == {Side.CALLER: Person("sip:bob@x"), Side.CALLEE: Person("sip:alice@y")}
    assert facts_of(into).ended == 1.0


def test_of_many_samples_the_first_the_last_and_some_between_are_kept() -> None:
    call = watched()
    for number in range(3 * MOST_SAMPLES):
        call.sample(CallCounters(PartyCounters(received=number), PartyCounters()), float(number))
    assert len(call.samples) <= MOST_SAMPLES
    assert call.samples[0].at == 0.0
    assert call.samples[-1].at >= 3 * MOST_SAMPLES - 2
    assert [sample.at for sample in call.samples] == sorted(sample.at for sample in call.samples)


def test_a_transfer_to_somebody_unknown_keeps_the_address() -> None:
    call = watched()
    call.replace(Side.CALLER)
    assert (call.people[Side.CALLER].address, call.transfers) == ("sip:bob@192.0.2.7", 1)
