"""Somebody new takes a party's place: ladders through the bridge."""

import pytest

from ichat_gw.call.bridge import Bridge, CallPlan, State
from ichat_gw.call.cause import Cause, Ending
from ichat_gw.call.leg import (
    AcceptReoffer,
    AcceptTransfer,
    Answer,
    Answered,
    Confirmed,
    End,
    Ended,
    Info,
    InfoAnswered,
    Party,
    Place,
    Rang,
    Refuse,
    Refused,
    RefuseReoffer,
    RefuseTransfer,
    Reoffered,
    TransferAsked,
    TransferProgress,
)
from ichat_gw.call.media import (
    MediaCandidate,
    MediaLost,
    MediaReady,
    MediaRefused,
    MediaRelease,
    MediaReoffer,
    MediaReplace,
    Side,
)
from ichat_gw.call.transfer import TABLE, Transfer, TransferState
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
ALICE = Party("sip:alice@jabber.localhost", "alice")
CAROL = Place(
    "sip:carol@c.host", ALICE, None, "alice", aor="sip:alice@b.host", referred_by="<sip:bob@b.host>"
)
OFFERED = Place(
    "sip:carol@c.host", ALICE, "offer C", "alice", aor="sip:alice@b.host", referred_by="<sip:bob@b.host>"
)
BUSY = Ending(Cause.BUSY, 486)
HANGUP = Ending(Cause.HANGUP)
TRANSFERRED = Ending(Cause.TRANSFERRED)
REPLACED = Ending(Cause.REPLACED)
RELEASE = ToMedia(MediaRelease())
SIDES = pytest.mark.parametrize("old", [CALLER, CALLEE])


class Ladder:
    """A call that is up, whose party `old` is about to be replaced."""

    def __init__(self, old: Side = CALLEE) -> None:
        self.old = old
        self.bridge = Bridge(CallPlan(Place("sip:bob@b.host", ALICE, None), "offer A", "a.host", "b.host"))
        self.bridge.begin(0.0)
        for event in (
            FromMedia(MediaReady(1, "offer B")),
            FromLeg(CALLEE, Answered("answer B")),
            FromMedia(MediaReady(2, "answer A")),
            FromLeg(CALLER, Confirmed()),
        ):
            self.bridge.receive(event, 1.0)
        assert self.bridge.settled

    def hear(self, event: BridgeEvent, *said: BridgeCommand, now: float = 10.0) -> "Ladder":
        assert self.bridge.receive(event, now) == list(said)
        return self

    def offering(self) -> "Ladder":
        return self.hear(
            TransferTo(self.old, CAROL, "c.host"),
            ToLeg(self.old, AcceptTransfer()),
            ToMedia(MediaCandidate(3, self.old, "c.host")),
        )

    def calling(self) -> "Ladder":
        return self.offering().hear(FromMedia(MediaReady(3, "offer C")), ToCandidate(OFFERED))

    def connecting(self) -> "Ladder":
        return self.calling().hear(
            FromCandidate(Answered("answer C")),
            ToMedia(MediaReplace(4, self.old, "answer C", "c.host", answers=True)),
        )

    def replaced(self) -> "Ladder":
        return self.connecting().hear(
            FromMedia(MediaReady(4, "")),
            ToLeg(self.old, TransferProgress(200)),
            ToLeg(self.old, End(TRANSFERRED)),
            LegReplaced(self.old),
        )

    def over(self, event: BridgeEvent, *said: BridgeCommand, ending: Ending, by: Side | None) -> None:
        self.hear(event, *said, RELEASE, CallOver(ending, by))
        assert self.bridge.deadline() is None


def test_who_proposes_other_media_before_he_has_the_place_is_told_to_try_again() -> None:
    refused = ToCandidate(
        RefuseReoffer(Ending(Cause.REJECTED, 491, "another change of the call is under way"))
    )
    ladder = Ladder().calling()
    ladder.hear(FromCandidate(Reoffered("UPDATE while it rings")), refused)
    ladder.hear(
        FromCandidate(Answered("answer C")),
        ToMedia(MediaReplace(4, CALLEE, "answer C", "c.host", answers=True)),
    )
    ladder.hear(FromCandidate(Reoffered("re-INVITE at once")), refused)


@SIDES
def test_a_transfer(old: Side) -> None:
    ladder = Ladder(old).calling()
    assert ladder.bridge.deadline() == 190.0
    ladder.hear(FromCandidate(Rang()), ToLeg(old, TransferProgress(180)))
    ladder.hear(
        FromCandidate(Answered("answer C")),
        ToMedia(MediaReplace(4, old, "answer C", "c.host", answers=True)),
    )
    assert ladder.bridge.deadline() is None
    ladder.hear(
        FromMedia(MediaReady(4, "")),
        ToLeg(old, TransferProgress(200)),
        ToLeg(old, End(TRANSFERRED)),
        LegReplaced(old),
    )
    assert ladder.bridge.settled
    # From here on it is a call like any other, at the new host.
    ladder.hear(FromLeg(old, Reoffered("hold")), ToMedia(MediaReoffer(5, old, "hold", "c.host")))
    ladder.over(FromLeg(old, Ended(HANGUP)), ToLeg(old.other, End(HANGUP)), ending=HANGUP, by=old)


@SIDES
def test_the_other_party_ends_a_transferred_call(old: Side) -> None:
    Ladder(old).replaced().over(
        FromLeg(old.other, Ended(HANGUP)), ToLeg(old, End(HANGUP)), ending=HANGUP, by=old.other
    )


@SIDES
def test_a_transfer_that_is_refused_falls_back(old: Side) -> None:
    ladder = Ladder(old).calling()
    ladder.hear(FromCandidate(Refused(BUSY)), ToLeg(old, TransferProgress(486)))
    assert ladder.bridge.settled
    assert ladder.bridge.deadline() is None
    # And may be tried again.
    ladder.hear(
        TransferTo(old, CAROL, "c.host"),
        ToLeg(old, AcceptTransfer()),
        ToMedia(MediaCandidate(4, old, "c.host")),
    )


def test_a_transfer_for_which_there_is_no_media_falls_back() -> None:
    none = Ending(Cause.NOT_ACCEPTABLE)
    ladder = Ladder().offering()
    ladder.hear(FromMedia(MediaRefused(3, none)), ToLeg(CALLEE, TransferProgress(488)))
    assert ladder.bridge.settled


def test_a_candidate_with_whom_there_is_no_common_codec_is_hung_up_on() -> None:
    none = Ending(Cause.NOT_ACCEPTABLE)
    ladder = Ladder().connecting()
    ladder.hear(
        FromMedia(MediaRefused(4, none)), ToCandidate(End(none)), ToLeg(CALLEE, TransferProgress(488))
    )
    assert ladder.bridge.settled


def test_a_candidate_who_never_answers_is_given_up() -> None:
    ladder = Ladder().calling()
    nobody = Ending(Cause.NO_ANSWER)
    assert ladder.bridge.expire(189.9) == []
    assert ladder.bridge.expire(190.0) == [ToCandidate(End(nobody)), ToLeg(CALLEE, TransferProgress(480))]
    assert ladder.bridge.settled
    assert ladder.bridge.deadline() is None


def test_media_that_is_never_made_is_given_up() -> None:
    ladder = Ladder().offering()
    assert ladder.bridge.expire(190.0) == [ToLeg(CALLEE, TransferProgress(480))]
    ladder.hear(FromMedia(MediaReady(3, "late")))


@pytest.mark.parametrize("waiting", ["offering", "calling", "connecting"])
def test_a_second_transfer_has_to_wait(waiting: str) -> None:
    ladder = getattr(Ladder(), waiting)()
    said = ladder.bridge.receive(TransferTo(CALLEE, CAROL, "d.host"), 10.0)
    assert [(c.side, type(c.command), c.command.ending.status) for c in said] == [
        (CALLEE, RefuseTransfer, 491)
    ]
    assert not ladder.bridge.settled


def test_before_a_call_is_up_nobody_is_transferred() -> None:
    bridge = Bridge(CallPlan(CAROL, "offer A"))
    bridge.begin(0.0)
    (said,) = bridge.receive(TransferTo(CALLEE, CAROL, "d.host"), 10.0)
    assert isinstance(said, ToLeg)
    assert isinstance(said.command, RefuseTransfer)


def test_a_transfer_that_nobody_has_decided_upon_is_refused() -> None:
    Ladder().hear(
        FromLeg(CALLEE, TransferAsked("sip:carol@c.host")),
        ToLeg(CALLEE, RefuseTransfer(Ending(Cause.FORBIDDEN))),
    )


# --- somebody leaves --------------------------------------------------------------------------------------


@SIDES
@pytest.mark.parametrize("waiting", ["offering", "calling"])
def test_the_phone_hangs_up_as_soon_as_its_transfer_is_accepted(old: Side, waiting: str) -> None:
    ladder = getattr(Ladder(old), waiting)().hear(FromLeg(old, Ended(HANGUP)))
    assert ladder.bridge.state is State.TALKING
    if waiting == "offering":
        ladder.hear(FromMedia(MediaReady(3, "offer C")), ToCandidate(OFFERED))
    ladder.hear(FromCandidate(Rang()))
    ladder.hear(
        FromCandidate(Answered("answer C")),
        ToMedia(MediaReplace(4, old, "answer C", "c.host", answers=True)),
    ).hear(FromMedia(MediaReady(4, "")), LegReplaced(old))
    assert ladder.bridge.settled


@SIDES
def test_there_is_nothing_to_fall_back_to_when_the_phone_has_hung_up(old: Side) -> None:
    ladder = Ladder(old).calling().hear(FromLeg(old, Ended(HANGUP)))
    ladder.over(FromCandidate(Refused(BUSY)), ToLeg(old.other, End(BUSY)), ending=BUSY, by=old)


@pytest.mark.parametrize("waiting", ["offering", "calling", "connecting"])
def test_the_party_who_stays_does_not_stay(waiting: str) -> None:
    ladder = getattr(Ladder(), waiting)()
    ended = [] if waiting == "offering" else [ToCandidate(End(HANGUP))]
    ladder.over(FromLeg(CALLER, Ended(HANGUP)), ToLeg(CALLEE, End(HANGUP)), *ended, ending=HANGUP, by=CALLER)
    ladder.hear(FromCandidate(Answered("late")))


@pytest.mark.parametrize(
    "event", [StopCall(Ending(Cause.SHUTDOWN)), FromMedia(MediaLost(Ending(Cause.SHUTDOWN)))]
)
def test_a_call_is_stopped_during_a_transfer(event: BridgeEvent) -> None:
    stop = Ending(Cause.SHUTDOWN)
    Ladder().calling().over(
        event,
        ToLeg(CALLEE, End(stop)),
        ToLeg(CALLER, End(stop)),
        ToCandidate(End(stop)),
        ending=stop,
        by=None,
    )


def test_a_candidate_who_leaves_while_he_is_connected_takes_the_call_with_him() -> None:
    ladder = Ladder().connecting().hear(FromCandidate(Ended(HANGUP)))
    ladder.over(
        FromMedia(MediaReady(4, "")),
        ToLeg(CALLEE, TransferProgress(200)),
        ToLeg(CALLEE, End(TRANSFERRED)),
        LegReplaced(CALLEE),
        ToLeg(CALLER, End(HANGUP)),
        ending=HANGUP,
        by=CALLEE,
    )


def test_a_candidate_who_has_left_is_not_hung_up_on() -> None:
    none = Ending(Cause.NOT_ACCEPTABLE)
    ladder = Ladder().connecting().hear(FromCandidate(Ended(HANGUP)))
    ladder.hear(FromMedia(MediaRefused(4, none)), ToLeg(CALLEE, TransferProgress(488)))


# --- the old leg goes on until then -----------------------------------------------------------------------


def test_the_phone_may_hold_during_its_transfer() -> None:
    Ladder().calling().hear(
        FromLeg(CALLEE, Reoffered("hold")), ToMedia(MediaReoffer(4, CALLEE, "hold", "b.host"))
    ).hear(FromMedia(MediaReady(4, "held")), ToLeg(CALLEE, AcceptReoffer("held")))


def test_what_was_asked_for_the_old_party_is_not_told_to_the_new_one() -> None:
    ladder = Ladder().calling()
    ladder.hear(FromLeg(CALLEE, Reoffered("hold")), ToMedia(MediaReoffer(4, CALLEE, "hold", "b.host")))
    ladder.hear(
        FromCandidate(Answered("answer C")),
        ToMedia(MediaReplace(5, CALLEE, "answer C", "c.host", answers=True)),
    )
    ladder.hear(
        FromMedia(MediaReady(5, "")),
        ToLeg(CALLEE, TransferProgress(200)),
        ToLeg(CALLEE, End(TRANSFERRED)),
        LegReplaced(CALLEE),
    )
    ladder.hear(FromMedia(MediaReady(4, "held")))


def test_what_a_candidate_says_out_of_turn_changes_nothing() -> None:
    ladder = Ladder()
    for event in (Rang(), Answered("x"), Refused(BUSY), Ended(HANGUP), Confirmed(), Reoffered(None)):
        ladder.hear(FromCandidate(event))
    ladder.calling()
    for event in (Confirmed(), Info(1, "INFO", "", b"")):
        ladder.hear(FromCandidate(event))


# --- a call that replaces another -------------------------------------------------------------------------


@SIDES
def test_somebody_takes_over(old: Side) -> None:
    ladder = Ladder(old)
    ladder.hear(
        TakeOver(old, "offer C", "c.host"),
        ToMedia(MediaReplace(3, old, "offer C", "c.host", answers=False)),
    ).hear(
        FromMedia(MediaReady(3, "answer C")),
        ToCandidate(Answer("answer C")),
        ToLeg(old, End(REPLACED)),
        LegReplaced(old),
    )
    assert ladder.bridge.settled
    ladder.hear(FromLeg(old, Confirmed()))


def test_somebody_takes_over_and_has_no_codec_in_common() -> None:
    none = Ending(Cause.NOT_ACCEPTABLE)
    ladder = Ladder()
    ladder.hear(
        TakeOver(CALLEE, "video", "c.host"),
        ToMedia(MediaReplace(3, CALLEE, "video", "c.host", answers=False)),
    ).hear(FromMedia(MediaRefused(3, none)), ToCandidate(Refuse(none)))
    assert ladder.bridge.settled


def test_who_takes_over_gives_up_before_he_has() -> None:
    ladder = Ladder()
    ladder.hear(
        TakeOver(CALLEE, None, "c.host"), ToMedia(MediaReplace(3, CALLEE, None, "c.host", answers=False))
    ).hear(FromCandidate(Ended(HANGUP)))
    none = Ending(Cause.MEDIA_FAILED)
    ladder.hear(FromMedia(MediaRefused(3, none)))
    assert ladder.bridge.settled
    ladder.hear(
        TakeOver(CALLEE, None, "c.host"), ToMedia(MediaReplace(4, CALLEE, None, "c.host", answers=False))
    ).hear(FromCandidate(Ended(HANGUP)))
    ladder.over(
        FromMedia(MediaReady(4, "offer C")),
        ToLeg(CALLEE, End(REPLACED)),
        LegReplaced(CALLEE),
        ToLeg(CALLER, End(HANGUP)),
        ending=HANGUP,
        by=CALLEE,
    )


def test_a_call_is_stopped_while_somebody_takes_over() -> None:
    stop = Ending(Cause.SHUTDOWN)
    ladder = Ladder()
    ladder.bridge.receive(TakeOver(CALLEE, None, "c.host"), 10.0)
    ladder.over(
        StopCall(stop),
        ToLeg(CALLEE, End(stop)),
        ToLeg(CALLER, End(stop)),
        ToCandidate(Refuse(stop)),
        ending=stop,
        by=None,
    )


def test_a_call_is_stopped_after_who_would_take_over_has_gone() -> None:
    stop = Ending(Cause.SHUTDOWN)
    ladder = Ladder()
    ladder.bridge.receive(TakeOver(CALLEE, None, "c.host"), 10.0)
    ladder.hear(FromCandidate(Ended(HANGUP)))
    ladder.over(StopCall(stop), ToLeg(CALLEE, End(stop)), ToLeg(CALLER, End(stop)), ending=stop, by=None)


# --- data that goes across --------------------------------------------------------------------------------


@SIDES
def test_application_data_goes_across_and_the_answer_comes_back(old: Side) -> None:
    info = Info(7, "INFO", "application/dtmf-relay", b"Signal=5")
    Ladder().hear(FromLeg(old, info), ToLeg(old.other, info)).hear(
        FromLeg(old.other, InfoAnswered(7, 200)), ToLeg(old, InfoAnswered(7, 200))
    )


def test_there_is_nobody_for_application_data_before_the_caller_knows_of_the_answer() -> None:
    ladder = Ladder()
    bridge = Bridge(CallPlan(CAROL, "offer A"))
    bridge.begin(0.0)
    bridge.receive(FromMedia(MediaReady(1, "offer B")), 1.0)
    bridge.receive(FromLeg(CALLEE, Answered("answer B")), 1.0)
    ladder.bridge = bridge
    ladder.hear(FromLeg(CALLEE, Info(7, "INFO", "", b"")), ToLeg(CALLEE, InfoAnswered(7, 480)))


# --- the table --------------------------------------------------------------------------------------------


def test_the_table_names_only_states_and_every_state_has_a_way_out() -> None:
    ends = {TransferState.REPLACED, TransferState.FAILED}
    assert {state for state, _ in TABLE} == set(TransferState) - ends
    assert ends <= {after for _, after in TABLE.values()}


def test_a_transfer_that_is_over_hears_nothing() -> None:
    transfer = Transfer(CALLEE, "c.host", lambda: 1)
    assert transfer.hear("candidate answered", "x") == []
    assert not transfer.waits_for_person
