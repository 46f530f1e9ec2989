"""The gateway's half of an iChat call, both directions, as ladders."""

from dataclasses import dataclass
from ipaddress import ip_address

import pytest

from ichat_gw.call.cause import Cause, Ending
from ichat_gw.call.leg import (
    AcceptReoffer,
    Answer,
    Answered,
    Confirmed,
    Describe,
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
    Reoffer,
    Reoffered,
    ReofferRefused,
    Ring,
)
from ichat_gw.ipc.messages import (
    AcceptIChatCall,
    CancelIChatCall,
    ContinueIChatCall,
    InitiateIChatCall,
    NotifyIChatCallCancelled,
    NotifyIChatCallFailed,
    NotifyIChatCallProceeding,
    NotifyIChatCallRequest,
    ProceedingIChatCall,
    RejectIChatCall,
)
from ichat_gw.jabber.ichat.blob import ConnectRecord, encode
from ichat_gw.jabber.ichat.leg import (
    CalledIChat,
    CallingIChat,
    ConnectorLost,
    FromInner,
    IChatCommand,
    IChatConfig,
    IChatEvent,
    InviteClaimed,
    State,
    ToBridge,
    ToConnector,
    ToInner,
)

IDENTITY = Party("sip:ichat-gw@127.0.0.1", "iChat-gw")
CONFIG = IChatConfig(IDENTITY)
USER, FULL, CALLING = "alice@jabber.localhost", "alice@jabber.localhost/iChat", "1555@gw.localhost"
BLOB = encode([ConnectRecord("en0", ip_address("192.0.2.7"), 16402)])
HANGUP = Ending(Cause.HANGUP)
CANCEL = ToConnector(CancelIChatCall(USER, CALLING, "h1"))


@dataclass
class Ladder:
    leg: CalledIChat | CallingIChat

    def hear(self, event: IChatEvent, *said: IChatCommand, now: float = 1.0) -> "Ladder":
        assert self.leg.receive(event, now) == list(said)
        return self


def called() -> Ladder:
    return Ladder(CalledIChat("h1", USER, CALLING, CONFIG)).hear(
        Place("xmpp:" + USER, Party("sip:1555@phones"), "our offer"),
        ToConnector(InitiateIChatCall(USER, CALLING, "h1")),
    )


def located() -> Ladder:
    return (
        called()
        .hear(NotifyIChatCallProceeding("h1", FULL), ToBridge(Rang()))
        .hear(ContinueIChatCall("h1", FULL, BLOB), ToBridge(Located("192.0.2.7")))
    )


def connecting() -> Ladder:
    return located().hear(
        Describe("our offer"),
        ToInner(Place("sip:user@192.0.2.7:16402", IDENTITY, "our offer", "ichat-gw", pinned=True)),
    )


def test_ichat_is_called_and_answers() -> None:
    connecting().hear(FromInner(Rang())).hear(FromInner(Answered("its")), ToBridge(Answered("its"))).hear(
        FromInner(Reoffered("hold")), ToBridge(Reoffered("hold"))
    ).hear(AcceptReoffer("held"), ToInner(AcceptReoffer("held"))).hear(
        FromInner(Ended(HANGUP)), ToBridge(Ended(HANGUP))
    ).hear(End(HANGUP))


def test_an_ichat_client_gives_application_data_and_takes_none() -> None:
    ladder = connecting().hear(FromInner(Answered("its")), ToBridge(Answered("its")))
    ladder.hear(FromInner(Info(1, "INFO", "", b"")), ToBridge(Info(1, "INFO", "", b"")))
    ladder.hear(InfoAnswered(1, 200), ToInner(InfoAnswered(1, 200)))
    ladder.hear(Info(2, "INFO", "text/plain", b"x"), ToBridge(InfoAnswered(2, 415)))
    ladder.hear(Info(3, "INFO", "", b""), ToBridge(InfoAnswered(3, 200)))
    calling = Ladder(CallingIChat("h2", NotifyIChatCallRequest("72@gw", FULL, "r", BLOB)))
    calling.hear(Info(4, "MESSAGE", "text/plain", b"x"), ToBridge(InfoAnswered(4, 415)))


def test_an_ichat_client_is_sent_no_reinvite() -> None:
    unsafe = Ending(Cause.NOT_ACCEPTABLE, 488, "an iChat client cannot be told of other media during a call")
    ladder = connecting().hear(FromInner(Answered("its")), ToBridge(Answered("its")))
    ladder.hear(Reoffer("moved"), ToBridge(ReofferRefused(unsafe)))
    calling = Ladder(CallingIChat("h2", NotifyIChatCallRequest("72@gw", FULL, "r", BLOB)))
    calling.hear(Reoffer("moved"), ToBridge(ReofferRefused(unsafe)))


def test_the_caller_gives_up_before_the_offer_for_ichat_is_made() -> None:
    ladder = located().hear(ConnectorLost()).hear(End(HANGUP), CANCEL)
    ladder.hear(Describe("our offer"))
    assert ladder.leg.state is State.OVER


def test_a_second_device_that_rings_is_not_told_twice() -> None:
    called().hear(NotifyIChatCallProceeding("h1", FULL), ToBridge(Rang())).hear(
        NotifyIChatCallProceeding("h1", USER + "/other")
    )


def test_ichat_declines() -> None:
    called().hear(ContinueIChatCall("h1", FULL, ""), ToBridge(Refused(Ending(Cause.DECLINED)))).hear(
        End(HANGUP)
    )


@pytest.mark.parametrize("blob", ["zz", "00", "62706c6973743030", encode([])])
def test_ichat_accepts_but_gives_no_usable_address(blob: str) -> None:
    ladder = called()
    if blob:
        cancel, refused = ladder.leg.receive(ContinueIChatCall("h1", FULL, blob), 1.0)
        assert cancel == CANCEL
        assert isinstance(refused, ToBridge)
        assert isinstance(refused.event, Refused)
        assert refused.event.ending.cause is Cause.NO_USABLE_ADDRESS
        assert refused.event.ending.sip_status == 603


def test_ichat_names_only_addresses_we_cannot_reach() -> None:
    blob = encode([ConnectRecord("en0", ip_address("2001:db8::1"), 16402)])
    called().hear(
        ContinueIChatCall("h1", FULL, blob), CANCEL, ToBridge(Refused(Ending(Cause.NO_USABLE_ADDRESS)))
    )


def test_an_ipv6_client_is_invited_at_a_bracketed_address() -> None:
    blob = encode([ConnectRecord("en0", ip_address("2001:db8::1"), 16402)])
    leg = CalledIChat("h1", USER, CALLING, IChatConfig(IDENTITY, prefer_ipv6=True, ipv6_available=True))
    leg.receive(Place("xmpp:" + USER, Party("sip:1555@phones"), "o"), 0.0)
    assert leg.receive(ContinueIChatCall("h1", FULL, blob), 0.0) == [ToBridge(Located("2001:db8::1"))]
    (command,) = leg.receive(Describe("o6"), 0.0)
    assert isinstance(command, ToInner)
    assert isinstance(command.command, Place)
    assert command.command.target == "sip:user@[2001:db8::1]:16402"


def test_nobody_can_be_rung() -> None:
    called().hear(
        NotifyIChatCallFailed("h1", 404, "offline"), ToBridge(Refused(Ending.from_status(404, "offline")))
    )


def test_the_caller_gives_up_while_ichat_rings() -> None:
    called().hear(NotifyIChatCallProceeding("h1", FULL), ToBridge(Rang())).hear(End(HANGUP), CANCEL).hear(
        ContinueIChatCall("h1", FULL, BLOB)  # the answer that crossed the cancel
    )


def test_the_caller_gives_up_while_ichat_is_invited() -> None:
    connecting().hear(End(HANGUP), ToInner(End(HANGUP)), CANCEL).hear(FromInner(Answered("late")))


def test_ichat_refuses_our_invite() -> None:
    busy = Ending.from_status(486)
    connecting().hear(FromInner(Refused(busy)), ToBridge(Refused(busy)))


@pytest.mark.parametrize("status", [408, 503])
def test_ichat_does_not_see_our_invite(status: int) -> None:
    """It has accepted and waits for it; over XMPP it can be told not to."""
    unheard = Ending.from_status(status)
    connecting().hear(FromInner(Refused(unheard)), CANCEL, ToBridge(Refused(unheard)))


def test_we_hang_up_on_ichat() -> None:
    connecting().hear(FromInner(Answered("its")), ToBridge(Answered("its"))).hear(
        End(HANGUP), ToInner(End(HANGUP))
    )


def test_the_connector_dies_while_ichat_rings() -> None:
    called().hear(ConnectorLost(), ToBridge(Refused(Ending(Cause.CONNECTOR_LOST))))


def test_the_connector_dies_while_the_parties_talk() -> None:
    connecting().hear(FromInner(Answered("its")), ToBridge(Answered("its"))).hear(ConnectorLost())


def test_a_call_that_ends_before_it_began() -> None:
    leg = Ladder(CalledIChat("h1", USER, CALLING, CONFIG))
    leg.hear(Ring()).hear(End(HANGUP)).hear(Place("xmpp:" + USER, Party("sip:1555@phones"), "o"))
    assert leg.leg.deadline() is None
    assert leg.leg.expire(1e9) == []


def test_a_called_leg_ignores_what_it_cannot_use() -> None:
    called().hear(FromInner(Rang())).hear(Ring())
    connecting().hear(NotifyIChatCallProceeding("h1", FULL)).hear(ConnectorLost())


# --- iChat calls ------------------------------------------------------------------------------------------

REQUEST = NotifyIChatCallRequest("5551234@gw.localhost", FULL, "r1", BLOB)
TAKE_BACK = ToConnector(CancelIChatCall(REQUEST.to, FULL, "h1"))
SOURCE = ("192.0.2.7", 16402)
NAMES = ("alice@jabber.localhost", "5551234@gw.localhost")


def calling() -> Ladder:
    leg = CallingIChat("h1", REQUEST)
    assert leg.begin() == [ToConnector(ProceedingIChatCall(REQUEST.to, FULL, "r1", "h1"))]
    assert leg.usable
    return Ladder(leg)


def accepted() -> Ladder:
    return calling().hear(Ring()).hear(Answer("ours"), ToConnector(AcceptIChatCall(REQUEST.to, FULL, "h1")))


def invited() -> Ladder:
    ladder = accepted()
    assert isinstance(ladder.leg, CallingIChat)
    assert ladder.leg.claim(*NAMES, SOURCE) == 2
    return ladder.hear(InviteClaimed("its offer"), ToBridge(Reoffered("its offer")))


def test_ichat_calls_and_is_answered() -> None:
    ladder = (
        invited()
        .hear(AcceptReoffer("our answer"), ToInner(Answer("our answer")))
        .hear(FromInner(Confirmed()), ToBridge(Confirmed()))
        .hear(FromInner(Ended(HANGUP)), ToBridge(Ended(HANGUP)))
    )
    assert ladder.leg.state is State.OVER
    assert ladder.leg.deadline() is None


def test_ichat_calls_and_the_phone_hangs_up() -> None:
    invited().hear(AcceptReoffer("our answer"), ToInner(Answer("our answer"))).hear(
        FromInner(Confirmed()), ToBridge(Confirmed())
    ).hear(End(HANGUP), ToInner(End(HANGUP)))


@pytest.mark.parametrize("command", [Refuse(HANGUP), End(HANGUP)])
def test_the_call_fails(command: Refuse | End) -> None:
    calling().hear(command, ToConnector(RejectIChatCall(REQUEST.to, FULL, "h1")))


def test_ichat_gives_up_before_the_answer() -> None:
    calling().hear(NotifyIChatCallCancelled("h1"), ToBridge(Ended(Ending(Cause.CANCELLED)))).hear(
        Refuse(HANGUP)
    )


def test_the_connector_dies_before_the_answer() -> None:
    calling().hear(ConnectorLost(), ToBridge(Ended(Ending(Cause.CONNECTOR_LOST))))


def test_the_connector_dies_after_the_answer_and_the_invite_still_comes() -> None:
    accepted().hear(ConnectorLost()).hear(InviteClaimed("its"), ToBridge(Reoffered("its")))


def test_ichat_gives_up_while_our_answer_is_on_its_way() -> None:
    ladder = accepted().hear(NotifyIChatCallCancelled("h1"), ToBridge(Ended(Ending(Cause.CANCELLED))))
    assert ladder.leg.state is State.VOID


@pytest.mark.parametrize("command", [Refuse(HANGUP), End(HANGUP)])
def test_the_phone_hangs_up_before_ichats_invite_comes(command: Refuse | End) -> None:
    ladder = accepted().hear(command, TAKE_BACK, now=10.0)
    leg = ladder.leg
    assert isinstance(leg, CallingIChat)
    assert leg.claim(*NAMES, SOURCE) == 2
    (refusal,) = leg.receive(InviteClaimed("its"), 11.0)
    assert isinstance(refusal, ToInner)
    assert isinstance(refusal.command, Refuse)
    assert refusal.command.ending.ichat_status == 487
    assert leg.deadline() is None


def test_a_void_call_is_forgotten() -> None:
    leg = accepted().hear(End(HANGUP), TAKE_BACK, now=10.0).leg
    assert leg.deadline() == 42.0
    assert leg.expire(41.0) == []
    assert leg.expire(42.0) == []
    assert leg.state is State.OVER


def test_ichats_invite_never_comes() -> None:
    leg = accepted().leg
    assert leg.deadline() == 33.0
    take_back, ended = leg.expire(33.0)
    assert take_back == TAKE_BACK
    assert isinstance(ended, ToBridge)
    assert isinstance(ended.event, Ended)
    assert ended.event.ending.cause is Cause.TIMEOUT


def test_ichats_description_cannot_be_met() -> None:
    none = Ending(Cause.NOT_ACCEPTABLE)
    invited().hear(RefuseReoffer(none), ToInner(Refuse(none)), ToBridge(Ended(none)))


@pytest.mark.parametrize("command", [Refuse(HANGUP), End(HANGUP)])
def test_the_phone_hangs_up_while_ichats_invite_is_answered(command: Refuse | End) -> None:
    invited().hear(command, ToInner(End(HANGUP)))


def test_ichat_gives_up_while_its_invite_is_answered() -> None:
    cancelled = Ending(Cause.CANCELLED)
    invited().hear(NotifyIChatCallCancelled("h1"), ToInner(End(cancelled)), ToBridge(Ended(cancelled)))
    invited().hear(FromInner(Ended(cancelled)), ToBridge(Ended(cancelled)))


def test_a_calling_leg_ignores_what_it_cannot_use() -> None:
    calling().hear(Ring()).hear(InviteClaimed("too early"))
    accepted().hear(Ring())
    invited().hear(Ring())
    invited().hear(AcceptReoffer("a"), ToInner(Answer("a"))).hear(
        FromInner(Confirmed()), ToBridge(Confirmed())
    ).hear(Ring())
    accepted().hear(End(HANGUP), TAKE_BACK).hear(Ring())


@pytest.mark.parametrize(
    ("names", "source", "score"),
    [
        (NAMES, SOURCE, 2),
        (NAMES, ("192.0.2.7", 5060), 1),
        (("Alice@Jabber.localhost", "5551234@GW.localhost"), SOURCE, 2),
        (NAMES, ("192.0.2.8", 16402), 0),  # anybody can write these names
        (("mallory@jabber.localhost", NAMES[1]), SOURCE, 0),
        ((NAMES[0], "5550000@gw.localhost"), SOURCE, 0),
    ],
)
def test_an_invite_is_recognised_by_names_and_address(
    names: tuple[str, str], source: tuple[str, int], score: int
) -> None:
    leg = accepted().leg
    assert isinstance(leg, CallingIChat)
    assert leg.claim(*names, source) == score


def test_an_invite_before_our_answer_or_a_second_one_is_not_ours() -> None:
    for ladder in (calling(), invited()):
        assert isinstance(ladder.leg, CallingIChat)
        assert ladder.leg.claim(*NAMES, SOURCE) == 0


def test_a_request_whose_blob_is_unusable() -> None:
    leg = CallingIChat("h1", NotifyIChatCallRequest("5551234@gw.localhost", FULL, "r1", "bplist00"))
    assert not leg.usable
