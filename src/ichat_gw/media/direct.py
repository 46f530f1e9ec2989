"""Media that goes from party to party where it can: what `AlwaysRelayIChatMedia = off` means.

`DirectMedia` is a media engine with another behind it. What cannot go directly it leaves to that one, and
says why. What can is only negotiated here, and never passes through this machine: each party is told the
other's address, with the same codecs and numbers, filtered as when the relay is used.

    the caller is described      its address is offered to the callee, whose answer is passed back
    an iChat calls               it describes itself after the phone's answer, so the call begins at the
                                 engine behind. Then the phone is offered iChat's address (`MediaPassOn`).
                                 When it agrees, iChat gets the phone's; when not, all stays as it began
    a party describes itself     the other is asked when its own part has to change. When it does not agree,
    anew in a direct call        a mere hold is answered from here, and anything else refused

Nobody new can take a party's place in a direct call, as an iChat that stays could not be told.
"""

from dataclasses import replace
from random import Random

from ichat_gw.call.cause import Cause, Ending
from ichat_gw.call.media import (
    MediaAnswer,
    MediaCandidate,
    MediaOffer,
    MediaPassedOn,
    MediaPassOn,
    MediaReady,
    MediaRefused,
    MediaRelease,
    MediaReoffer,
    MediaReplace,
    MediaRequest,
    MediaUpdate,
    Side,
)
from ichat_gw.media.direct_call import DirectCall, Passed, Path, agreed, plain, session_of
from ichat_gw.media.engine import (
    EngineCommand,
    EngineEvent,
    EngineStatus,
    MediaEngine,
    MediaFor,
    MediaPath,
    MediaSettings,
    ToCall,
)
from ichat_gw.media.exchange import CannotMeet, refusal
from ichat_gw.media.negotiation import (
    Audio,
    Direction,
    NotAcceptable,
    accepted,
    common,
    for_ichat,
    read_audio,
)
from ichat_gw.media.reachability import apart, apart_from, unreachable
from ichat_gw.media.sdp import InvalidSdp, SessionDescription

REMEDY = "; AlwaysRelayIChatMedia = on connects such parties"


class DirectMedia:
    """The media of all calls, over `behind` where it cannot be direct.

    `rng` gives the session ids of descriptions, and must not be guessable. `filtered` is CodecIdFilterList.
    """

    def __init__(self, behind: MediaEngine, rng: Random, filtered: frozenset[int] = frozenset()) -> None:
        self._behind = behind
        self._rng = rng
        self._filtered = filtered
        self._calls: dict[str, DirectCall] = {}
        self._out: list[EngineCommand] = []
        self._now = 0.0

    @property
    def open_sessions(self) -> int:
        """How many calls hold ports, those that are being closed included."""
        return self._behind.open_sessions

    @property
    def ports_in_use(self) -> int:
        """How many port pairs are taken."""
        return self._behind.ports_in_use

    @property
    def ready(self) -> bool:
        """Whether every part works, so that calls can be served as they should be."""
        return self._behind.ready

    @property
    def calls(self) -> int:
        """How many calls are known here, direct or not."""
        return len(self._calls)

    def status(self) -> EngineStatus:
        """Which engine is behind, and how its parts are now."""
        return self._behind.status()

    def receive(self, event: EngineEvent, now: float) -> list[EngineCommand]:
        """Hear one event; say what is to be done about it."""
        self._now = now
        if isinstance(event, MediaFor):
            self._hear(event)
        else:
            if isinstance(event, MediaSettings):
                self._filtered = event.filtered
            self._hand_on(event)
        return self._drain()

    def deadline(self) -> float | None:
        """When the engine behind next wants to be woken."""
        return self._behind.deadline()

    def expire(self, now: float) -> list[EngineCommand]:
        """Do what it is time for."""
        self._take(self._behind.expire(now))
        return self._drain()

    def _drain(self) -> list[EngineCommand]:
        out, self._out = self._out, []
        return out

    # --- the engine behind --------------------------------------------------------------------------------

    def _hand_on(self, event: EngineEvent) -> None:
        self._take(self._behind.receive(event, self._now))

    def _take(self, commands: list[EngineCommand]) -> None:
        for command in commands:
            if isinstance(command, ToCall):
                self._note_told(command)
            self._out.append(command)

    def _note_told(self, said: ToCall) -> None:
        """Keep what the engine tells the parties of a call that may become direct."""
        call = self._calls.get(said.call)
        if call is None or not isinstance(said.reply, MediaReady):
            return
        side = call.telling.pop(said.reply.request, None)
        if side is not None and said.reply.sdp:
            call.parties[side].told = session_of(said.reply.sdp)

    # --- requests -----------------------------------------------------------------------------------------

    def _hear(self, asked: MediaFor) -> None:
        handle, request = asked.call, asked.request
        call = self._calls.get(handle)
        if isinstance(request, MediaRelease):
            self._calls.pop(handle, None)
            if call is None or call.path is Path.RELAYED:
                self._hand_on(asked)
            return
        try:
            if isinstance(request, MediaOffer) and not request.reserve:
                self._could_offer(handle, request)
            elif isinstance(request, MediaOffer):
                self._offer(handle, call, request)
            elif call is None:
                raise CannotMeet(Cause.MEDIA_FAILED, "no media is reserved for this call")
            elif call.path is Path.RELAYED:
                self._relayed(handle, call, request)
            else:
                self._direct(handle, call, request)
        except (CannotMeet, InvalidSdp, NotAcceptable) as error:
            self._out.append(ToCall(handle, refusal(request, error)))

    def _ready(self, handle: str, request: int, sdp: str) -> None:
        self._out.append(ToCall(handle, MediaReady(request, sdp)))

    def _read(self, sdp: str, *, is_offer: bool) -> tuple[SessionDescription, Audio]:
        described = SessionDescription.parse(sdp)
        return described, read_audio(described, self._filtered if is_offer else ())

    def _note(self, handle: str, call: DirectCall, path: Path, why: str = "") -> None:
        """Say once which way the media of a call goes."""
        call.path = path
        self._out.append(MediaPath(handle, path is Path.DIRECT, why))

    # --- the first offer ----------------------------------------------------------------------------------

    def _offer(self, handle: str, call: DirectCall | None, request: MediaOffer) -> None:
        if call is not None:
            raise CannotMeet(Cause.MEDIA_FAILED, "media is reserved for this call already")
        if request.sdp is None:
            self._leave(handle, DirectCall(Path.RELAYED, self._rng, may_move=True), request)
            return
        described, audio = self._read_offer(request, request.sdp)
        call = DirectCall(Path.UNDECIDED, self._rng)
        caller, callee = call.parties[request.side], call.parties[request.side.other]
        caller.host, callee.host = request.source, request.towards
        call.take(request.side, described, audio)
        why = _why_relayed(request, audio)
        if why is None:
            self._calls[handle] = call
            callee.told = call.offer(request.side.other, audio, plain(audio.formats))
            self._ready(handle, request.request, str(callee.told))
        else:
            self._note(handle, call, Path.RELAYED, why)
            self._leave(handle, call, request)

    def _could_offer(self, handle: str, request: MediaOffer) -> None:
        """Say that an offer could be made, or let the engine behind say whether it could."""
        if request.sdp is not None:
            _, audio = self._read_offer(request, request.sdp)
            if _why_relayed(request, audio) is None:
                self._ready(handle, request.request, "")
                return
        self._hand_on(MediaFor(handle, request))

    def _read_offer(self, request: MediaOffer, sdp: str) -> tuple[SessionDescription, Audio]:
        described, audio = self._read(sdp, is_offer=True)
        if request.to_ichat:
            audio = replace(audio, formats=for_ichat(audio.formats))
        return described, audio

    def _leave(self, handle: str, call: DirectCall, request: MediaOffer) -> None:
        """Let the engine behind make the offer."""
        self._calls[handle] = call
        call.parties[request.side.other].host = request.towards
        call.telling[request.request] = request.side.other
        self._hand_on(MediaFor(handle, request))

    # --- calls that the engine behind has -----------------------------------------------------------------

    def _relayed(self, handle: str, call: DirectCall, request: MediaRequest) -> None:
        match request:
            case MediaPassedOn():
                self._moved(handle, call, request)
                return
            case MediaReoffer(side=Side.CALLER, sdp=str()) if call.may_move:
                if self._move(handle, call, request):
                    return
            case MediaUpdate(side=Side.CALLER) if call.may_move:
                call.may_move = False
                self._note(handle, call, Path.RELAYED, "the caller described itself last of all")
            case MediaCandidate() | MediaReplace() if call.may_move:
                call.may_move = False
                self._note(handle, call, Path.RELAYED, "a party was replaced before both were known")
            case _:
                pass
        if call.may_move:
            self._watch(call, request)
        self._hand_on(MediaFor(handle, request))

    def _watch(self, call: DirectCall, request: MediaRequest) -> None:
        """Keep what the callee of a call that may become direct says of itself."""
        if isinstance(request, MediaReoffer) and request.side is Side.CALLEE:
            call.telling[request.request] = Side.CALLEE
        if isinstance(request, MediaAnswer | MediaReoffer | MediaUpdate) and request.sdp is not None:
            callee = call.parties[Side.CALLEE]
            try:
                _, audio = self._read(request.sdp, is_offer=isinstance(request, MediaReoffer))
                if not isinstance(request, MediaReoffer) and callee.told is not None:
                    audio = accepted(audio, callee.told.formats)
                callee.audio = audio
            except (InvalidSdp, NotAcceptable):
                callee.audio = None  # the engine behind has something to say about it

    def _move(self, handle: str, call: DirectCall, request: MediaReoffer) -> bool:
        """The caller describes itself for the first time: have the callee asked whether it will be direct."""
        call.may_move = False
        assert request.sdp is not None
        described, audio = self._read(request.sdp, is_offer=True)
        callee = call.parties[Side.CALLEE]
        call.parties[Side.CALLER].host = request.towards
        if callee.audio is None or callee.told is None:
            return False
        why = apart(audio, callee.audio) or unreachable(audio, request.towards)
        why = why or unreachable(callee.audio, callee.host)
        # What a number means must not change within the callee's session (RFC 3264 8.3.2).
        taken = {format.number: format.codec for format in callee.told.formats}
        formats = tuple(
            format
            for format in plain(audio.formats)
            if taken.get(format.number, format.codec) == format.codec
        )
        if not any(format.codec.carries_speech for format in formats):
            why = why or "the payload types of its codecs have to be changed on the way"
        if why is not None:
            self._note(handle, call, Path.RELAYED, why)
            return False
        offered = call.offer(Side.CALLEE, audio, formats)
        call.passed = Passed(request, described, audio, offered, only_direction=False)
        self._out.append(ToCall(handle, MediaPassOn(request.request, str(offered))))
        return True

    def _moved(self, handle: str, call: DirectCall, request: MediaPassedOn) -> None:
        passed, call.passed = call.passed, None
        if passed is None:
            raise CannotMeet(Cause.MEDIA_FAILED, "nothing was to be passed on")
        if request.sdp is None:
            why = f"the phone would not have it: {request.ending}" if request.ending else "not now"
            self._note(handle, call, Path.RELAYED, why)
            self._hand_on(MediaFor(handle, replace(passed.request, request=request.request)))
            return
        described, audio = agreed(request.sdp, passed.offered)
        _must_reach(audio, passed.audio)
        call.parties[Side.CALLEE].told = passed.offered
        call.take(Side.CALLEE, described, audio)
        # Its session begins only now: it has seen nothing of what was offered while it rang.
        call.parties[Side.CALLER].told = None
        self._note(handle, call, Path.DIRECT)
        self._hand_on(MediaFor(handle, MediaRelease()))
        call.take(passed.request.side, passed.described, passed.audio)
        sdp = call.answer(passed.request.side, audio.direction)
        self._ready(handle, request.request, sdp)

    # --- direct calls -------------------------------------------------------------------------------------

    def _direct(self, handle: str, call: DirectCall, request: MediaRequest) -> None:
        match request:
            case MediaAnswer(side=side, sdp=sdp):
                self._answered(handle, call, side, sdp, request.request)
            case MediaReoffer(side=side, sdp=None):
                self._ready(handle, request.request, self._describe(call, side))
            case MediaReoffer() | MediaUpdate():
                self._change(handle, call, request)
            case MediaPassedOn():
                self._passed_on(handle, call, request)
            case _:
                raise NotAcceptable(
                    f"its media goes directly, and the other party cannot be told of another{REMEDY}"
                )

    def _answered(self, handle: str, call: DirectCall, side: Side, sdp: str, request: int) -> None:
        party, other = call.parties[side], call.parties[side.other]
        if party.told is None or other.audio is None:
            raise CannotMeet(Cause.MEDIA_FAILED, f"the {side.value} was offered no media")
        described, audio = agreed(sdp, party.told)
        _must_reach(audio, other.audio, party.host)
        call.take(side, described, audio)
        text = call.answer(side.other, audio.direction)
        if call.path is Path.UNDECIDED:
            self._note(handle, call, Path.DIRECT)
        self._ready(handle, request, text)

    def _describe(self, call: DirectCall, side: Side) -> str:
        """Offer `side` once more what it has, because it asks for an offer."""
        party, partner = call.parties[side], call.parties[side.other]
        if party.told is None or partner.audio is None:
            raise CannotMeet(Cause.MEDIA_FAILED, f"the {side.value} has no media yet")
        party.told = party.told.offer(party.told.formats, Direction.SENDRECV, partner.audio.passing)
        return str(party.told)

    def _change(self, handle: str, call: DirectCall, request: MediaReoffer | MediaUpdate) -> None:
        """A party describes itself anew; the other one may have to know."""
        party, other = call.parties[request.side], call.parties[request.side.other]
        if party.audio is None or party.told is None or other.audio is None or other.told is None:
            raise CannotMeet(Cause.MEDIA_FAILED, f"the {request.side.value} has no media yet")
        assert request.sdp is not None
        if isinstance(request, MediaUpdate):
            described, audio = agreed(request.sdp, party.told)
        else:
            described, audio = self._read(request.sdp, is_offer=True)
            audio = replace(audio, formats=plain(audio.formats))
        if audio.rtp is None:
            # On hold by `c=0.0.0.0`: it is where it was, and wants nothing.
            audio = replace(audio, rtp=party.audio.rtp, rtcp=party.audio.rtcp)
        _must_reach(audio, other.audio)
        common(audio.formats, other.audio.formats)
        in_use = common(party.audio.formats, other.audio.formats)
        now = {(format.codec, format.number) for format in audio.formats}
        keeps = all((format.codec, format.number) in now for format in in_use)
        stays = (audio.rtp, audio.rtcp) == (party.audio.rtp, party.audio.rtcp)
        if keeps and stays and audio.direction is party.audio.direction:
            call.take(request.side, described, audio)
            self._conclude(handle, call, request, request.request, audio.direction.mirrored)
            return
        offered = call.offer(request.side.other, audio, audio.formats)
        call.passed = Passed(request, described, audio, offered, only_direction=keeps and stays)
        self._out.append(ToCall(handle, MediaPassOn(request.request, str(offered))))

    def _passed_on(self, handle: str, call: DirectCall, request: MediaPassedOn) -> None:
        passed, call.passed = call.passed, None
        if passed is None:
            raise CannotMeet(Cause.MEDIA_FAILED, "nothing was to be passed on")
        side = passed.request.side
        direction = passed.audio.direction.mirrored
        if request.sdp is not None:
            described, audio = agreed(request.sdp, passed.offered)
            _must_reach(audio, passed.audio)
            call.parties[side.other].told = passed.offered
            call.take(side.other, described, audio)
            direction = audio.direction
        elif not passed.only_direction:
            self._not_changed(handle, call, passed, request)
            return
        call.take(side, passed.described, passed.audio)
        self._conclude(handle, call, passed.request, request.request, direction)

    def _not_changed(self, handle: str, call: DirectCall, passed: Passed, request: MediaPassedOn) -> None:
        """The other party does not agree."""
        if isinstance(passed.request, MediaUpdate):
            # Nobody can be told that; media goes on as far as it can.
            self._ready(handle, request.request, "")
            return
        why = request.ending or Ending(Cause.NOT_ACCEPTABLE, 488)
        if why.status != 491:
            why = Ending(Cause.NOT_ACCEPTABLE, 488, f"{why.text or why.cause.sentence}{REMEDY}")
        self._out.append(ToCall(handle, MediaRefused(request.request, why)))

    def _conclude(
        self,
        handle: str,
        call: DirectCall,
        request: MediaReoffer | MediaUpdate,
        number: int,
        direction: Direction,
    ) -> None:
        """Answer a re-offer; an answer in an ACK gets no answer."""
        text = call.answer(request.side, direction) if isinstance(request, MediaReoffer) else ""
        self._ready(handle, number, text)


def _why_relayed(request: MediaOffer, audio: Audio) -> str | None:
    """Why a call that is offered this audio cannot be direct; None when it may be."""
    if not any(format.codec.carries_speech for format in plain(audio.formats)):
        return "the payload types of its codecs have to be changed on the way"
    return unreachable(audio, request.source) or apart_from(audio, request.towards)


def _must_reach(one: Audio, other: Audio, host: str = "") -> None:
    """Raise `NotAcceptable` if media cannot go directly; `host` is where `one` signals from, if known."""
    if (why := apart(one, other) or unreachable(one, host)) is not None:
        raise NotAcceptable(f"media cannot go directly: {why}{REMEDY}", 301)
