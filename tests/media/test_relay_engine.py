"""The engine between bridges and a relay worker, as ladders."""

from collections.abc import Callable
from random import Random

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from ichat_gw.call.cause import Cause
from ichat_gw.call.media import (
    MediaAnswer,
    MediaLost,
    MediaOffer,
    MediaPassedOn,
    MediaReady,
    MediaRefused,
    MediaRelease,
    MediaReoffer,
    MediaReply,
    MediaRequest,
    MediaUpdate,
    Side,
)
from ichat_gw.errors import GatewayError
from ichat_gw.media.engine import (
    CallCounters,
    EngineCommand,
    FromNode,
    FromWorker,
    MediaFor,
    MediaOver,
    MediaSettings,
    PartStatus,
    Statistics,
    StatisticsAsked,
    ToCall,
    ToWorker,
    WorkerLost,
)
from ichat_gw.media.negotiation import read_audio
from ichat_gw.media.relay_engine import EngineConfig, RelayEngine
from ichat_gw.media.relay_messages import (
    Adjust,
    BindFault,
    Close,
    Closed,
    GateSnapshot,
    Learning,
    Open,
    Opened,
    OpenFailed,
    Order,
    PartyCounters,
    PartySnapshot,
    Query,
    Report,
    Restore,
    Retarget,
    Silent,
    Snapshot,
    Started,
    WorkerReply,
)
from ichat_gw.media.sdp import SessionDescription
from tests.media.test_sdp import VICEROY

CALLER, CALLEE = Side.CALLER, Side.CALLEE


def sdp(host: str, port: int, *, formats: str = "0", direction: str = "sendrecv", extra: str = "") -> str:
    family = "IP6" if ":" in host else "IP4"
    return (
        f"v=0\r\no=peer 1 1 IN {family} {host}\r\ns=-\r\nc=IN {family} {host}\r\nt=0 0\r\n"
        f"m=audio {port} RTP/AVP {formats}\r\na={direction}\r\n{extra}"
    )


PHONE = sdp("192.0.2.10", 30_000, formats="0 8 3")
ICHAT = sdp("192.0.2.20", 16_402)


class Scene:
    """An engine, a worker that does as it is told at once (or not), and what came out."""

    def __init__(
        self,
        ports: int = 20,
        *,
        local: Callable[[str], str] = lambda host: "192.0.2.1",
        up: bool = True,
        **more: object,
    ) -> None:
        config = EngineConfig(8000, 8000 + 2 * ports - 1, **more)  # type: ignore[arg-type]
        self.engine = RelayEngine(config, local, Random(1))
        self.now = 0.0
        self.obedient = True
        self.orders: list[Order] = []
        self.replies: list[tuple[str, MediaReply]] = []
        self.rest: list[EngineCommand] = []
        self.requests = 0
        if up:
            self.say(Started(1, 1024))

    def ask(self, request: MediaRequest, call: str = "a") -> None:
        self._do(self.engine.receive(MediaFor(call, request), self.now))

    def say(self, reply: WorkerReply, worker: int = 0) -> None:
        self._do(self.engine.receive(FromWorker(reply, worker), self.now))

    def die(self, worker: int = 0) -> None:
        self._do(self.engine.receive(WorkerLost("killed", worker), self.now))

    def busy(self) -> list[int]:
        return self.engine._busy

    def offer_only(self, call: str) -> None:
        """A call whose callee has ports, whatever the worker does otherwise."""
        self.obedient = True
        self.offer(PHONE, call=call)
        self.obedient = False

    def query(self, call: str, query: int) -> None:
        self._do(self.engine.receive(StatisticsAsked(call, query), self.now))

    def wait(self, seconds: float) -> None:
        self.now += seconds
        self._do(self.engine.expire(self.now))

    def _do(self, commands: list[EngineCommand]) -> None:
        for command in commands:
            match command:
                case ToCall(call, reply):
                    self.replies.append((call, reply))
                case ToWorker(order, worker):
                    self.orders.append(order)
                    if self.obedient:
                        self._obey(order, worker)
                case _:
                    self.rest.append(command)

    def _obey(self, order: Order, worker: int) -> None:
        if isinstance(order, Open):
            self.say(Opened(order.session, order.side), worker)
        elif isinstance(order, Close):
            self.say(Closed(order.session, PartyCounters(received=7), PartyCounters()), worker)
        elif isinstance(order, Query):
            self.say(Report(order.session, order.query, PartyCounters(received=3), PartyCounters()), worker)

    # What the ladders use: each returns the description that the engine made for the answer to it.

    def offer(self, text: str | None, towards: str = "192.0.2.20", call: str = "a") -> str:
        return self.ready(MediaOffer(self.number(), CALLER, text, towards, to_ichat=True), call)

    def answer(self, text: str, towards: str = "192.0.2.10", call: str = "a") -> str:
        return self.ready(MediaAnswer(self.number(), CALLEE, text, towards), call)

    def reoffer(self, side: Side, text: str | None, towards: str = "") -> str:
        return self.ready(MediaReoffer(self.number(), side, text, towards))

    def update(self, side: Side, text: str) -> str:
        return self.ready(MediaUpdate(self.number(), side, text))

    def number(self) -> int:
        self.requests += 1
        return self.requests

    def ready(self, request: MediaRequest, call: str = "a") -> str:
        self.ask(request, call)
        said, reply = self.replies.pop()
        assert not self.replies
        assert isinstance(reply, MediaReady), reply
        assert (said, reply.request) == (call, self.requests)
        return reply.sdp

    def refused(self, request: MediaRequest, call: str = "a") -> MediaRefused:
        self.ask(request, call)
        return self.last_refusal()

    def last_refusal(self) -> MediaRefused:
        _, reply = self.replies.pop()
        assert isinstance(reply, MediaRefused), reply
        return reply

    def drain(self) -> list[Order]:
        orders, self.orders = self.orders, []
        return orders


def audio_lines(text: str) -> list[str]:
    return text[text.index("m=") :].splitlines()


def our_port(text: str) -> int:
    return SessionDescription.parse(text).sections[0].port


# --- calls that go well -----------------------------------------------------------------------------------


def test_sip_calls_ichat() -> None:
    scene = Scene()
    to_ichat = scene.offer(PHONE)
    ours = our_port(to_ichat)
    assert audio_lines(to_ichat) == [
        f"m=audio {ours} RTP/AVP 0 3",
        "a=rtpmap:0 PCMU/8000",
        "a=rtpmap:3 GSM/8000",
        "a=sendrecv",
    ]
    assert scene.drain() == [Open(1, CALLEE, "192.0.2.1", ours)]

    to_phone = scene.answer(ICHAT)
    theirs = our_port(to_phone)
    assert theirs != ours
    assert audio_lines(to_phone) == [f"m=audio {theirs} RTP/AVP 0", "a=rtpmap:0 PCMU/8000", "a=sendrecv"]
    assert scene.drain() == [
        Open(1, CALLER, "192.0.2.1", theirs),
        Retarget(1, CALLEE, ("192.0.2.20", 16_402), ("192.0.2.20", 16_403), Learning.NOTHING, 0.0),
        Retarget(1, CALLER, ("192.0.2.10", 30_000), ("192.0.2.10", 30_001), Learning.NOTHING, 0.0),
    ]

    scene.ask(MediaRelease())
    assert scene.drain() == [Close(1)]
    assert scene.rest == [MediaOver("a", CallCounters(PartyCounters(received=7), PartyCounters()))]
    assert (scene.engine.open_sessions, scene.engine.ports_in_use, scene.engine.deadline()) == (0, 0, None)
    scene.ask(MediaRelease())
    assert scene.drain() == []


def test_ichat_calls_sip() -> None:
    """iChat says nothing until the phone has answered; then it offers."""
    scene = Scene()
    to_phone = scene.offer(None, "192.0.2.10")
    assert audio_lines(to_phone)[1:] == ["a=rtpmap:0 PCMU/8000", "a=sendrecv"]
    unsent = scene.answer(PHONE, "192.0.2.20")
    scene.drain()
    to_ichat = scene.reoffer(CALLER, VICEROY, "192.168.20.198")
    ours = our_port(unsent)
    assert audio_lines(to_ichat) == [
        f"m=audio {ours} RTP/AVP 0",
        "a=rtpmap:0 PCMU/8000",
        "a=sendrecv",
        "m=video 0 RTP/AVP 123 126 34",
    ]
    assert to_ichat.splitlines()[1] == unsent.splitlines()[1]  # o=: the first that iChat sees
    host = "192.168.20.198"
    assert scene.drain() == [
        Retarget(1, CALLER, (host, 16_402), (host, 16_402), Learning.NOTHING, 0.0),
        Adjust(1, CALLER, receives=True, rates=((105, 22_050),)),
    ]


def test_sip_caller_that_offers_late() -> None:
    scene = Scene()
    scene.offer(None)
    to_phone = scene.answer(ICHAT)
    assert audio_lines(to_phone)[0].endswith("RTP/AVP 0")
    scene.drain()
    assert scene.update(CALLER, PHONE) == ""
    assert scene.drain() == [
        Retarget(1, CALLER, ("192.0.2.10", 30_000), ("192.0.2.10", 30_001), Learning.NOTHING, 0.0)
    ]


def test_hold_and_resume() -> None:
    scene = Scene()
    scene.offer(PHONE)
    scene.answer(ICHAT)
    scene.drain()
    held = scene.reoffer(CALLER, sdp("192.0.2.10", 30_000, direction="sendonly"), "192.0.2.10")
    assert audio_lines(held)[-1] == "a=recvonly"
    where = Retarget(1, CALLER, ("192.0.2.10", 30_000), ("192.0.2.10", 30_001), Learning.NOTHING, 0.0)
    assert scene.drain() == [where, Adjust(1, CALLER, receives=False)]
    again = scene.reoffer(CALLER, PHONE, "192.0.2.10")
    assert audio_lines(again)[-1] == "a=sendrecv"
    assert scene.drain() == [where, Adjust(1, CALLER, receives=True)]
    versions = [int(text.splitlines()[1].split()[2]) for text in (held, again)]
    assert versions[1] == versions[0] + 1


def test_hold_by_address_leaves_the_relay_where_it_was() -> None:
    scene = Scene()
    scene.offer(PHONE)
    scene.answer(ICHAT)
    scene.drain()
    held = scene.reoffer(CALLER, sdp("0.0.0.0", 30_000), "192.0.2.10")
    assert audio_lines(held)[-1] == "a=recvonly"
    assert scene.drain() == [Adjust(1, CALLER, receives=False, controlled=False)]


def test_reinvite_without_description() -> None:
    scene = Scene()
    scene.offer(PHONE)
    first = scene.answer(ICHAT)
    scene.drain()
    assert scene.reoffer(CALLER, None, "192.0.2.10") == first
    assert scene.drain() == []
    scene.update(CALLER, sdp("192.0.2.10", 31_000))
    assert scene.drain() == [
        Retarget(1, CALLER, ("192.0.2.10", 31_000), ("192.0.2.10", 31_001), Learning.NOTHING, 0.0)
    ]


def test_reinvite_without_description_keeps_refused_video() -> None:
    scene = Scene()
    scene.offer(None, "192.0.2.10")
    scene.answer(PHONE, "192.168.20.198")
    said = scene.reoffer(CALLER, VICEROY, "192.168.20.198")
    assert scene.reoffer(CALLER, None, "192.168.20.198") == said


def test_direction_of_both_is_told_to_each() -> None:
    scene = Scene()
    assert audio_lines(scene.offer(sdp("192.0.2.10", 9, direction="sendonly")))[-1] == "a=sendonly"
    assert audio_lines(scene.answer(sdp("192.0.2.20", 9, direction="recvonly")))[-1] == "a=recvonly"
    scene = Scene()
    scene.offer(PHONE)
    assert audio_lines(scene.answer(sdp("192.0.2.20", 9, direction="inactive")))[-1] == "a=inactive"


def test_a_number_of_its_own_for_pcmu() -> None:
    """The caller calls PCMU 97, the callee knows it by its fixed number."""
    scene = Scene()
    to_ichat = scene.offer(sdp("192.0.2.10", 9, formats="97 8", extra="a=rtpmap:97 PCMU/8000\r\n"))
    assert audio_lines(to_ichat)[1] == "a=rtpmap:0 PCMU/8000"
    assert audio_lines(scene.answer(ICHAT))[1] == "a=rtpmap:97 PCMU/8000"
    assert scene.drain()[-2:] == [
        Adjust(1, CALLER, receives=True, renumbered=((97, 0),), keep_alive=(97, 8_000)),
        Adjust(1, CALLEE, receives=True, renumbered=((0, 97),)),
    ]
    offer = SessionDescription.parse(scene.reoffer(CALLER, None))
    assert [(each.number, each.codec.name) for each in read_audio(offer).formats] == [(97, "PCMU")]


def test_an_answer_with_a_number_of_its_own() -> None:
    """Sloppy but seen: what it sends may bear its own number or ours."""
    scene = Scene()
    scene.offer(PHONE)
    scene.answer(sdp("192.0.2.20", 9, formats="97", extra="a=rtpmap:97 PCMU/8000\r\n"))
    assert scene.drain()[-2:] == [
        Adjust(1, CALLER, receives=True, renumbered=((0, 97),)),
        Adjust(1, CALLEE, receives=True, renumbered=((97, 0),), keep_alive=(97, 8_000)),
    ]


def test_filtered_codecs_are_taken_out_of_offers() -> None:
    scene = Scene(filtered=frozenset({0, 3}))
    assert audio_lines(scene.offer(PHONE))[0].endswith("RTP/AVP 8")
    refusal = scene.refused(MediaOffer(2, CALLER, None, ""), "b")
    assert refusal.ending.text == "CodecIdFilterList leaves no codec to offer"
    only = sdp("192.0.2.10", 9, formats="0 97", extra="a=rtpmap:97 PCMU/8000\r\n")
    assert scene.refused(MediaOffer(3, CALLER, only, ""), "c").ending.cause is Cause.NOT_ACCEPTABLE
    assert scene.engine.open_sessions == 1


def test_what_the_worker_must_know_of_codecs() -> None:
    """Clock rates, and with what to keep a party alive: the first codec that both talk with."""
    scene = Scene()
    scene.offer(SOFTPHONE)
    scene.answer(sdp("192.0.2.20", 9, formats="101 9 111", extra=SOFTPHONE.partition("sendrecv\r\n")[2]))
    caller, callee = [order for order in scene.drain() if isinstance(order, Adjust)]
    assert (caller.rates, caller.keep_alive) == (((111, 48_000),), (111, 48_000))
    assert (callee.rates, callee.keep_alive) == (((111, 48_000),), (9, 8_000))


def test_rtcp_on_the_port_of_rtp() -> None:
    scene = Scene()
    muxing = sdp("192.0.2.10", 30_000, extra="a=rtcp-mux\r\n")
    assert "rtcp-mux" not in scene.offer(muxing)
    assert "a=rtcp-mux" in audio_lines(scene.answer(ICHAT))
    assert scene.drain()[-2:] == [
        Retarget(1, CALLER, ("192.0.2.10", 30_000), ("192.0.2.10", 30_000), Learning.NOTHING, 0.0),
        Adjust(1, CALLER, receives=True, mux=True),
    ]


def test_a_party_that_is_silent_for_too_long() -> None:
    """Only where both may talk: a call on hold may be silent."""
    scene = Scene(media_timeout=60.0)
    scene.offer(PHONE)
    scene.answer(ICHAT)
    assert scene.drain()[-2:] == [Adjust(1, side, receives=True, timeout=60.0) for side in Side]
    scene.reoffer(CALLER, sdp("192.0.2.10", 30_000, direction="sendonly"), "192.0.2.10")
    assert scene.drain()[-2:] == [Adjust(1, CALLER, receives=False), Adjust(1, CALLEE, receives=True)]
    scene.reoffer(CALLER, PHONE, "192.0.2.10")
    assert scene.drain()[-2:] == [Adjust(1, side, receives=True, timeout=60.0) for side in Side]

    scene.say(Silent(1, CALLEE))
    call, reply = scene.replies.pop()
    assert call == "a"
    assert isinstance(reply, MediaLost)
    assert reply.ending.cause is Cause.MEDIA_TIMEOUT
    assert reply.ending.text == "nothing from the callee for 60 s"
    scene.obedient = False
    scene.ask(MediaRelease())
    scene.say(Silent(1, CALLER))
    scene.say(Silent(9, CALLER))
    assert scene.replies == []


SOFTPHONE = sdp(
    "192.0.2.10",
    30_000,
    formats="111 9 101",
    extra="a=rtpmap:111 opus/48000/2\r\na=fmtp:111 stereo=0\r\na=rtpmap:101 telephone-event/8000\r\n"
    "a=fmtp:101 0-15\r\na=ptime:20\r\na=maxptime:60\r\na=ssrc:1 cname:x\r\n",
)


def test_all_that_both_can_use_is_agreed_on() -> None:
    """In the offerer's order; each party keeps the numbers that it knows."""
    scene = Scene()
    offered = audio_lines(scene.offer(SOFTPHONE))
    assert offered[0].endswith("RTP/AVP 111 9 101")
    assert offered[1:] == [
        "a=rtpmap:111 opus/48000/2",
        "a=fmtp:111 stereo=0",
        "a=rtpmap:9 G722/8000",
        "a=rtpmap:101 telephone-event/8000",
        "a=fmtp:101 0-15",
        "a=ptime:20",
        "a=maxptime:60",
        "a=sendrecv",
    ]
    answer = sdp(
        "192.0.2.20",
        5004,
        formats="96 107 105",
        extra="a=rtpmap:107 opus/48000/2\r\na=rtpmap:96 telephone-event/8000\r\na=fmtp:96 0-11\r\n"
        "a=rtpmap:105 X-AAC_ELD/22050\r\na=ptime:40\r\n",
    )
    assert audio_lines(scene.answer(answer))[1:] == [
        "a=rtpmap:111 opus/48000/2",
        "a=rtpmap:101 telephone-event/8000",
        "a=fmtp:101 0-11",
        "a=ptime:40",
        "a=sendrecv",
    ]
    renumbered = {order.side: order.renumbered for order in scene.drain() if isinstance(order, Adjust)}
    assert renumbered[CALLER] == ((101, 96), (111, 107))
    assert renumbered[CALLEE] == ((96, 101), (107, 111))


def test_ichat_callee_that_can_only_pcmu() -> None:
    scene = Scene()
    offered = scene.offer(SOFTPHONE.replace("111 9 101", "111 9 0 101"))
    assert audio_lines(offered)[0].endswith("RTP/AVP 0")
    answer = sdp("192.0.2.20", 16_402, formats="0 105", extra="a=rtpmap:105 X-AAC_ELD/22050\r\n")
    assert audio_lines(scene.answer(answer))[1:] == ["a=rtpmap:0 PCMU/8000", "a=sendrecv"]


def test_answer_without_anything_that_was_offered() -> None:
    scene = Scene()
    scene.offer(sdp("192.0.2.10", 30_000, formats="8"))
    refusal = scene.refused(MediaAnswer(2, CALLEE, ICHAT, ""))
    assert refusal.ending.cause is Cause.NOT_ACCEPTABLE
    assert refusal.ending.text == "the two parties have no audio codec in common"


def test_reoffer_without_a_common_codec_changes_nothing() -> None:
    scene = Scene()
    scene.offer(PHONE)
    first = scene.answer(ICHAT)
    scene.drain()
    refusal = scene.refused(MediaReoffer(scene.number(), CALLER, sdp("192.0.2.11", 9, formats="8"), ""))
    assert refusal.ending.cause is Cause.NOT_ACCEPTABLE
    assert scene.drain() == []
    assert scene.reoffer(CALLER, PHONE) == first


@pytest.mark.parametrize(
    ("host", "towards", "learning", "window"),
    [
        ("10.0.0.5", "203.0.113.9", Learning.ADDRESS, 5.0),
        ("10.0.0.5", "10.0.0.5", Learning.NOTHING, 0.0),
        ("8.8.4.4", "203.0.113.9", Learning.PORT, 5.0),
    ],
)
def test_learning(host: str, towards: str, learning: Learning, window: float) -> None:
    scene = Scene()
    scene.offer(PHONE, towards)
    scene.answer(sdp(host, 5004))
    assert Retarget(1, CALLEE, (host, 5004), (host, 5005), learning, window) in scene.drain()


def test_private_caller_that_signals_from_there() -> None:
    """Where the caller signals from is known when it is answered."""
    scene = Scene()
    scene.offer(sdp("10.0.0.5", 5004))
    scene.answer(ICHAT, "10.0.0.5")
    assert scene.drain()[-1] == Retarget(
        1, CALLER, ("10.0.0.5", 5004), ("10.0.0.5", 5005), Learning.NOTHING, 0.0
    )


# --- addresses --------------------------------------------------------------------------------------------


def test_our_address_is_the_one_that_leads_to_the_party() -> None:
    ours = {"phone": "192.0.2.1", "ichat": "198.51.100.1"}
    scene = Scene(local=ours.__getitem__)
    assert "c=IN IP4 198.51.100.1\r\n" in scene.offer(PHONE, "ichat")
    assert "c=IN IP4 192.0.2.1\r\n" in scene.answer(ICHAT, "phone")


def test_host_of_the_description_decides_where_signalling_is_unknown() -> None:
    ours = {"phone": "192.0.2.1", "": "198.51.100.1", "192.0.2.10": "192.0.2.3"}
    scene = Scene(local=ours.__getitem__)
    assert "c=IN IP4 198.51.100.1\r\n" in scene.offer(PHONE, "")
    assert "c=IN IP4 192.0.2.3\r\n" in scene.answer(ICHAT, "")


def test_ipv6_media_of_a_caller_that_signals_over_ipv4() -> None:
    ours = {"ichat": "192.0.2.1", "phone": "192.0.2.1", "2001:db8::10": "2001:db8::1"}
    scene = Scene(local=ours.__getitem__)
    scene.offer(sdp("2001:db8::10", 5004), "ichat")
    assert "c=IN IP6 2001:db8::1\r\n" in scene.answer(ICHAT, "phone")
    assert isinstance(scene.orders[-1], Retarget)
    assert scene.orders[-1].rtp == ("2001:db8::10", 5004)


def test_a_party_of_another_family() -> None:
    scene = Scene()
    scene.offer(PHONE)
    refusal = scene.refused(MediaAnswer(2, CALLEE, sdp("2001:db8::20", 9), ""))
    assert refusal.ending.cause is Cause.NOT_ACCEPTABLE
    assert refusal.ending.text == "its address 2001:db8::20 cannot be reached from 192.0.2.1"


def test_a_caller_of_another_family() -> None:
    scene = Scene()
    scene.offer(sdp("2001:db8::10", 9))
    refusal = scene.refused(MediaAnswer(2, CALLEE, ICHAT, "phone"))
    assert "2001:db8::10 cannot be reached" in refusal.ending.text


def test_no_address_leads_there() -> None:
    def local(host: str) -> str:
        raise GatewayError("no route to Mars")

    scene = Scene(local=local)
    refusal = scene.refused(MediaOffer(1, CALLER, PHONE, "mars"))
    assert (refusal.ending.cause, refusal.ending.text) == (Cause.MEDIA_FAILED, "no route to Mars")
    assert scene.engine.ports_in_use == 0


def test_media_that_would_go_round_in_a_circle() -> None:
    """Two calls whose callees are each other are in order; if their callers were, too, that is a circle."""
    scene = Scene()
    one = our_port(scene.offer(PHONE, call="a"))
    two = our_port(scene.offer(PHONE, call="b"))
    scene.answer(sdp("192.0.2.1", two), call="a")
    towards_caller = our_port(scene.answer(sdp("192.0.2.1", one), call="b"))
    for port in (towards_caller, towards_caller + 1):
        refusal = scene.refused(MediaReoffer(scene.number(), CALLER, sdp("192.0.2.1", port), ""), "a")
        assert refusal.ending.cause is Cause.NOT_ACCEPTABLE
        assert "round in a circle" in refusal.ending.text


def test_a_call_that_comes_back_to_us_before_it_is_described_there() -> None:
    scene = Scene()
    scene.offer(PHONE, call="a")
    two = our_port(scene.offer(None, call="b"))
    scene.answer(sdp("192.0.2.1", two), call="a")


# --- refusals ---------------------------------------------------------------------------------------------


def test_no_common_codec() -> None:
    scene = Scene()
    refusal = scene.refused(MediaOffer(1, CALLER, sdp("192.0.2.10", 9, formats="13 96"), ""))
    assert (refusal.request, refusal.ending.sip_status) == (1, 488)
    assert (scene.engine.open_sessions, scene.engine.ports_in_use) == (0, 0)
    assert scene.drain() == []
    assert scene.rest == [MediaOver("a", None)]
    scene.offer(PHONE)  # ports that were not used need not rest


def test_not_a_description() -> None:
    scene = Scene()
    assert scene.refused(MediaOffer(1, CALLER, "hello", "")).ending.cause is Cause.MALFORMED


def test_a_refused_reoffer_changes_nothing() -> None:
    scene = Scene()
    scene.offer(PHONE)
    first = scene.answer(ICHAT)
    scene.drain()
    refusal = scene.refused(MediaReoffer(3, CALLER, sdp("192.0.2.10", 9, formats="8"), ""))
    assert refusal.ending.cause is Cause.NOT_ACCEPTABLE
    assert scene.drain() == []
    scene.requests = 3
    assert scene.reoffer(CALLER, None) == first


def test_requests_without_a_call() -> None:
    scene = Scene()
    for request in (
        MediaAnswer(1, CALLEE, ICHAT, ""),
        MediaReoffer(2, CALLEE, ICHAT, ""),
        MediaUpdate(3, CALLEE, ICHAT),
    ):
        assert scene.refused(request).ending.cause is Cause.MEDIA_FAILED


def by_family(host: str) -> str:
    return "2001:db8::1" if ":" in host else "192.0.2.1"


def test_an_offer_is_made_again_when_it_is_known_where_the_callee_is() -> None:
    scene = Scene(local=by_family)
    first = scene.offer(PHONE, towards="")
    opened = scene.drain()[-1]
    assert scene.offer(PHONE, towards="192.0.2.20") == first
    assert scene.drain() == []
    second = scene.offer(PHONE, towards="2001:db8::20")
    assert "c=IN IP6 2001:db8::1" in second
    assert our_port(second) == our_port(first)
    assert isinstance(opened, Open)
    assert scene.drain()[0] == Open(opened.session, CALLEE, "2001:db8::1", opened.port)
    scene.answer(sdp("2001:db8::20", 16_402))
    assert scene.engine.ports_in_use == 2
    assert len(scene.engine._circles) == 2
    scene.ask(MediaRelease())
    assert scene.engine.ports_in_use == 0
    assert len(scene.engine._circles) == 0


def test_an_offer_that_cannot_be_made_again() -> None:
    """The address that leads there cannot be used; the bridge gives the call up then."""
    scene = Scene(local=by_family)
    scene.offer(PHONE, towards="")
    scene.obedient = False
    scene.ask(MediaOffer(2, CALLER, PHONE, "2001:db8::20"))
    order = scene.drain()[-1]
    scene.say(OpenFailed(order.session, CALLEE, BindFault.ADDRESS, "no such address"))
    assert scene.last_refusal().ending.cause is Cause.MEDIA_FAILED
    scene.obedient = True
    scene.ask(MediaRelease())
    assert scene.engine.ports_in_use == 0


def test_an_offer_for_a_call_that_has_been_answered() -> None:
    scene = Scene()
    scene.offer(PHONE)
    scene.answer(ICHAT)
    assert scene.refused(MediaOffer(3, CALLER, PHONE, "")).ending.cause is Cause.MEDIA_FAILED
    assert scene.engine.open_sessions == 1


def test_nothing_is_passed_on_here() -> None:
    scene = Scene()
    scene.offer(PHONE)
    scene.answer(ICHAT)
    assert scene.refused(MediaPassedOn(3, CALLEE, ICHAT)).ending.cause is Cause.MEDIA_FAILED


def test_answers_to_offers_never_made() -> None:
    scene = Scene()
    scene.offer(PHONE)
    for request in (MediaAnswer(2, CALLER, PHONE, ""), MediaUpdate(3, CALLER, PHONE)):
        assert scene.refused(request).ending.text == "the caller was offered no media"


def test_range_exhausted() -> None:
    scene = Scene(ports=3)
    scene.offer(PHONE, call="a")
    refusal = scene.refused(MediaOffer(9, CALLER, PHONE, ""), "b")
    assert refusal.ending.sip_status == 503
    assert scene.engine.ports_in_use == 2
    scene.requests = 9
    scene.answer(ICHAT, call="a")  # established calls are not touched


def test_ports_rest_after_use() -> None:
    scene = Scene(ports=2, port_rest=2.0)
    scene.offer(PHONE)
    scene.ask(MediaRelease())
    scene.now = 1.9
    assert scene.refused(MediaOffer(2, CALLER, PHONE, "")).ending.cause is Cause.NO_RESOURCES
    scene.now = 2.0
    scene.requests = 2
    scene.offer(PHONE)


# --- ports that cannot be opened --------------------------------------------------------------------------


def test_a_bad_pair_is_set_aside_and_another_taken() -> None:
    scene = Scene(ports=4)
    scene.obedient = False
    scene.ask(MediaOffer(1, CALLER, PHONE, ""))
    (first,) = scene.drain()
    scene.say(OpenFailed(1, CALLEE, BindFault.PORT, "Address already in use"))
    (second,) = scene.drain()
    assert isinstance(first, Open)
    assert isinstance(second, Open)
    assert second.port != first.port
    scene.say(Opened(1, CALLEE))
    _, reply = scene.replies.pop()
    assert isinstance(reply, MediaReady)
    assert our_port(reply.sdp) == second.port
    scene.say(Opened(1, CALLEE))  # said twice
    scene.say(OpenFailed(1, CALLEE, BindFault.PORT, "late"))
    assert (scene.replies, scene.drain(), scene.engine.deadline()) == ([], [], None)


def test_every_pair_is_bad() -> None:
    scene = Scene(ports=3)
    scene.obedient = False
    scene.ask(MediaOffer(1, CALLER, PHONE, ""))
    scene.say(OpenFailed(1, CALLEE, BindFault.PORT, "in use"))
    scene.say(OpenFailed(1, CALLEE, BindFault.PORT, "in use"))
    refusal = scene.last_refusal()
    assert refusal.ending.cause is Cause.NO_RESOURCES
    assert "in use; of the port pairs" in refusal.ending.text
    assert isinstance(scene.orders[-1], Close)


@pytest.mark.parametrize(
    ("fault", "cause"),
    [(BindFault.ADDRESS, Cause.MEDIA_FAILED), (BindFault.RESOURCES, Cause.NO_RESOURCES)],
)
def test_no_other_pair_would_do(fault: BindFault, cause: Cause) -> None:
    scene = Scene()
    scene.obedient = False
    scene.ask(MediaOffer(1, CALLER, PHONE, ""))
    scene.say(OpenFailed(1, CALLEE, fault, "no"))
    assert scene.last_refusal().ending.cause is cause
    scene.say(Closed(1, PartyCounters(), PartyCounters()))
    assert scene.engine.ports_in_use == 0


def test_a_worker_that_does_not_answer() -> None:
    scene = Scene(patience=2.0)
    scene.obedient = False
    scene.ask(MediaOffer(1, CALLER, PHONE, ""))
    assert scene.engine.deadline() == 2.0
    scene.wait(2.0)
    assert scene.last_refusal().ending.text == "the relay worker does not answer"
    assert isinstance(scene.orders[-1], Close)
    scene.say(Opened(1, CALLEE))  # too late
    assert scene.engine.deadline() == 4.0
    scene.wait(2.0)
    assert (scene.engine.open_sessions, scene.engine.ports_in_use, scene.engine.deadline()) == (0, 0, None)
    assert scene.rest == [MediaOver("a", None)]


def test_an_answer_that_cannot_be_opened_can_be_tried_again() -> None:
    scene = Scene()
    scene.offer(PHONE)
    scene.obedient = False
    scene.ask(MediaAnswer(2, CALLEE, ICHAT, ""))
    scene.wait(2.0)
    assert scene.last_refusal().request == 2
    assert scene.engine.open_sessions == 1
    scene.obedient = True
    scene.requests = 2
    scene.answer(ICHAT)


def test_requests_wait_for_each_other() -> None:
    scene = Scene()
    scene.offer(None)
    scene.obedient = False
    scene.ask(MediaAnswer(2, CALLEE, ICHAT, ""))
    scene.ask(MediaUpdate(3, CALLER, PHONE))
    assert scene.replies == []
    scene.say(Opened(1, CALLER))
    assert [reply.request for _, reply in scene.replies if isinstance(reply, MediaReady)] == [2, 3]


def test_released_while_waiting() -> None:
    scene = Scene()
    scene.obedient = False
    scene.ask(MediaOffer(1, CALLER, PHONE, ""))
    scene.ask(MediaRelease())
    scene.say(Opened(1, CALLEE))
    scene.say(OpenFailed(1, CALLEE, BindFault.PORT, "x"))
    scene.say(Closed(1, PartyCounters(), PartyCounters()))
    scene.say(Closed(1, PartyCounters(), PartyCounters()))
    assert scene.replies == []
    assert scene.engine.ports_in_use == 0


def test_a_refused_answer_whose_ports_are_open_already() -> None:
    """Offered IPv4, the phone's own media turns out to be IPv6 when iChat answers."""
    scene = Scene()
    scene.offer(None, "192.0.2.10")
    scene.answer(PHONE)
    refusal = scene.refused(MediaReoffer(3, CALLER, sdp("2001:db8::1", 9), ""))
    assert refusal.ending.cause is Cause.NOT_ACCEPTABLE


# --- the worker's death -----------------------------------------------------------------------------------


def test_worker_dies_and_its_calls_go_on() -> None:
    """The next one opens the same ports and hears what the last one knew, changes since included."""
    scene = Scene()
    one = our_port(scene.offer(PHONE))
    two = our_port(scene.answer(ICHAT))
    scene.reoffer(CALLER, sdp("192.0.2.10", 30_000, direction="sendonly"), "192.0.2.10")
    scene.drain()
    scene.die()
    assert scene.engine.deadline() == 2.0
    scene.update(CALLEE, sdp("192.0.2.20", 16_500))
    assert (scene.replies, scene.drain()) == ([], [])
    scene.say(Started(2, 1024))
    assert scene.drain() == [
        Open(1, CALLER, "192.0.2.1", two),
        Open(1, CALLEE, "192.0.2.1", one),
        Retarget(1, CALLER, ("192.0.2.10", 30_000), ("192.0.2.10", 30_001), Learning.NOTHING, 0.0),
        Adjust(1, CALLER, receives=False),
        Retarget(1, CALLEE, ("192.0.2.20", 16_500), ("192.0.2.20", 16_501), Learning.NOTHING, 0.0),
    ]
    assert (scene.replies, scene.engine.deadline()) == ([], None)
    scene.ask(MediaRelease())
    assert scene.drain() == [Close(1)]
    assert (scene.engine.open_sessions, scene.engine.ports_in_use) == (0, 0)


def test_the_next_worker_goes_on_where_the_last_one_was() -> None:
    scene = Scene()
    scene.offer(PHONE)
    scene.answer(ICHAT)
    caller = PartySnapshot(counters=PartyCounters(received=7))
    callee = PartySnapshot(GateSnapshot(("192.0.2.20", 9), ("198.51.100.1", 9), 5.0))
    for snapshot in (Snapshot(1, callee, callee), Snapshot(1, caller, callee), Snapshot(9, callee, callee)):
        scene.say(snapshot)
    scene.die()
    scene.drain()
    scene.say(Started(2, 1024))
    orders = scene.drain()
    assert orders[2] == Restore(1, caller, callee)
    # Before anybody may be learnt.
    assert [type(order) for order in orders if not isinstance(order, Adjust)] == [
        Open,
        Open,
        Restore,
        *[Retarget] * 2,
    ]
    # The counters are not lost with a worker, either.
    scene.die()
    scene.ask(MediaRelease())
    assert scene.rest == [MediaOver("a", CallCounters(caller.counters, callee.counters))]


def test_worker_dies_and_no_other_comes_in_time() -> None:
    scene = Scene()
    scene.offer(PHONE)
    scene.answer(ICHAT)
    scene.die()
    scene.wait(1.0)
    scene.die()  # nor could the next one be started
    scene.wait(1.0)
    (call, lost) = scene.replies.pop()
    assert call == "a"
    assert isinstance(lost, MediaLost)
    assert lost.ending.cause is Cause.MEDIA_FAILED
    assert lost.ending.text == "the relay worker is gone: killed"
    assert scene.rest == [MediaOver("a", None)]
    assert (scene.engine.open_sessions, scene.engine.ports_in_use, scene.engine.deadline()) == (0, 0, None)
    scene.ask(MediaRelease())
    assert scene.replies == []


def test_worker_dies_and_a_port_is_taken_meanwhile() -> None:
    scene = Scene()
    scene.offer(PHONE)
    scene.answer(ICHAT)
    scene.die()
    scene.obedient = False
    scene.say(Started(2, 1024))
    scene.drain()
    scene.ask(MediaUpdate(9, CALLER, PHONE))
    scene.replies.clear()
    scene.say(OpenFailed(1, CALLER, BindFault.PORT, "in use"))
    (_, lost) = scene.replies.pop()
    assert isinstance(lost, MediaLost)
    assert lost.ending.text == "a new relay worker cannot open its ports: in use"
    assert scene.drain()[-1] == Close(1)
    scene.say(Closed(1, PartyCounters(), PartyCounters()))
    assert scene.engine.ports_in_use == 0


def test_a_call_ends_while_a_new_worker_opens_its_ports() -> None:
    """What the worker says of them then is of no interest."""
    scene = Scene()
    scene.offer(PHONE)
    scene.answer(ICHAT)
    scene.die()
    scene.obedient = False
    scene.say(Started(2, 1024))
    scene.drain()
    scene.ask(MediaRelease())
    scene.replies.clear()
    scene.say(OpenFailed(1, CALLER, BindFault.PORT, "in use"))
    scene.say(Opened(1, CALLEE))
    assert (scene.replies, scene.drain()) == ([], [Close(1)])
    scene.say(Closed(1, PartyCounters(), PartyCounters()))
    assert (scene.engine.open_sessions, scene.engine.ports_in_use, scene.engine.deadline()) == (0, 0, None)


def test_worker_dies_before_a_call_has_any_port() -> None:
    """It waits for the next one, like a call that begins when there is none."""
    scene = Scene()
    scene.obedient = False
    scene.ask(MediaOffer(1, CALLER, PHONE, ""), "b")
    scene.die()
    scene.drain()
    scene.ask(MediaOffer(2, CALLER, PHONE, ""), "c")
    assert (scene.replies, scene.drain()) == ([], [])
    scene.obedient = True
    scene.say(Started(2, 1024))
    assert [(call, type(reply)) for call, reply in scene.replies] == [("b", MediaReady), ("c", MediaReady)]


def test_worker_dies_while_an_answer_waits_for_its_ports() -> None:
    scene = Scene()
    scene.offer(PHONE)
    scene.obedient = False
    scene.ask(MediaAnswer(2, CALLEE, ICHAT, ""))
    scene.ask(MediaUpdate(3, CALLER, PHONE))
    scene.die()
    scene.obedient = True
    scene.say(Started(2, 1024))
    assert [type(reply) for _, reply in scene.replies] == [MediaReady, MediaReady]
    assert scene.engine.deadline() is None

    scene.replies.clear()
    scene.offer_only("b")
    scene.ask(MediaAnswer(5, CALLEE, ICHAT, ""), "b")
    scene.ask(MediaUpdate(6, CALLER, PHONE), "b")
    scene.die()
    scene.replies.clear()
    scene.wait(2.0)
    assert [(call, type(reply)) for call, reply in scene.replies if call == "b"] == [
        ("b", MediaRefused),
        ("b", MediaRefused),
        ("b", MediaLost),
    ]


def test_each_call_is_on_one_of_the_workers() -> None:
    """On the one with the fewest calls; not on one that is being started while there is another."""
    scene = Scene(workers=2)
    scene.offer(PHONE, call="a")
    assert scene.busy() == [1, 0]
    scene.say(Started(2, 1024), worker=1)
    for call in "bcd":
        scene.offer(PHONE, call=call)
    assert scene.busy() == [2, 2]
    scene.answer(ICHAT, call="a")
    scene.die()
    scene.ask(MediaRelease(), "b")
    scene.offer(PHONE, call="e")
    assert scene.busy() == [2, 2]
    scene.drain()
    scene.say(Started(3, 1024))
    assert {order.session for order in scene.drain() if isinstance(order, Open)} == {1, 3}
    for call in "acde":
        scene.ask(MediaRelease(), call)
    assert scene.busy() == [0, 0]


def test_worker_dies_while_a_call_is_closed() -> None:
    scene = Scene()
    scene.offer(PHONE)
    scene.obedient = False
    scene.ask(MediaRelease())
    scene.die()
    assert (scene.replies, scene.engine.ports_in_use) == ([], 0)


def test_no_worker_comes() -> None:
    scene = Scene(up=False)
    scene.ask(MediaOffer(1, CALLER, PHONE, ""))
    scene.wait(2.0)
    assert scene.last_refusal().ending.cause is Cause.MEDIA_FAILED
    assert scene.engine.ports_in_use == 0
    assert scene.drain() == []


def test_a_worker_that_says_twice_that_it_has_started() -> None:
    scene = Scene()
    scene.offer(PHONE)
    scene.drain()
    scene.say(Started(1, 1024))
    assert scene.drain() == []


def test_released_before_the_worker_comes() -> None:
    scene = Scene(up=False)
    scene.ask(MediaOffer(1, CALLER, PHONE, ""))
    scene.ask(MediaRelease())
    assert (scene.engine.ports_in_use, scene.engine.deadline()) == (0, None)
    scene.say(Started(1, 1024))
    assert scene.drain() == []


# --- counters ---------------------------------------------------------------------------------------------


def test_statistics() -> None:
    scene = Scene()
    scene.offer(PHONE)
    scene.query("a", 5)
    assert scene.rest == [Statistics("a", 5, CallCounters(PartyCounters(received=3), PartyCounters()))]
    scene.say(Report(1, 5, PartyCounters(), PartyCounters()))
    assert len(scene.rest) == 1


def test_statistics_of_an_unknown_call_and_of_a_lost_one() -> None:
    scene = Scene()
    scene.query("x", 1)
    scene.offer(PHONE)
    scene.obedient = False
    scene.query("a", 2)
    scene.die()
    assert [each for each in scene.rest if isinstance(each, Statistics)] == [
        Statistics("x", 1, None),
        Statistics("a", 2, None),
    ]


# --- any order of events ----------------------------------------------------------------------------------

TEXTS = st.sampled_from(
    [
        PHONE,
        ICHAT,
        VICEROY,
        sdp("10.0.0.5", 9),
        sdp("0.0.0.0", 9),
        sdp("2001:db8::1", 9),
        sdp("192.0.2.1", 8002),
        sdp("192.0.2.1", 8004),
        sdp("192.0.2.10", 9, formats="8"),
        sdp("192.0.2.10", 9, formats="97", direction="inactive", extra="a=rtpmap:97 PCMU/8000\r\n"),
        "hello",
    ]
)
CALLS = st.sampled_from(["a", "b", "c"])
SIDES = st.sampled_from(list(Side))


class AnyOrder(RuleBasedStateMachine):
    """No order of events raises, leaks a port, a session or a timer, or leaves a request unanswered."""

    def __init__(self) -> None:
        super().__init__()
        self.scene = Scene(ports=5, up=False)
        self.scene.obedient = False
        self.open: dict[str, set[int]] = {}
        self.up = False

    def ask(self, call: str, request: MediaOffer | MediaAnswer | MediaReoffer | MediaUpdate) -> None:
        self.open.setdefault(call, set()).add(request.request)
        self.scene.ask(request, call)

    @rule(call=CALLS, side=SIDES, text=st.none() | TEXTS)
    def offer(self, call: str, side: Side, text: str | None) -> None:
        self.ask(call, MediaOffer(self.scene.number(), side, text, "192.0.2.10"))

    @rule(call=CALLS, side=SIDES, text=TEXTS)
    def answer(self, call: str, side: Side, text: str) -> None:
        self.ask(call, MediaAnswer(self.scene.number(), side, text, ""))

    @rule(call=CALLS, side=SIDES, text=st.none() | TEXTS)
    def reoffer(self, call: str, side: Side, text: str | None) -> None:
        self.ask(call, MediaReoffer(self.scene.number(), side, text, ""))

    @rule(call=CALLS, side=SIDES, text=TEXTS)
    def update(self, call: str, side: Side, text: str) -> None:
        self.ask(call, MediaUpdate(self.scene.number(), side, text))

    @rule(call=CALLS)
    def release(self, call: str) -> None:
        self.open.pop(call, None)
        self.scene.ask(MediaRelease(), call)

    @rule(which=st.integers(0, 3), fault=st.none() | st.sampled_from(list(BindFault)))
    def worker_answers(self, which: int, fault: BindFault | None) -> None:
        waiting = [order for order in self.scene.orders if isinstance(order, Open | Close)]
        if not self.up or not waiting:
            return
        order = waiting[min(which, len(waiting) - 1)]
        self.scene.orders.remove(order)
        if isinstance(order, Close):
            self.scene.say(Closed(order.session, PartyCounters(), PartyCounters()))
        elif fault is None:
            self.scene.say(Opened(order.session, order.side))
        else:
            self.scene.say(OpenFailed(order.session, order.side, fault, "no"))

    @precondition(lambda self: not self.up)
    @rule()
    def worker_starts(self) -> None:
        self.up = True
        self.scene.say(Started(1, 100))

    @rule()
    def worker_dies(self) -> None:
        self.up = False
        self.scene.orders.clear()
        self.scene.die()

    @rule(seconds=st.floats(0, 3))
    def wait(self, seconds: float) -> None:
        self.scene.wait(seconds)

    @invariant()
    def every_reply_was_asked_for(self) -> None:
        for call, reply in self.scene.replies:
            if not isinstance(reply, MediaLost):
                if call in self.open:
                    self.open[call].remove(reply.request)
                if isinstance(reply, MediaReady) and reply.sdp:
                    SessionDescription.parse(reply.sdp)
        self.scene.replies.clear()

    @invariant()
    def ports_belong_to_sessions(self) -> None:
        assert self.scene.engine.ports_in_use == 2 * self.scene.engine.open_sessions

    def teardown(self) -> None:
        for call in ("a", "b", "c"):
            self.release(call)
        self.scene.wait(60.0)
        assert (self.scene.engine.open_sessions, self.scene.engine.ports_in_use) == (0, 0)
        assert self.scene.engine.deadline() is None
        assert not self.scene.engine._circles
        assert not self.scene.engine._calls


AnyOrder.TestCase.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)
TestAnyOrder = AnyOrder.TestCase


def test_how_the_workers_are() -> None:
    scene = Scene(up=False)
    assert scene.engine.status().parts == (PartStatus("relay worker 0", False, 0),)
    scene.say(Started(77, 1024, "compiled"))
    scene.offer(PHONE)
    status = scene.engine.status()
    assert status.parts == (PartStatus("relay worker 0", True, 1, "compiled", 77),)
    assert (status.engine, status.ports_in_use) == ("builtin", 2)
    scene.die()
    assert scene.engine.status().parts == (PartStatus("relay worker 0", False, 1),)


def test_other_settings_hold_from_the_next_description_on() -> None:
    scene = Scene(ports=2)
    scene.offer(PHONE)
    same = MediaSettings(8000, 8003, frozenset(), 60.0)
    assert scene.engine.receive(same, scene.now) == []
    assert scene.engine._ports.in_use == 2
    scene._do(scene.engine.receive(MediaSettings(9000, 9003, frozenset({8}), 0.0), scene.now))
    answer = scene.offer(PHONE, call="b")
    port = int(answer.split("m=audio ")[1].split()[0])
    assert port in (9000, 9002)
    assert " 8" not in answer.split("m=audio ")[1].split("\r\n")[0].partition("RTP/AVP")[2]


def test_what_an_rtpengine_says_is_nothing_to_the_workers_engine() -> None:
    scene = Scene()
    assert scene.engine.receive(FromNode(b"1_1 d6:result4:ponge"), 0.0) == []


def test_ports_that_could_not_be_opened_when_nobody_waits_for_them_any_more() -> None:
    scene = Scene()
    scene.offer(PHONE)
    opened = [order for order in scene.orders if isinstance(order, Open)][-1]
    before = len(scene.orders), len(scene.replies)
    scene.say(OpenFailed(opened.session, opened.side, BindFault.PORT, "late"))
    assert (len(scene.orders), len(scene.replies)) == before


def test_a_call_is_closing_when_its_worker_dies_and_others_go_on() -> None:
    scene = Scene(workers=2, up=False)
    scene.say(Started(1, 1024), 0)
    scene.say(Started(2, 1024), 1)
    scene.offer_only("a")
    scene.offer_only("b")
    scene.query("a", 1)
    scene.query("b", 2)
    scene.die(0)
    assert [s.query for s in scene.rest if isinstance(s, Statistics) and s.counters is None] == [1]
