"""The bridge, flow by flow: each test is a ladder of what is heard and what is said."""

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ichat_gw.call.bridge import TABLE, Bridge, CallPlan, State
from ichat_gw.call.cause import Cause, Ending
from ichat_gw.call.leg import (
    AcceptReoffer,
    Answer,
    Answered,
    Confirmed,
    Describe,
    EarlyAnswer,
    EarlyAnswered,
    End,
    Ended,
    Info,
    InfoAnswered,
    Located,
    Party,
    Place,
    Rang,
    Refuse,
    Refused,
    RefuseReoffer,
    RefuseTransfer,
    Reoffer,
    ReofferAnswered,
    Reoffered,
    ReofferRefused,
    Ring,
    TransferAsked,
    TransferProgress,
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
    MediaReplace,
    MediaUpdate,
    Side,
)
from ichat_gw.call.words import (
    BridgeCommand,
    BridgeEvent,
    CallOver,
    FromCandidate,
    FromLeg,
    FromMedia,
    LegReplaced,
    StopCall,
    TakeOver,
    ToCandidate,
    ToLeg,
    ToMedia,
    TransferTo,
)

CALLER, CALLEE = Side.CALLER, Side.CALLEE
PLACE = Place("xmpp:alice@jabber.localhost", Party("sip:bob@phones.localhost"), None)
BUSY = Ending(Cause.BUSY, 486)
HANGUP = Ending(Cause.HANGUP)
CANCELLED = Ending(Cause.CANCELLED)
RELEASE = ToMedia(MediaRelease())


class Ladder:
    """A bridge under test; `hear` checks what it says to one event."""

    def __init__(self, offer: str | None = "offer A", *, to_ichat: bool = False) -> None:
        self.bridge = Bridge(CallPlan(PLACE, offer, "a.host", "b.host", to_ichat))
        asked = MediaOffer(1, CALLER, offer, "b.host", "a.host", to_ichat, reserve=not to_ichat)
        assert self.bridge.begin(0.0) == [ToMedia(asked)]

    def hear(self, event: BridgeEvent, *said: BridgeCommand, state: State, now: float = 1.0) -> "Ladder":
        assert self.bridge.receive(event, now) == list(said)
        assert self.bridge.state is state
        return self

    def calling(self) -> "Ladder":
        return self.hear(
            FromMedia(MediaReady(1, "offer B")),
            ToLeg(CALLEE, Place(PLACE.target, PLACE.caller, "offer B")),
            state=State.CALLING,
        )

    def ringing(self) -> "Ladder":
        return self.calling().hear(FromLeg(CALLEE, Rang()), ToLeg(CALLER, Ring()), state=State.RINGING)

    def connecting(self) -> "Ladder":
        return self.ringing().hear(
            FromLeg(CALLEE, Answered("answer B")),
            ToMedia(MediaAnswer(2, CALLEE, "answer B", "a.host")),
            state=State.CONNECTING,
        )

    def answered(self) -> "Ladder":
        return self.connecting().hear(
            FromMedia(MediaReady(2, "answer A")), ToLeg(CALLER, Answer("answer A")), state=State.ANSWERED
        )

    def talking(self) -> "Ladder":
        return self.answered().hear(FromLeg(CALLER, Confirmed()), state=State.TALKING)


def over(ending: Ending, by: Side | None) -> tuple[BridgeCommand, BridgeCommand]:
    return RELEASE, CallOver(ending, by)


def test_a_call_is_answered_and_the_caller_hangs_up() -> None:
    Ladder().talking().hear(
        FromLeg(CALLER, Ended(HANGUP)), ToLeg(CALLEE, End(HANGUP)), *over(HANGUP, CALLER), state=State.OVER
    )


def test_a_call_is_answered_and_the_callee_hangs_up() -> None:
    Ladder().talking().hear(
        FromLeg(CALLEE, Ended(HANGUP)), ToLeg(CALLER, End(HANGUP)), *over(HANGUP, CALLEE), state=State.OVER
    )


def test_a_callee_who_answers_without_ringing_first() -> None:
    Ladder().calling().hear(
        FromLeg(CALLEE, Answered("answer B")),
        ToMedia(MediaAnswer(2, CALLEE, "answer B", "a.host")),
        state=State.CONNECTING,
    )


def test_no_media_port_is_left() -> None:
    full = Ending(Cause.NO_RESOURCES)
    Ladder().hear(
        FromMedia(MediaRefused(1, full)), ToLeg(CALLER, Refuse(full)), *over(full, None), state=State.OVER
    )


def test_the_caller_gives_up_before_the_offer_is_made() -> None:
    Ladder().hear(FromLeg(CALLER, Ended(CANCELLED)), *over(CANCELLED, CALLER), state=State.OVER)


@pytest.mark.parametrize("waiting", ["calling", "ringing", "connecting"])
def test_the_caller_gives_up_before_the_answer(waiting: str) -> None:
    getattr(Ladder(), waiting)().hear(
        FromLeg(CALLER, Ended(CANCELLED)),
        ToLeg(CALLEE, End(CANCELLED)),
        *over(CANCELLED, CALLER),
        state=State.OVER,
    )


@pytest.mark.parametrize("waiting", ["calling", "ringing"])
def test_the_callee_refuses(waiting: str) -> None:
    getattr(Ladder(), waiting)().hear(
        FromLeg(CALLEE, Refused(BUSY)), ToLeg(CALLER, Refuse(BUSY)), *over(BUSY, CALLEE), state=State.OVER
    )


@pytest.mark.parametrize("waiting", ["calling", "ringing", "connecting"])
def test_the_callee_is_gone_before_the_caller_is_told_of_the_answer(waiting: str) -> None:
    getattr(Ladder(), waiting)().hear(
        FromLeg(CALLEE, Ended(HANGUP)), ToLeg(CALLER, Refuse(HANGUP)), *over(HANGUP, CALLEE), state=State.OVER
    )


def test_the_callee_hangs_up_while_the_caller_confirms() -> None:
    Ladder().answered().hear(
        FromLeg(CALLEE, Ended(HANGUP)), ToLeg(CALLER, End(HANGUP)), *over(HANGUP, CALLEE), state=State.OVER
    )


def test_the_caller_never_confirms() -> None:
    late = Ending(Cause.TIMEOUT)
    Ladder().answered().hear(
        FromLeg(CALLER, Ended(late)), ToLeg(CALLEE, End(late)), *over(late, CALLER), state=State.OVER
    )


def test_the_parties_have_no_codec_in_common() -> None:
    none = Ending(Cause.NOT_ACCEPTABLE)
    Ladder().connecting().hear(
        FromMedia(MediaRefused(2, none)),
        ToLeg(CALLEE, End(none)),
        ToLeg(CALLER, Refuse(none)),
        *over(none, None),
        state=State.OVER,
    )


@pytest.mark.parametrize("waiting", ["calling", "ringing"])
def test_nobody_answers(waiting: str) -> None:
    ladder = getattr(Ladder(), waiting)()
    nobody = Ending(Cause.NO_ANSWER)
    assert ladder.bridge.deadline() == 180.0
    assert ladder.bridge.expire(179.9) == []
    assert ladder.bridge.expire(180.0) == [
        ToLeg(CALLEE, End(nobody)),
        ToLeg(CALLER, Refuse(nobody)),
        *over(nobody, None),
    ]
    assert ladder.bridge.deadline() is None


def test_an_answered_call_has_no_timer_left() -> None:
    assert Ladder().connecting().bridge.deadline() is None


def test_a_party_holds_and_is_answered_locally() -> None:
    ladder = Ladder().talking()
    for number, side in ((3, CALLER), (4, CALLEE)):
        host = "a.host" if side is CALLER else "b.host"
        ladder.hear(
            FromLeg(side, Reoffered("hold")),
            ToMedia(MediaReoffer(number, side, "hold", host)),
            state=State.TALKING,
        )
        ladder.hear(
            FromMedia(MediaReady(number, "held")), ToLeg(side, AcceptReoffer("held")), state=State.TALKING
        )


def test_both_parties_reoffer_at_once_and_each_gets_its_own_answer() -> None:
    Ladder().talking().hear(
        FromLeg(CALLER, Reoffered("1")), ToMedia(MediaReoffer(3, CALLER, "1", "a.host")), state=State.TALKING
    ).hear(
        FromLeg(CALLEE, Reoffered("2")), ToMedia(MediaReoffer(4, CALLEE, "2", "b.host")), state=State.TALKING
    ).hear(
        FromMedia(MediaReady(4, "to callee")), ToLeg(CALLEE, AcceptReoffer("to callee")), state=State.TALKING
    ).hear(
        FromMedia(MediaReady(3, "to caller")), ToLeg(CALLER, AcceptReoffer("to caller")), state=State.TALKING
    )


def test_a_reoffer_that_cannot_be_met_leaves_the_call_as_it_was() -> None:
    none = Ending(Cause.NOT_ACCEPTABLE)
    Ladder().talking().hear(
        FromLeg(CALLEE, Reoffered("video")),
        ToMedia(MediaReoffer(3, CALLEE, "video", "b.host")),
        state=State.TALKING,
    ).hear(FromMedia(MediaRefused(3, none)), ToLeg(CALLEE, RefuseReoffer(none)), state=State.TALKING)


def test_a_caller_that_describes_itself_only_after_the_answer() -> None:
    """An iChat caller: its INVITE, with its description, comes after it has been told of the answer."""
    ladder = Ladder(offer=None).answered()
    ladder.hear(
        FromLeg(CALLER, Reoffered("iChat's")),
        ToMedia(MediaReoffer(3, CALLER, "iChat's", "a.host")),
        state=State.ANSWERED,
    ).hear(FromMedia(MediaReady(3, "ours")), ToLeg(CALLER, AcceptReoffer("ours")), state=State.ANSWERED)
    ladder.hear(FromLeg(CALLER, Confirmed()), state=State.TALKING)


def test_a_late_offer_is_answered_in_the_ack() -> None:
    Ladder(offer=None).answered().hear(
        FromLeg(CALLER, Confirmed("in ACK")),
        ToMedia(MediaUpdate(3, CALLER, "in ACK")),
        state=State.TALKING,
    ).hear(FromMedia(MediaReady(3, "")), state=State.TALKING)


def test_a_late_answer_that_nobody_can_use_ends_the_call() -> None:
    none = Ending(Cause.NOT_ACCEPTABLE)
    Ladder(offer=None).answered().hear(
        FromLeg(CALLER, Confirmed("in ACK")), ToMedia(MediaUpdate(3, CALLER, "in ACK")), state=State.TALKING
    ).hear(
        FromMedia(MediaRefused(3, none)),
        ToLeg(CALLEE, End(none)),
        ToLeg(CALLER, End(none)),
        *over(none, None),
        state=State.OVER,
    )


@pytest.mark.parametrize("how", ["calling", "ringing", "connecting"])
@pytest.mark.parametrize(
    "event", [StopCall(Ending(Cause.SHUTDOWN)), FromMedia(MediaLost(Ending(Cause.SHUTDOWN)))]
)
def test_a_call_is_stopped_while_it_is_set_up(how: str, event: BridgeEvent) -> None:
    stop = Ending(Cause.SHUTDOWN)
    getattr(Ladder(), how)().hear(
        event, ToLeg(CALLEE, End(stop)), ToLeg(CALLER, Refuse(stop)), *over(stop, None), state=State.OVER
    )


@pytest.mark.parametrize(
    "event", [StopCall(Ending(Cause.SHUTDOWN)), FromMedia(MediaLost(Ending(Cause.SHUTDOWN)))]
)
def test_a_call_is_stopped_before_the_callee_is_called(event: BridgeEvent) -> None:
    stop = Ending(Cause.SHUTDOWN)
    Ladder().hear(event, ToLeg(CALLER, Refuse(stop)), *over(stop, None), state=State.OVER)


@pytest.mark.parametrize("how", ["answered", "talking"])
def test_a_call_is_stopped_while_the_parties_talk(how: str) -> None:
    stop = Ending(Cause.SHUTDOWN)
    getattr(Ladder(), how)().hear(
        StopCall(stop),
        ToLeg(CALLEE, End(stop)),
        ToLeg(CALLER, End(stop)),
        *over(stop, None),
        state=State.OVER,
    )


def test_replies_to_forgotten_requests_change_nothing() -> None:
    ladder = Ladder().talking()
    ladder.hear(FromMedia(MediaReady(99, "?")), state=State.TALKING)
    ladder.hear(FromMedia(MediaRefused(99, BUSY)), state=State.TALKING)


LEG_EVENTS = [
    Rang(),
    Answered("answer"),
    Refused(BUSY),
    Confirmed(),
    Confirmed("late"),
    Reoffered("again"),
    Reoffered(None),
    Ended(HANGUP),
    Info(1, "INFO", "text/plain", b"1"),
    InfoAnswered(1, 200),
    TransferAsked("sip:carol@phones.localhost"),
    Located("c.host"),
    EarlyAnswered("early"),
    ReofferAnswered("new answer"),
    ReofferRefused(BUSY),
]
EVENTS = [
    *(FromLeg(side, event) for side in Side for event in LEG_EVENTS),
    *(FromCandidate(event) for event in LEG_EVENTS),
    *(TransferTo(side, PLACE, "c.host") for side in Side),
    *(TakeOver(side, offer, "c.host") for side in Side for offer in ("offer C", None)),
    *(FromMedia(MediaReady(number, "sdp")) for number in range(1, 9)),
    *(FromMedia(MediaPassOn(number, "sdp")) for number in range(1, 9)),
    *(FromMedia(MediaRefused(number, BUSY)) for number in range(1, 9)),
    FromMedia(MediaLost(Ending(Cause.MEDIA_FAILED))),
    StopCall(Ending(Cause.SHUTDOWN)),
    None,  # a long time passes
]


@given(st.lists(st.sampled_from(EVENTS), max_size=40))
def test_whatever_is_heard_a_call_ends_once_and_says_nothing_after_it(
    events: list[BridgeEvent | None],
) -> None:
    bridge = Bridge(CallPlan(PLACE, "offer"))
    said = bridge.begin(0.0)
    now = 0.0
    for event in [*events, StopCall(HANGUP)]:
        now += 1.0
        if isinstance(event, TakeOver) and not (
            bridge.settled or (bridge.ringing and event.side is CALLEE and event.offer)
        ):
            continue
        was_over = bridge.state is State.OVER
        new = bridge.expire(now := now + 1000.0) if event is None else bridge.receive(event, now)
        assert not (was_over and new)
        said += new
    assert bridge.state is State.OVER
    assert bridge.deadline() is None
    assert isinstance(said[-1], CallOver)
    assert sum(isinstance(command, CallOver) for command in said) == 1
    assert said.count(RELEASE) == 1
    # Nobody is told of the end twice; who takes a place begins anew.
    for side in Side:
        ends = 0
        for command in said:
            if command == LegReplaced(side):
                ends = 0
            elif isinstance(command, ToLeg) and command.side is side:
                ends += isinstance(command.command, Refuse | End)
            assert ends <= 1


def test_a_callee_that_cannot_use_what_it_asked_for_before_the_caller_knows_of_the_answer() -> None:
    """It asks for a new offer at once and answers that with nonsense: there is no way to talk to it."""
    none = Ending(Cause.NOT_ACCEPTABLE)
    Ladder().connecting().hear(
        FromLeg(CALLEE, Reoffered(None)),
        ToMedia(MediaReoffer(3, CALLEE, None, "b.host")),
        state=State.CONNECTING,
    ).hear(
        FromMedia(MediaReady(3, "again")), ToLeg(CALLEE, AcceptReoffer("again")), state=State.CONNECTING
    ).hear(
        FromLeg(CALLEE, Confirmed("nonsense")),
        ToMedia(MediaUpdate(4, CALLEE, "nonsense")),
        state=State.CONNECTING,
    ).hear(
        FromMedia(MediaRefused(4, none)),
        ToLeg(CALLEE, End(none)),
        ToLeg(CALLER, Refuse(none)),
        *over(none, None),
        state=State.OVER,
    )


# --- re-offers that the other party has to agree to -------------------------------------------------------

PENDING = Ending(Cause.REJECTED, 491, "another change of the call is under way")
REFUSED = Ending(Cause.NOT_ACCEPTABLE, 488)


def passing(asker: Side, ladder: Ladder | None = None, number: int = 3) -> Ladder:
    """A re-offer of `asker` has been passed on."""
    host = "a.host" if asker is CALLER else "b.host"
    ladder = ladder or Ladder().talking()
    return ladder.hear(
        FromLeg(asker, Reoffered("hold")),
        ToMedia(MediaReoffer(number, asker, "hold", host)),
        state=State.TALKING,
    ).hear(
        FromMedia(MediaPassOn(number, "hold passed on")),
        ToLeg(asker.other, Reoffer("hold passed on")),
        state=State.TALKING,
    )


@pytest.mark.parametrize("asker", Side)
def test_the_other_party_agrees(asker: Side) -> None:
    ladder = passing(asker)
    assert not ladder.bridge.settled
    ladder.hear(
        FromLeg(asker.other, ReofferAnswered("held")),
        ToMedia(MediaPassedOn(4, asker.other, "held")),
        state=State.TALKING,
    )
    ladder.hear(
        FromMedia(MediaReady(4, "held passed on")),
        ToLeg(asker, AcceptReoffer("held passed on")),
        state=State.TALKING,
    )
    assert ladder.bridge.settled


@pytest.mark.parametrize("asker", Side)
def test_the_other_party_does_not_agree_and_the_engine_cannot_do_without(asker: Side) -> None:
    passing(asker).hear(
        FromLeg(asker.other, ReofferRefused(REFUSED)),
        ToMedia(MediaPassedOn(4, asker.other, None, REFUSED)),
        state=State.TALKING,
    ).hear(FromMedia(MediaRefused(4, REFUSED)), ToLeg(asker, RefuseReoffer(REFUSED)), state=State.TALKING)


def test_the_other_party_does_not_agree_and_the_engine_can_do_without() -> None:
    passing(CALLER).hear(
        FromLeg(CALLEE, ReofferRefused(REFUSED)),
        ToMedia(MediaPassedOn(4, CALLEE, None, REFUSED)),
        state=State.TALKING,
    ).hear(FromMedia(MediaReady(4, "local")), ToLeg(CALLER, AcceptReoffer("local")), state=State.TALKING)


@pytest.mark.parametrize("who", Side)
def test_somebody_hangs_up_while_the_other_is_asked(who: Side) -> None:
    ladder = passing(CALLER).hear(
        FromLeg(who, Ended(HANGUP)), ToLeg(who.other, End(HANGUP)), *over(HANGUP, who), state=State.OVER
    )
    ladder.hear(FromLeg(CALLEE, ReofferAnswered("held")), state=State.OVER)


def test_both_propose_something_at_once() -> None:
    """The legs see to it that one of them loses; the bridge lets neither wait for the other."""
    ladder = passing(CALLER).hear(
        FromLeg(CALLEE, ReofferRefused(PENDING)),
        ToMedia(MediaPassedOn(4, CALLEE, None, PENDING)),
        state=State.TALKING,
    )
    ladder.hear(
        FromLeg(CALLEE, Reoffered("theirs")),
        ToMedia(MediaReoffer(5, CALLEE, "theirs", "b.host")),
        state=State.TALKING,
    )
    ladder.hear(
        FromMedia(MediaRefused(4, PENDING)), ToLeg(CALLER, RefuseReoffer(PENDING)), state=State.TALKING
    )
    ladder.hear(FromMedia(MediaPassOn(5, "on")), ToLeg(CALLER, Reoffer("on")), state=State.TALKING)


def cannot_be_asked(ladder: Ladder, side: Side, request: int, state: State) -> None:
    """What `request` makes the engine want to know of `side` is refused at once: it is to try again later."""
    ladder.hear(
        FromMedia(MediaPassOn(request, "on")),
        ToMedia(MediaPassedOn(request + 1, side, None, PENDING)),
        state=state,
    )


def test_a_party_has_one_thing_to_agree_to_at_a_time() -> None:
    ladder = passing(CALLER).hear(
        FromLeg(CALLER, Confirmed("late")),
        ToMedia(MediaUpdate(4, CALLER, "late")),
        state=State.TALKING,
    )
    cannot_be_asked(ladder, CALLEE, 4, State.TALKING)


def test_the_caller_cannot_be_asked_before_it_has_its_answer() -> None:
    ladder = (
        Ladder()
        .connecting()
        .hear(
            FromLeg(CALLEE, Reoffered("again")),
            ToMedia(MediaReoffer(3, CALLEE, "again", "b.host")),
            state=State.CONNECTING,
        )
    )
    cannot_be_asked(ladder, CALLER, 3, State.CONNECTING)
    ladder.hear(
        FromMedia(MediaRefused(4, PENDING)), ToLeg(CALLEE, RefuseReoffer(PENDING)), state=State.CONNECTING
    )


def test_an_answer_in_a_prack_that_the_caller_would_have_to_know_before_it_has_its_own() -> None:
    ladder = (
        Ladder()
        .connecting()
        .hear(
            FromLeg(CALLEE, Confirmed("late")),
            ToMedia(MediaUpdate(3, CALLEE, "late")),
            state=State.CONNECTING,
        )
    )
    cannot_be_asked(ladder, CALLER, 3, State.CONNECTING)
    ladder.hear(
        FromMedia(MediaRefused(4, PENDING)),
        ToLeg(CALLEE, End(PENDING)),
        ToLeg(CALLER, Refuse(PENDING)),
        *over(PENDING, None),
        state=State.OVER,
    )


def test_what_nobody_can_be_asked_about_is_refused_to_who_proposed_it() -> None:
    ladder = passing(CALLER).hear(
        FromLeg(CALLER, Reoffered("more")),
        ToMedia(MediaReoffer(4, CALLER, "more", "a.host")),
        state=State.TALKING,
    )
    cannot_be_asked(ladder, CALLEE, 4, State.TALKING)
    ladder.hear(
        FromMedia(MediaRefused(5, PENDING)), ToLeg(CALLER, RefuseReoffer(PENDING)), state=State.TALKING
    )


def test_an_answer_in_an_ack_that_the_other_party_has_to_know() -> None:
    Ladder().talking().hear(
        FromLeg(CALLER, Confirmed("late")), ToMedia(MediaUpdate(3, CALLER, "late")), state=State.TALKING
    ).hear(FromMedia(MediaPassOn(3, "on")), ToLeg(CALLEE, Reoffer("on")), state=State.TALKING).hear(
        FromLeg(CALLEE, ReofferAnswered("fine")),
        ToMedia(MediaPassedOn(4, CALLEE, "fine")),
        state=State.TALKING,
    ).hear(FromMedia(MediaReady(4, "")), state=State.TALKING)


def test_nothing_is_passed_on_while_somebody_is_being_replaced() -> None:
    ladder = Ladder().talking()
    ladder.bridge.receive(TransferTo(CALLEE, PLACE, "c.host"), 1.0)
    ladder.bridge.receive(FromLeg(CALLER, Reoffered("hold")), 1.0)
    cannot_be_asked(ladder, CALLEE, 4, State.TALKING)


def test_nobody_is_replaced_while_something_is_passed_on() -> None:
    pending = Ending(Cause.REJECTED, 491, "the call is not up, or is being transferred already")
    passing(CALLER).hear(
        TransferTo(CALLEE, PLACE, "c.host"), ToLeg(CALLEE, RefuseTransfer(pending)), state=State.TALKING
    )


# --- where the callee is, and what can be heard of it before it answers ------------------------------------


def located() -> Ladder:
    """Nothing is reserved for an iChat callee before it is known to be somewhere."""
    return (
        Ladder(to_ichat=True)
        .hear(FromMedia(MediaReady(1, "")), ToLeg(CALLEE, PLACE), state=State.CALLING)
        .hear(FromLeg(CALLEE, Rang()), ToLeg(CALLER, Ring()), state=State.RINGING)
        .hear(
            FromLeg(CALLEE, Located("2001:db8::9")),
            ToMedia(MediaOffer(2, CALLER, "offer A", "2001:db8::9", "a.host", to_ichat=True)),
            state=State.RINGING,
        )
    )


def test_an_ichat_is_offered_what_suits_where_it_is() -> None:
    located().hear(
        FromMedia(MediaReady(2, "offer B6")), ToLeg(CALLEE, Describe("offer B6")), state=State.RINGING
    )


def test_an_ichat_is_not_looked_for_when_no_offer_could_be_made() -> None:
    Ladder(to_ichat=True).hear(
        FromMedia(MediaRefused(1, REFUSED)),
        ToLeg(CALLER, Refuse(REFUSED)),
        *over(REFUSED, None),
        state=State.OVER,
    )


def test_an_ichat_that_is_where_nothing_leads_to() -> None:
    located().hear(
        FromMedia(MediaRefused(2, REFUSED)),
        ToLeg(CALLEE, End(REFUSED)),
        ToLeg(CALLER, Refuse(REFUSED)),
        *over(REFUSED, None),
        state=State.OVER,
    )


def early(ladder: Ladder) -> Ladder:
    state = ladder.bridge.state
    return ladder.hear(
        FromLeg(CALLEE, EarlyAnswered("early B")),
        ToMedia(MediaAnswer(2, CALLEE, "early B", "a.host")),
        state=state,
    ).hear(FromMedia(MediaReady(2, "early A")), ToLeg(CALLER, EarlyAnswer("early A")), state=state)


def test_an_early_answer_that_stays() -> None:
    early(Ladder().calling()).hear(
        FromLeg(CALLEE, Answered("early B")),
        ToMedia(MediaAnswer(3, CALLEE, "early B", "a.host")),
        state=State.CONNECTING,
    ).hear(FromMedia(MediaReady(3, "early A")), ToLeg(CALLER, Answer("early A")), state=State.ANSWERED).hear(
        FromLeg(CALLER, Confirmed()), state=State.TALKING
    )


def test_another_device_answers_than_the_one_that_was_heard_before() -> None:
    """The caller's INVITE is answered once; what holds from then on is a re-offer."""
    ladder = early(Ladder().ringing()).hear(
        FromLeg(CALLEE, EarlyAnswered("early C")),
        ToMedia(MediaAnswer(3, CALLEE, "early C", "a.host")),
        state=State.RINGING,
    )
    ladder.hear(FromMedia(MediaReady(3, "early A2")), state=State.RINGING)
    ladder.hear(
        FromLeg(CALLEE, Answered("answer C")),
        ToMedia(MediaAnswer(4, CALLEE, "answer C", "a.host")),
        state=State.CONNECTING,
    )
    ladder.hear(FromMedia(MediaReady(4, "answer A")), ToLeg(CALLER, Answer("early A")), state=State.ANSWERED)
    ladder.hear(FromLeg(CALLER, Confirmed()), ToLeg(CALLER, Reoffer("answer A")), state=State.TALKING)
    ladder.hear(
        FromLeg(CALLER, ReofferAnswered("new A")),
        ToMedia(MediaUpdate(5, CALLER, "new A")),
        state=State.TALKING,
    )


def test_a_caller_that_will_not_have_what_follows_an_early_answer() -> None:
    ladder = early(Ladder().ringing()).hear(
        FromLeg(CALLEE, Answered("answer C")),
        ToMedia(MediaAnswer(3, CALLEE, "answer C", "a.host")),
        state=State.CONNECTING,
    )
    ladder.hear(FromMedia(MediaReady(3, "answer A")), ToLeg(CALLER, Answer("early A")), state=State.ANSWERED)
    ladder.hear(FromLeg(CALLER, Confirmed()), ToLeg(CALLER, Reoffer("answer A")), state=State.TALKING)
    ladder.hear(FromLeg(CALLER, ReofferRefused(REFUSED)), state=State.TALKING)


def test_the_answer_overtakes_the_early_one() -> None:
    Ladder().calling().hear(
        FromLeg(CALLEE, EarlyAnswered("early B")),
        ToMedia(MediaAnswer(2, CALLEE, "early B", "a.host")),
        state=State.CALLING,
    ).hear(
        FromLeg(CALLEE, Answered("answer B")),
        ToMedia(MediaAnswer(3, CALLEE, "answer B", "a.host")),
        state=State.CONNECTING,
    ).hear(FromMedia(MediaReady(2, "early A")), state=State.CONNECTING).hear(
        FromMedia(MediaReady(3, "answer A")), ToLeg(CALLER, Answer("answer A")), state=State.ANSWERED
    )


def test_early_media_that_cannot_be_had_is_a_ring() -> None:
    Ladder().calling().hear(
        FromLeg(CALLEE, EarlyAnswered("early B")),
        ToMedia(MediaAnswer(2, CALLEE, "early B", "a.host")),
        state=State.CALLING,
    ).hear(FromMedia(MediaRefused(2, REFUSED)), ToLeg(CALLER, Ring()), state=State.CALLING)


def test_a_caller_that_has_offered_nothing_can_be_given_no_early_media() -> None:
    """An iChat caller describes itself after the answer."""
    ladder = Ladder(None)
    ladder.calling().hear(FromLeg(CALLEE, EarlyAnswered("early")), ToLeg(CALLER, Ring()), state=State.CALLING)


def test_early_media_of_whom_a_call_is_transferred_to_is_a_ring() -> None:
    ladder = Ladder().talking()
    ladder.bridge.receive(TransferTo(CALLEE, PLACE, "c.host"), 1.0)
    ladder.bridge.receive(FromMedia(MediaReady(3, "offer C")), 1.0)
    ladder.hear(
        FromCandidate(EarlyAnswered("early")), ToLeg(CALLEE, TransferProgress(180)), state=State.TALKING
    )


# --- a call that rings is picked up ------------------------------------------------------------------------


def picking_up(ladder: Ladder) -> Ladder:
    state = ladder.bridge.state
    assert ladder.bridge.ringing
    return ladder.hear(
        TakeOver(CALLEE, "offer C", "c.host"),
        ToMedia(MediaReplace(2, CALLEE, "offer C", "c.host", answers=False)),
        state=state,
    )


@pytest.mark.parametrize("begin", [Ladder.calling, Ladder.ringing])
def test_a_call_is_picked_up(begin: Callable[[Ladder], Ladder]) -> None:
    ladder = picking_up(begin(Ladder()))
    assert not ladder.bridge.ringing
    replaced = Ending(Cause.REPLACED)
    ladder.hear(
        FromMedia(MediaReady(2, "answer C")),
        ToCandidate(Answer("answer C")),
        ToLeg(CALLEE, End(replaced)),
        LegReplaced(CALLEE),
        ToMedia(MediaAnswer(3, CALLEE, "offer C", "a.host")),
        state=State.CONNECTING,
    )
    assert ladder.bridge.deadline() is None
    ladder.hear(FromMedia(MediaReady(3, "answer A")), ToLeg(CALLER, Answer("answer A")), state=State.ANSWERED)


def test_who_picks_up_cannot_be_connected_and_it_rings_on() -> None:
    ladder = picking_up(Ladder().ringing())
    ladder.hear(FromMedia(MediaRefused(2, REFUSED)), ToCandidate(Refuse(REFUSED)), state=State.RINGING)
    assert ladder.bridge.deadline() is not None
    assert ladder.bridge.ringing


def test_the_callee_answers_while_somebody_picks_up_in_vain() -> None:
    ladder = picking_up(Ladder().ringing()).hear(FromLeg(CALLEE, Answered("answer B")), state=State.RINGING)
    ladder.hear(
        FromMedia(MediaRefused(2, REFUSED)),
        ToCandidate(Refuse(REFUSED)),
        ToMedia(MediaAnswer(3, CALLEE, "answer B", "a.host")),
        state=State.CONNECTING,
    )


def test_the_callee_refuses_while_somebody_picks_up() -> None:
    ladder = picking_up(Ladder().ringing()).hear(FromLeg(CALLEE, Refused(BUSY)), state=State.RINGING)
    ladder.hear(
        FromMedia(MediaReady(2, "answer C")),
        ToCandidate(Answer("answer C")),
        LegReplaced(CALLEE),
        ToMedia(MediaAnswer(3, CALLEE, "offer C", "a.host")),
        state=State.CONNECTING,
    )


def test_the_callee_refuses_while_somebody_picks_up_in_vain() -> None:
    ladder = picking_up(Ladder().ringing()).hear(FromLeg(CALLEE, Refused(BUSY)), state=State.RINGING)
    ladder.hear(
        FromMedia(MediaRefused(2, REFUSED)),
        ToCandidate(Refuse(REFUSED)),
        ToLeg(CALLER, Refuse(REFUSED)),
        *over(REFUSED, CALLEE),
        state=State.OVER,
    )


def test_who_picks_up_has_gone_before_he_had_it() -> None:
    ladder = picking_up(Ladder().ringing()).hear(FromCandidate(Ended(CANCELLED)), state=State.RINGING)
    ladder.hear(
        FromMedia(MediaReady(2, "answer C")),
        ToLeg(CALLEE, End(Ending(Cause.REPLACED))),
        LegReplaced(CALLEE),
        ToLeg(CALLER, Refuse(CANCELLED)),
        *over(CANCELLED, CALLEE),
        state=State.OVER,
    )


def test_it_has_rung_for_too_long_while_somebody_picks_up() -> None:
    ladder = picking_up(Ladder().ringing())
    said = ladder.bridge.expire(1000.0)
    nobody = Ending(Cause.NO_ANSWER)
    assert said == [
        ToLeg(CALLEE, End(nobody)),
        ToLeg(CALLER, Refuse(nobody)),
        ToCandidate(Refuse(nobody)),
        *over(nobody, None),
    ]


REACH = {
    State.OFFERING: lambda ladder: ladder,
    State.CALLING: Ladder.calling,
    State.RINGING: Ladder.ringing,
    State.CONNECTING: Ladder.connecting,
    State.ANSWERED: Ladder.answered,
    State.TALKING: Ladder.talking,
}
LEG_WORDS = {
    "rang": Rang(),
    "answered": Answered("answer"),
    "refused": Refused(BUSY),
    "confirmed": Confirmed("late"),
    "reoffered": Reoffered("again"),
    "ended": Ended(HANGUP),
    "info": Info(1, "INFO", "text/plain", b"1"),
    "informed": InfoAnswered(1, 200),
    "located": Located("c.host"),
    "early": EarlyAnswered("early"),
    "agreed": ReofferAnswered("agreed"),
    "disagreed": ReofferRefused(HANGUP),
}
FIRST = {
    "reoffer": Reoffered("again"),
    "update": Confirmed("late"),
    "describe": Located("c.host"),
    "early": EarlyAnswered("early"),
}
"""What a callee says that makes the bridge ask the media engine for this."""


def heard_as(bridge: Bridge, what: str) -> list[BridgeCommand]:
    """Let the bridge hear what its table calls `what`."""
    who, _, word = what.partition(" ")
    if what == "no answer":
        return bridge.expire(1000.0)
    if what == "stop":
        return bridge.receive(StopCall(HANGUP), 1.0)
    if what == "media lost":
        return bridge.receive(FromMedia(MediaLost(HANGUP)), 1.0)
    if who in ("caller", "callee"):
        if word == "disagreed":
            bridge.receive(FromLeg(Side(who).other, Reoffered("again")), 1.0)
            bridge.receive(FromMedia(MediaPassOn(list(bridge._asked)[-1], "passed on")), 1.0)
        return bridge.receive(FromLeg(Side(who), LEG_WORDS[word]), 1.0)
    waiting = [number for number, (purpose, _) in bridge._asked.items() if purpose == who]
    if not waiting:
        bridge.receive(FromLeg(CALLEE, FIRST[who]), 1.0)
        waiting = list(bridge._asked)[-1:]
    replies = {
        "ready": MediaReady(waiting[0], "sdp"),
        "refused": MediaRefused(waiting[0], HANGUP),
        "passes on": MediaPassOn(waiting[0], "sdp"),
    }
    return bridge.receive(FromMedia(replies[word]), 1.0)


@pytest.mark.parametrize(("state", "what"), TABLE, ids=lambda value: str(getattr(value, "value", value)))
def test_every_row_of_the_table_can_happen(state: State, what: str) -> None:
    bridge = REACH[state](Ladder()).bridge
    assert bridge.state is state
    said = heard_as(bridge, what)
    assert bridge.state is TABLE[state, what][1]
    assert said
    if bridge.state is State.OVER:
        assert said[-2] == RELEASE
        assert isinstance(said[-1], CallOver)
        assert bridge.deadline() is None
        told = [command.side for command in said if isinstance(command, ToLeg)]
        by = {said[-1].ended_by} if said[-1].ended_by else set()
        unplaced = {CALLEE} if state is State.OFFERING else set()
        assert sorted(side.value for side in told) == sorted(s.value for s in set(Side) - by - unplaced)


def test_an_ack_without_a_description_asks_nothing_of_the_media() -> None:
    ladder = Ladder().talking()
    ladder.hear(FromLeg(CALLER, Confirmed()), state=State.TALKING)
    ladder.hear(FromLeg(CALLEE, Confirmed()), state=State.TALKING)


def test_the_table_names_only_states_and_leads_only_to_states() -> None:
    assert {state for state, _ in TABLE} == set(State) - {State.OVER}
    assert {after for _, after in TABLE.values()} == set(State) - {State.OFFERING}


def test_what_a_party_proposes_that_both_would_have_to_know_is_undone_if_the_other_is_busy() -> None:
    ladder = Ladder().talking()
    ladder.hear(
        FromLeg(CALLER, Confirmed("late")), ToMedia(MediaUpdate(3, CALLER, "late")), state=State.TALKING
    )
    ladder.hear(FromMedia(MediaPassOn(3, "on")), ToLeg(CALLEE, Reoffer("on")), state=State.TALKING)
    ladder.hear(
        FromLeg(CALLEE, ReofferRefused(REFUSED)),
        ToMedia(MediaPassedOn(4, CALLEE, None, REFUSED)),
        state=State.TALKING,
    )
    ladder.hear(
        FromMedia(MediaRefused(4, REFUSED)),
        ToLeg(CALLEE, End(REFUSED)),
        ToLeg(CALLER, End(REFUSED)),
        *over(REFUSED, None),
        state=State.OVER,
    )


def test_who_asks_for_a_transfer_of_a_call_that_is_over_is_told_nothing() -> None:
    ladder = Ladder().talking()
    ladder.bridge.receive(FromLeg(CALLER, Ended(HANGUP)), 1.0)
    ladder.hear(FromLeg(CALLEE, TransferAsked("sip:c@phones.localhost")), state=State.OVER)
    ladder.hear(TransferTo(CALLEE, PLACE, "c.host"), state=State.OVER)
