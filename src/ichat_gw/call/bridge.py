"""A call: two legs, the media between them, and one transition table.

The bridge is a pure machine, spoken to in `ichat_gw.call.words`. It hears from its legs (`FromLeg`), from the
media engine (`FromMedia`) and from the operator (`StopCall`); it answers with `ToLeg`, `ToMedia` and, once,
`CallOver`.

    state        what is being waited for
    OFFERING     the media engine makes the offer for the callee, or says whether it could
    CALLING      the callee's leg has been placed, nothing heard of it
    RINGING      the callee is alerted
    CONNECTING   the callee answered; the media engine makes the answer for the caller
    ANSWERED     the caller has been told; its ACK (or iChat's own INVITE) is awaited
    TALKING      both ends are connected
    OVER         everybody has been told; nothing that still arrives matters

An iChat callee is offered something only when it is known where it is (`Located`): until then no media is
reserved, or anybody could use up the ports with calls to users who do not exist.

A row that is missing from the table means: this can be heard here, late or twice, and changes nothing.

A party that proposes other media (a re-offer) is answered from here, unless the media engine says that the
other party has to know: then that one is offered it first, and what it says decides.

While both ends are connected somebody new may take the place of one: `ichat_gw.call.transfer` is a table of
its own for that, and the call stays TALKING. What the leg that is to be replaced says goes to that table
first; when nobody is left at its side, to this one.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from enum import Enum
from typing import TypeAlias

from ichat_gw.call.cause import Cause, Ending
from ichat_gw.call.heard import Heard, named
from ichat_gw.call.leg import (
    AcceptReoffer,
    Answer,
    Answered,
    Describe,
    EarlyAnswer,
    EarlyAnswered,
    End,
    Ended,
    Info,
    InfoAnswered,
    LegCommand,
    LegEvent,
    Place,
    Rang,
    Refuse,
    Refused,
    RefuseReoffer,
    RefuseTransfer,
    Reoffer,
    Reoffered,
    Ring,
    Sdp,
    TransferAsked,
)
from ichat_gw.call.media import (
    MediaAnswer,
    MediaLost,
    MediaOffer,
    MediaPassedOn,
    MediaPassOn,
    MediaReady,
    MediaRefused,
    MediaRelease,
    MediaReoffer,
    MediaReply,
    MediaUpdate,
    Side,
)
from ichat_gw.call.transfer import Transfer, TransferState
from ichat_gw.call.words import (
    BridgeCommand,
    BridgeEvent,
    CallOver,
    FromCandidate,
    FromLeg,
    StopCall,
    TakeOver,
    ToCandidate,
    ToLeg,
    ToMedia,
    TransferTo,
)

NO_ANSWER_SECONDS = 180.0
"""How long a callee may take to answer: RFC 3261's timer C is "more than three minutes" for a proxy that
gives up on a ringing call; the original let iChat ring for ever."""

_UNDER_WAY = Ending(Cause.REJECTED, 491, "another change of the call is under way")


class State(Enum):
    """How far the call has come; see the table in the module's docstring."""

    OFFERING = "offering"
    CALLING = "calling"
    RINGING = "ringing"
    CONNECTING = "connecting"
    ANSWERED = "answered"
    TALKING = "talking"
    OVER = "over"


@dataclass(frozen=True, slots=True)
class CallPlan:
    """All that the bridge needs to know to begin.

    `place` is told to the callee's leg once its offer is there (its own `offer` is not used).
    `caller_offer` is None when the caller has described nothing yet: a SIP late offer, or any iChat
    caller, whose description comes with the INVITE that it sends after the answer.
    `caller_host`/`callee_host` are where each party is, as far as known ("" when not): they decide which
    of our addresses stands in its session description.
    """

    place: Place
    caller_offer: Sdp | None
    caller_host: str = ""
    callee_host: str = ""
    to_ichat: bool = False
    """The callee is an iChat client."""
    no_answer_seconds: float = NO_ANSWER_SECONDS


_Action: TypeAlias = "Callable[[Bridge, Heard], None]"


class Bridge:
    """One call from its first message to its end.

    `begin` must be called once; after that the three verbs. Never raises for anything heard.
    """

    def __init__(self, plan: CallPlan) -> None:
        self.state = State.OFFERING
        self._plan = plan
        self._out: list[BridgeCommand] = []
        self._requests = 0
        # What each media request that is still unanswered was for: "offer", "describe", "early", "answer",
        # "reoffer", "update", "transfer".
        self._asked: dict[int, tuple[str, Side]] = {}
        self._passing: dict[Side, str] = {}
        """Which of these, "reoffer" or "update", waits for what this leg says to what was passed on to it."""
        self._early: Sdp | None = None
        """The answer that the caller has had before the callee answered."""
        self._after_early: Sdp | None = None
        """The answer of another device than that one's, which the caller is still to be told."""
        self._give_up_at: float | None = None
        self._hosts = {Side.CALLER: plan.caller_host, Side.CALLEE: plan.callee_host}
        self._transfer: Transfer | None = None
        self._picked_up: Sdp | None = None
        """What somebody offered who takes a place."""
        self._crossing: Answered | None = None
        """The callee has answered while somebody else was about to."""

    def begin(self, now: float) -> list[BridgeCommand]:
        """Start the call: ask the media engine for the callee's offer."""
        self._give_up_at = now + self._plan.no_answer_seconds
        self._make_offer("offer", reserve=not self._plan.to_ichat)
        return self._drain()

    def receive(self, event: BridgeEvent, now: float) -> list[BridgeCommand]:
        """Hear one event; say what is to be done about it."""
        match event:
            case FromLeg(side, leg_event):
                self._hear_leg(side, leg_event)
            case FromCandidate(leg_event):
                self._hear_candidate(leg_event)
            case TransferTo():
                self._begin_transfer(event, now)
            case TakeOver():
                self._begin_taking_over(event)
            case StopCall(ending):
                self._step("stop", Heard(ending=ending))
            case _:
                self._hear_media(event.reply)
        return self._drain()

    @property
    def settled(self) -> bool:
        """Whether both parties talk, and neither a party nor the media is about to be another."""
        return self.state is State.TALKING and self._transfer is None and not self._passing

    @property
    def ringing(self) -> bool:
        """Whether the callee has been called, so that somebody else can answer instead."""
        return self.state in (State.CALLING, State.RINGING) and self._transfer is None

    def deadline(self) -> float | None:
        """When the callee has taken too long."""
        return self._give_up_at

    def expire(self, now: float) -> list[BridgeCommand]:
        """Give up waiting if it is time."""
        if self._give_up_at is not None and now >= self._give_up_at:
            self._give_up_at = None
            nobody = Ending(Cause.NO_ANSWER)
            if self._transfer is not None and self.state is State.TALKING:
                self._step_transfer("no answer", ending=nobody)
            else:
                self._step("no answer", Heard(ending=nobody))
        return self._drain()

    def _hear_leg(self, side: Side, event: LegEvent) -> None:
        transfer = self._transfer
        is_old = transfer is not None and side is transfer.side and transfer.left is None
        if is_old and isinstance(event, Ended | Refused):
            self._step_transfer("old ended", ending=event.ending)
        elif is_old and isinstance(event, Answered):
            # It is being picked up elsewhere at this very moment.
            self._crossing = event
        elif isinstance(event, TransferAsked):
            # Whoever may transfer is heard as `TransferTo`.
            self._refuse_transfer(side, Ending(Cause.FORBIDDEN))
        else:
            self._step(*named(side, event))

    def _hear_media(self, reply: MediaReply) -> None:
        if isinstance(reply, MediaLost):
            self._step("media lost", Heard(ending=reply.ending))
            return
        asked = self._asked.pop(reply.request, None)
        if asked is None:
            return
        purpose, side = asked
        if purpose == "transfer":
            if isinstance(reply, MediaRefused):
                self._step_transfer("media refused", ending=reply.ending)
            else:
                self._step_transfer("media ready", reply.sdp)
        elif isinstance(reply, MediaReady):
            self._step(f"{purpose} ready", Heard(side=side, sdp=reply.sdp))
        elif isinstance(reply, MediaPassOn):
            self._step(f"{purpose} passes on", Heard(side=side, sdp=reply.sdp))
        else:
            # A refused re-offer is answered to its side; the other refusals are nobody's doing.
            to = side if purpose == "reoffer" else None
            self._step(f"{purpose} refused", Heard(side=to, ending=reply.ending))

    # --- the table's actions ------------------------------------------------------------------------------

    def _place_callee(self, heard: Heard) -> None:
        self._tell(Side.CALLEE, replace(self._plan.place, offer=heard.sdp or None))

    def _offer_there(self, heard: Heard) -> None:
        """Only now it is known where the callee is."""
        self._hosts[Side.CALLEE] = heard.host
        self._make_offer("describe")

    def _make_offer(self, purpose: str, *, reserve: bool = True) -> None:
        plan, request = self._plan, self._ask(purpose, Side.CALLER)
        towards, source = self._hosts[Side.CALLEE], self._hosts[Side.CALLER]
        offer = MediaOffer(request, Side.CALLER, plan.caller_offer, towards, source, plan.to_ichat, reserve)
        self._out.append(ToMedia(offer))

    def _describe_callee(self, heard: Heard) -> None:
        assert heard.sdp is not None
        self._tell(Side.CALLEE, Describe(heard.sdp))

    def _ring_caller(self, heard: Heard) -> None:
        self._tell(Side.CALLER, Ring())

    def _ask_for_early_answer(self, heard: Heard) -> None:
        """Who has made no offer cannot be answered yet; but somebody is there."""
        assert heard.sdp is not None
        if self._plan.caller_offer is None:
            self._ring_caller(heard)
            return
        request = self._ask("early", Side.CALLEE)
        self._out.append(ToMedia(MediaAnswer(request, Side.CALLEE, heard.sdp, self._hosts[Side.CALLER])))

    def _answer_early(self, heard: Heard) -> None:
        """The first stays: what follows it in the same INVITE has to be the same (RFC 3261 13.2.1)."""
        if self._early is None:
            assert heard.sdp is not None
            self._early = heard.sdp
            self._tell(Side.CALLER, EarlyAnswer(heard.sdp))

    def _ask_for_answer(self, heard: Heard) -> None:
        self._give_up_at = None
        assert heard.sdp is not None
        request = self._ask("answer", Side.CALLEE)
        self._out.append(ToMedia(MediaAnswer(request, Side.CALLEE, heard.sdp, self._hosts[Side.CALLER])))

    def _answer_caller(self, heard: Heard) -> None:
        assert heard.sdp is not None
        if self._early is not None and self._early != heard.sdp:
            self._after_early = heard.sdp
        self._tell(Side.CALLER, Answer(self._early or heard.sdp))

    def _connected(self, heard: Heard) -> None:
        """The caller has the answer. If it had an early one that does not hold, it is offered what does."""
        self._take_late_answer(heard)
        if self._after_early is not None:
            self._tell(Side.CALLER, Reoffer(self._after_early))

    def _take_late_answer(self, heard: Heard) -> None:
        """An ACK brought the answer to an offer that we made; without one there is nothing to do."""
        if heard.sdp is not None:
            assert heard.side is not None
            request = self._ask("update", heard.side)
            self._out.append(ToMedia(MediaUpdate(request, heard.side, heard.sdp)))

    def _reoffer(self, heard: Heard) -> None:
        assert heard.side is not None
        request = self._ask("reoffer", heard.side)
        self._out.append(ToMedia(MediaReoffer(request, heard.side, heard.sdp, self._hosts[heard.side])))

    def _accept_reoffer(self, heard: Heard) -> None:
        assert heard.side is not None
        assert heard.sdp is not None
        self._tell(heard.side, AcceptReoffer(heard.sdp))

    def _refuse_reoffer(self, heard: Heard) -> None:
        assert heard.side is not None
        self._tell(heard.side, RefuseReoffer(heard.why))

    def _pass_on(self, heard: Heard, purpose: str) -> None:
        assert heard.side is not None
        assert heard.sdp is not None
        other = heard.side.other
        if self._transfer is not None or other in self._passing:
            self._say_passed_on(heard.side, purpose, None, _UNDER_WAY)
        else:
            self._passing[other] = purpose
            self._tell(other, Reoffer(heard.sdp))

    def _pass_reoffer_on(self, heard: Heard) -> None:
        self._pass_on(heard, "reoffer")

    def _pass_update_on(self, heard: Heard) -> None:
        self._pass_on(heard, "update")

    def _keep_reoffer(self, heard: Heard) -> None:
        """The caller cannot be asked before it has its answer."""
        assert heard.side is not None
        self._say_passed_on(heard.side, "reoffer", None, _UNDER_WAY)

    def _keep_update(self, heard: Heard) -> None:
        assert heard.side is not None
        self._say_passed_on(heard.side, "update", None, _UNDER_WAY)

    def _hear_reoffer_answered(self, heard: Heard) -> None:
        """What was passed on has been answered; or what we re-offered of our own accord has."""
        assert heard.side is not None
        purpose = self._passing.pop(heard.side, None)
        if purpose is None:
            self._take_late_answer(heard)
        else:
            self._say_passed_on(heard.side.other, purpose, heard.sdp)

    def _hear_reoffer_refused(self, heard: Heard) -> None:
        assert heard.side is not None
        if (purpose := self._passing.pop(heard.side, None)) is not None:
            self._say_passed_on(heard.side.other, purpose, None, heard.ending)

    def _say_passed_on(
        self, asker: Side, purpose: str, sdp: Sdp | None, ending: Ending | None = None
    ) -> None:
        """Tell the engine what the party opposite `asker` said; what it replies is for `asker`."""
        self._out.append(ToMedia(MediaPassedOn(self._ask(purpose, asker), asker.other, sdp, ending)))

    def _pass_info(self, heard: Heard) -> None:
        assert heard.side is not None
        assert heard.info is not None
        self._tell(heard.side.other, heard.info)

    def _refuse_info(self, heard: Heard) -> None:
        assert heard.side is not None
        assert isinstance(heard.info, Info)
        self._tell(heard.side, InfoAnswered(heard.info.number, Cause.NO_ANSWER.sip_status))

    def _refuse_caller(self, heard: Heard) -> None:
        self._tell(Side.CALLER, Refuse(heard.why))
        self._over(heard)

    def _end_callee(self, heard: Heard) -> None:
        self._tell(Side.CALLEE, End(heard.why))
        self._over(heard)

    def _end_caller(self, heard: Heard) -> None:
        self._tell(Side.CALLER, End(heard.why))
        self._over(heard)

    def _refuse_and_end(self, heard: Heard) -> None:
        self._tell(Side.CALLEE, End(heard.why))
        self._refuse_caller(heard)

    def _end_both(self, heard: Heard) -> None:
        self._tell(Side.CALLEE, End(heard.why))
        self._end_caller(heard)

    def _over(self, heard: Heard) -> None:
        if self._transfer is not None:
            self._out += self._transfer.stop(heard.why)
            self._transfer = None
        self._give_up_at = None
        self._asked.clear()
        self._passing.clear()
        self._out.append(ToMedia(MediaRelease()))
        self._out.append(CallOver(heard.why, heard.side))

    # --- somebody new takes the place of a party ----------------------------------------------------------

    def _begin_transfer(self, to: TransferTo, now: float) -> None:
        if not self.settled:
            pending = Ending(Cause.REJECTED, 491, "the call is not up, or is being transferred already")
            self._refuse_transfer(to.side, pending)
            return
        self._give_up_at = now + self._plan.no_answer_seconds
        self._transfer = self._new_transfer(to.side, to.host)
        self._out += self._transfer.call(to.place)

    def _refuse_transfer(self, side: Side, ending: Ending) -> None:
        if self.state is not State.OVER:
            self._tell(side, RefuseTransfer(ending))

    def _begin_taking_over(self, taking: TakeOver) -> None:
        assert self.settled or (self.ringing and taking.side is Side.CALLEE and taking.offer is not None)
        self._picked_up = taking.offer
        self._transfer = self._new_transfer(taking.side, taking.host)
        self._out += self._transfer.answer(taking.offer)

    def _new_transfer(self, side: Side, host: str) -> Transfer:
        return Transfer(side, host, lambda: self._ask("transfer", side))

    def _hear_candidate(self, event: LegEvent) -> None:
        match event:
            case Rang():
                self._step_transfer("candidate rang")
            case Answered(sdp):
                self._step_transfer("candidate answered", sdp)
            case Refused(ending):
                self._step_transfer("candidate refused", ending=ending)
            case EarlyAnswered():
                self._step_transfer("candidate rang")
            case Ended(ending):
                self._step_transfer("candidate ended", ending=ending)
            case Reoffered() if self._transfer is not None:
                # He has no place in the call yet; once he has he may try again.
                self._out.append(ToCandidate(RefuseReoffer(_UNDER_WAY)))
            case _:
                pass

    def _step_transfer(self, what: str, sdp: Sdp | None = None, ending: Ending | None = None) -> None:
        transfer = self._transfer
        if transfer is None:
            return
        self._out += transfer.hear(what, sdp, ending)
        if not transfer.waits_for_person and self.state is State.TALKING:
            self._give_up_at = None
        if transfer.state is TransferState.REPLACED:
            self._transfer = None
            self._hosts[transfer.side] = transfer.host
            # What was asked for the party that is gone is nothing to the new one.
            self._asked = {n: asked for n, asked in self._asked.items() if asked[1] is not transfer.side}
            gone = transfer.candidate_left
            if gone is None and self.state is not State.TALKING:
                # He has picked up a call that rang. What he offered is what the caller is connected to.
                self._step("callee answered", Heard(Side.CALLEE, sdp=self._picked_up))
        elif transfer.state is TransferState.FAILED:
            self._transfer = None
            gone = transfer.ending if transfer.left is not None else None
            if gone is None and self._crossing is not None:
                self._step(*named(transfer.side, self._crossing))
        else:
            return
        self._crossing = None
        if gone is not None:
            self._step(f"{transfer.side.value} ended", Heard(transfer.side, ending=gone))

    # --- the machinery ------------------------------------------------------------------------------------

    def _step(self, what: str, heard: Heard) -> None:
        row = TABLE.get((self.state, what))
        if row is not None:
            action, self.state = row
            action(self, heard)

    def _tell(self, side: Side, command: LegCommand) -> None:
        self._out.append(ToLeg(side, command))

    def _ask(self, purpose: str, side: Side) -> int:
        self._requests += 1
        self._asked[self._requests] = (purpose, side)
        return self._requests

    def _drain(self) -> list[BridgeCommand]:
        out, self._out = self._out, []
        return out


def _rows() -> dict[tuple[State, str], tuple[_Action, State]]:
    s, b = State, Bridge
    rows: dict[tuple[State, str], tuple[_Action, State]] = {
        (s.OFFERING, "offer ready"): (b._place_callee, s.CALLING),
        (s.OFFERING, "offer refused"): (b._refuse_caller, s.OVER),
        (s.OFFERING, "caller ended"): (b._over, s.OVER),
        (s.OFFERING, "no answer"): (b._refuse_caller, s.OVER),
        (s.OFFERING, "stop"): (b._refuse_caller, s.OVER),
        (s.OFFERING, "media lost"): (b._refuse_caller, s.OVER),
        #
        (s.CALLING, "callee rang"): (b._ring_caller, s.RINGING),
        (s.CONNECTING, "answer ready"): (b._answer_caller, s.ANSWERED),
        (s.CONNECTING, "answer refused"): (b._refuse_and_end, s.OVER),
        (s.CONNECTING, "callee ended"): (b._refuse_caller, s.OVER),
        (s.CONNECTING, "callee info"): (b._refuse_info, s.CONNECTING),
        (s.ANSWERED, "caller confirmed"): (b._connected, s.TALKING),
        (s.TALKING, "caller confirmed"): (b._take_late_answer, s.TALKING),
    }
    for unanswered in (s.CALLING, s.RINGING):
        rows |= {
            (unanswered, "callee answered"): (b._ask_for_answer, s.CONNECTING),
            (unanswered, "callee refused"): (b._refuse_caller, s.OVER),
            (unanswered, "callee ended"): (b._refuse_caller, s.OVER),
            (unanswered, "no answer"): (b._refuse_and_end, s.OVER),
            (unanswered, "callee located"): (b._offer_there, unanswered),
            (unanswered, "describe ready"): (b._describe_callee, unanswered),
            (unanswered, "describe refused"): (b._refuse_and_end, s.OVER),
            (unanswered, "callee early"): (b._ask_for_early_answer, unanswered),
            (unanswered, "early ready"): (b._answer_early, unanswered),
            (unanswered, "early refused"): (b._ring_caller, unanswered),
        }
    for waiting in (s.CALLING, s.RINGING, s.CONNECTING):
        rows |= {
            (waiting, "caller ended"): (b._end_callee, s.OVER),
            (waiting, "update refused"): (b._refuse_and_end, s.OVER),
            (waiting, "stop"): (b._refuse_and_end, s.OVER),
            (waiting, "media lost"): (b._refuse_and_end, s.OVER),
            (waiting, "reoffer passes on"): (b._keep_reoffer, waiting),
            (waiting, "update passes on"): (b._keep_update, waiting),
        }
    for connected in (s.ANSWERED, s.TALKING):
        rows |= {
            (connected, "caller ended"): (b._end_callee, s.OVER),
            (connected, "caller refused"): (b._end_callee, s.OVER),
            (connected, "callee ended"): (b._end_caller, s.OVER),
            (connected, "caller reoffered"): (b._reoffer, connected),
            (connected, "caller info"): (b._pass_info, connected),
            (connected, "callee info"): (b._pass_info, connected),
            (connected, "caller informed"): (b._pass_info, connected),
            (connected, "callee informed"): (b._pass_info, connected),
            (connected, "reoffer passes on"): (b._pass_reoffer_on, connected),
            (connected, "update passes on"): (b._pass_update_on, connected),
            (connected, "caller agreed"): (b._hear_reoffer_answered, connected),
            (connected, "callee agreed"): (b._hear_reoffer_answered, connected),
            (connected, "caller disagreed"): (b._hear_reoffer_refused, connected),
            (connected, "callee disagreed"): (b._hear_reoffer_refused, connected),
            (connected, "update refused"): (b._end_both, s.OVER),
            (connected, "stop"): (b._end_both, s.OVER),
            (connected, "media lost"): (b._end_both, s.OVER),
        }
    # A SIP callee may agree on media, and change it, before it answers (RFC 3262, RFC 3311).
    for placed in (s.CALLING, s.RINGING, s.CONNECTING, s.ANSWERED, s.TALKING):
        rows |= {
            (placed, "callee reoffered"): (b._reoffer, placed),
            (placed, "callee confirmed"): (b._take_late_answer, placed),
            (placed, "reoffer ready"): (b._accept_reoffer, placed),
            (placed, "reoffer refused"): (b._refuse_reoffer, placed),
        }
    return rows


TABLE = _rows()
"""(state, what is heard) -> (action, next state)."""
