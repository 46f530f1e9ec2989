"""Ladders over direct media, with the built-in engine behind it."""

from random import Random

from ichat_gw.call.cause import Cause, Ending
from ichat_gw.call.media import (
    MediaAnswer,
    MediaOffer,
    MediaPassedOn,
    MediaPassOn,
    MediaReady,
    MediaRefused,
    MediaRelease,
    MediaReoffer,
    MediaReply,
    MediaRequest,
    Side,
)
from ichat_gw.media.direct import DirectMedia
from ichat_gw.media.engine import EngineCommand, FromWorker, MediaFor, MediaOver, MediaPath, ToCall, ToWorker
from ichat_gw.media.relay_engine import EngineConfig, RelayEngine
from ichat_gw.media.relay_messages import Close, Closed, Open, Opened, PartyCounters, Started
from tests.media.relaying import sdp

CALLER, CALLEE = Side.CALLER, Side.CALLEE
OURS = "192.0.2.1"
PHONE = sdp("192.0.2.10", 30_000, formats="0 8")
ICHAT = sdp("192.0.2.20", 16_402, extra="a=rtcp:16402\r\n")
HELD = ICHAT.replace("sendrecv", "sendonly")
REFUSED = Ending(Cause.NOT_ACCEPTABLE, 488, "no")
RELAYED = MediaPath("a", False)


def local(host: str) -> str:
    return "2001:db8::1" if ":" in host else OURS


class Scene:
    """Direct media before a relay whose worker does as it is told at once."""

    def __init__(self, filtered: frozenset[int] = frozenset()) -> None:
        config = EngineConfig(8000, 8099, filtered, port_rest=0.0)
        self.engine = DirectMedia(RelayEngine(config, local, Random(1)), Random(2), filtered)
        self.replies: list[MediaReply] = []
        self.paths: list[tuple[bool, str]] = []
        self.over = 0
        self.numbers = 0
        self._do(self.engine.receive(FromWorker(Started(1)), 0.0))

    def _do(self, commands: list[EngineCommand]) -> None:
        for command in commands:
            match command:
                case ToCall(_, reply):
                    self.replies.append(reply)
                case ToWorker(Open(session, side)):
                    self._do(self.engine.receive(FromWorker(Opened(session, side)), 0.0))
                case ToWorker(Close(session)):
                    closed = Closed(session, PartyCounters(), PartyCounters())
                    self._do(self.engine.receive(FromWorker(closed), 0.0))
                case MediaPath(_, direct, why):
                    self.paths.append((direct, why))
                case MediaOver():
                    self.over += 1
                case _:
                    pass

    def ask(self, kind: type, *more: object, **named: object) -> MediaReply:
        """Ask for something; the reply to it."""
        self.numbers += 1
        request: MediaRequest = kind(self.numbers, *more, **named)
        self._do(self.engine.receive(MediaFor("a", request), 0.0))
        reply = self.replies.pop()
        assert not self.replies
        assert not isinstance(reply, MediaReady | MediaPassOn | MediaRefused) or reply.request == self.numbers
        return reply

    def ready(self, kind: type, *more: object, **named: object) -> str:
        reply = self.ask(kind, *more, **named)
        assert isinstance(reply, MediaReady), reply
        return reply.sdp

    def passes_on(self, kind: type, *more: object) -> str:
        reply = self.ask(kind, *more)
        assert isinstance(reply, MediaPassOn), reply
        return reply.sdp

    def refused(self, kind: type, *more: object) -> Ending:
        reply = self.ask(kind, *more)
        assert isinstance(reply, MediaRefused), reply
        return reply.ending

    def release(self) -> None:
        self._do(self.engine.receive(MediaFor("a", MediaRelease()), 0.0))
        assert not self.replies
        assert (self.engine.calls, self.engine.ports_in_use, self.engine.open_sessions) == (0, 0, 0)

    # --- how calls begin ---

    def sip_calls_ichat(self, phone: str = PHONE, ichat: str = ICHAT) -> tuple[str, str]:
        """What iChat and the phone were told."""
        assert self.ready(MediaOffer, CALLER, phone, "", "192.0.2.10", True, reserve=False) == ""
        offer = self.ready(MediaOffer, CALLER, phone, "192.0.2.20", "192.0.2.10", True)
        return offer, self.ready(MediaAnswer, CALLEE, ichat, "192.0.2.10")

    def ichat_calls_sip(self, phone: str = PHONE) -> None:
        """Up to the phone's answer."""
        offer = self.ready(MediaOffer, CALLER, None, "192.0.2.10")
        assert f"c=IN IP4 {OURS}" in offer
        self.ready(MediaAnswer, CALLEE, phone, "")

    def moved(self) -> tuple[str, str]:
        """What the phone and iChat were told."""
        self.ichat_calls_sip()
        to_phone = self.passes_on(MediaReoffer, CALLER, ICHAT, "192.0.2.20")
        return to_phone, self.ready(MediaPassedOn, CALLEE, PHONE.replace("0 8", "0"))
