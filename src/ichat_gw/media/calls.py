"""The calls of an engine, and how their requests are met: what every engine does that has ports.

A request is read, refused or started, and met when all that it needs is there. Requests of one call are met
one after the other. What an engine does in between, and how packets go, it says by itself (`CallsEngine`).
"""

from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from random import Random
from typing import Any, Generic, TypeVar

from ichat_gw.call.cause import Cause, Ending
from ichat_gw.call.media import (
    MediaLost,
    MediaOffer,
    MediaPassedOn,
    MediaReady,
    MediaRefused,
    MediaRelease,
    Side,
)
from ichat_gw.errors import GatewayError
from ichat_gw.media.engine import (
    CallCounters,
    EngineCommand,
    EngineEvent,
    MediaFor,
    MediaOver,
    MediaSettings,
    StatisticsAsked,
    ToCall,
)
from ichat_gw.media.exchange import Asked, CannotMeet, Circles, Exchange, P, Reach, Request, refusal
from ichat_gw.media.negotiation import NotAcceptable, read_audio
from ichat_gw.media.sdp import InvalidSdp, SessionDescription


@dataclass(slots=True, eq=False)
class EngineCall(Generic[P]):
    """The media of one call."""

    handle: str
    exchange: Exchange[P]
    established: bool = field(default=False, init=False)
    """Its first request has been met, so the bridge relies on it."""
    asked: Asked | None = field(default=None, init=False)
    """What waits for the engine to do its part."""
    queue: deque[Request] = field(default_factory=deque, init=False)
    """What is asked after that."""
    closing: bool = field(default=False, init=False)

    @property
    def parties(self) -> dict[Side, P]:
        """Both ends of it."""
        return self.exchange.parties


C = TypeVar("C", bound=EngineCall[Any])


class CallsEngine(ABC, Generic[P, C]):
    """An engine's calls.

    `local_address` is that of `exchange.Reach`. `rng` must not be guessable in production
    (`random.SystemRandom`). `filtered` is CodecIdFilterList, `media_timeout` MediaTimeout in seconds.
    """

    def __init__(
        self,
        local_address: Callable[[str], str],
        rng: Random,
        filtered: frozenset[int],
        media_timeout: float,
    ) -> None:
        self._reach = Reach(local_address)
        self._rng = rng
        self._filtered = filtered
        self._media_timeout = media_timeout
        self._calls: dict[str, C] = {}
        """Those that the bridge has not released, by handle."""
        self._circles: Circles[P] = Circles()
        self._out: list[EngineCommand] = []

    def receive(self, event: EngineEvent, now: float) -> list[EngineCommand]:
        """Hear one event; say what is to be done about it."""
        match event:
            case MediaFor(handle, request):
                if not isinstance(request, MediaRelease):
                    self._request(handle, request, now)
                elif (call := self._calls.get(handle)) is not None:
                    self._close(call, now)
            case StatisticsAsked(handle, query):
                self._ask_statistics(handle, query, now)
            case MediaSettings():
                self._reconfigure(event)
            case _:
                self._hear(event, now)
        return self._commands()

    def _commands(self) -> list[EngineCommand]:
        out, self._out = self._out, []
        return out

    def _reconfigure(self, settings: MediaSettings) -> None:
        """Go by other settings: the codecs for new calls, the timeout for all."""
        self._filtered, self._media_timeout = settings.filtered, settings.media_timeout

    # --- what an engine does by itself --------------------------------------------------------------------

    @abstractmethod
    def _hear(self, event: EngineEvent, now: float) -> None:
        """Hear what those say who move the packets; from those of another engine it is nothing."""

    @abstractmethod
    def _check_room(self, now: float) -> None:
        """Raise `CannotMeet` if there is no room for one more call."""

    @abstractmethod
    def _begin(self, handle: str, now: float) -> C:
        """A new call, which is in `_calls` from now on. Raises `CannotMeet`."""

    @abstractmethod
    def _start(self, call: C, asked: Asked, wanted: Side | None, now: float) -> None:
        """Do the engine's part of what is `asked`; the party `wanted` gets ports by that, None: nobody.

        Either it is met before this returns (`_meet`), or `call.asked` is set and it is met later.
        Raises `CannotMeet` and `NotAcceptable`.
        """

    @abstractmethod
    def _point(self, call: C, moved: tuple[Side, ...]) -> None:
        """What was asked is met, and these parties have said where they are."""

    @abstractmethod
    def _end(self, call: C, now: float) -> None:
        """Give back what the call has, now or later, and say so by `_over`."""

    @abstractmethod
    def _ask_statistics(self, handle: str, query: int, now: float) -> None:
        """Find out the counters of a call, if it is known."""

    # --- requests -----------------------------------------------------------------------------------------

    def _request(self, handle: str, request: Request | MediaPassedOn, now: float) -> None:
        call = self._calls.get(handle)
        try:
            if isinstance(request, MediaPassedOn):
                raise CannotMeet(Cause.MEDIA_FAILED, "nothing was to be passed on")
            if call is None:
                if not isinstance(request, MediaOffer):
                    raise CannotMeet(Cause.MEDIA_FAILED, "no media is reserved for this call")
                if not request.reserve:
                    self._say_whether(handle, request, now)
                    return
                call = self._begin(handle, now)
            elif isinstance(request, MediaOffer):
                raise CannotMeet(Cause.MEDIA_FAILED, "media is reserved for this call already")
        except (CannotMeet, InvalidSdp, NotAcceptable) as error:
            self._out.append(ToCall(handle, refusal(request, error)))
            return
        call.queue.append(request)
        self._advance(call, now)

    def _say_whether(self, handle: str, request: MediaOffer, now: float) -> None:
        """Say that the offer could be made; raise what refuses it."""
        if request.sdp is not None:
            read_audio(SessionDescription.parse(request.sdp), self._filtered)
        self._check_room(now)
        self._out.append(ToCall(handle, MediaReady(request.request, "")))

    def _advance(self, call: C, now: float) -> None:
        """Meet what is asked of `call`, until something must be waited for."""
        while call.queue and call.asked is None and not call.closing:
            request = call.queue.popleft()
            try:
                asked = call.exchange.read(request)
                self._circles.check(call.exchange, asked)
                self._start(call, asked, call.exchange.wants_ports(asked), now)
            except (CannotMeet, InvalidSdp, NotAcceptable) as error:
                self._fail(call, request, error, now)

    def _meet(self, call: C, asked: Asked) -> None:
        """Everything is there: negotiate and reply. Raises `NotAcceptable` and `CannotMeet`."""
        met = call.exchange.meet(asked)
        self._point(call, met.moved)
        call.established = True
        self._out.append(ToCall(call.handle, MediaReady(asked.request.request, met.sdp)))

    # --- ports --------------------------------------------------------------------------------------------

    def _give_ports(self, call: C, side: Side, address: str, port: int) -> None:
        """The ports of `side` are, or are to be, these: a new session begins on them."""
        self._drop_ports(call, side)
        call.exchange.give_ports(side, address, port)
        self._circles.add((address, port), call.exchange, side)

    def _drop_ports(self, call: C, side: Side) -> None:
        """Those that `side` had are not for it any more."""
        local = call.parties[side].local
        if local is not None:
            self._circles.remove((local.address, local.port))

    # --- the end, and failures ----------------------------------------------------------------------------

    def _close(self, call: C, now: float) -> None:
        """The bridge has no more to do with this call."""
        del self._calls[call.handle]
        call.closing = True
        call.queue.clear()
        self._end(call, now)

    def _over(self, call: C, counters: CallCounters | None) -> None:
        """Nothing of this call is open any more."""
        for side in Side:
            self._drop_ports(call, side)
        self._out.append(MediaOver(call.handle, counters))

    def _fail(self, call: C, request: Request, error: GatewayError, now: float) -> None:
        """What is asked of `call` cannot be met. Nobody relies on a call whose offer was refused."""
        self._out.append(ToCall(call.handle, refusal(request, error)))
        if not call.established:
            self._close(call, now)

    def _lose(self, call: C, text: str, now: float) -> None:
        """The media of `call` is gone for good."""
        lost = Ending(Cause.MEDIA_FAILED, text=text)
        for request in [*([call.asked.request] if call.asked is not None else []), *call.queue]:
            self._out.append(ToCall(call.handle, MediaRefused(request.request, lost)))
        self._out.append(ToCall(call.handle, MediaLost(lost)))
        self._close(call, now)

    def _say_silent(self, call: C, side: Side) -> None:
        """Nothing has come from `side` for too long."""
        text = f"nothing from the {side.value} for {self._media_timeout:g} s"
        self._out.append(ToCall(call.handle, MediaLost(Ending(Cause.MEDIA_TIMEOUT, text=text))))
