import pytest

from ichat_gw.ipc.messages import (
    AcceptIChatCall,
    CheckSubscription,
    InitiateIChatCall,
    Message,
    NotifyChatMessage,
    NotifyChatMessageSent,
    NotifyIChatCallCancelled,
    NotifyIChatCallFailed,
    NotifyIChatCallRequest,
    ProceedingIChatCall,
    RejectChatMessage,
    RejectIChatCall,
    SendChatMessage,
    Stop,
)
from ichat_gw.ipc.refusals import instead_of
from jabber.scene import DIAL, HER_BLOB, MAC, Scene, calls, refuses, result

TEXT = "20000 messages wait for the other program already"


@pytest.mark.parametrize(
    ("message", "answers"),
    [
        (InitiateIChatCall("a", "b", "h"), [NotifyIChatCallFailed("h", 503, TEXT)]),
        (ProceedingIChatCall("a", "b", "r", "h"), [NotifyIChatCallCancelled("h")]),
        (AcceptIChatCall("a", "b", "h"), [NotifyIChatCallCancelled("h")]),
        (SendChatMessage("a", "b", "h", "hi"), [NotifyChatMessageSent("h", 503, TEXT)]),
        (NotifyChatMessage("a", "b", "m", "hi"), [RejectChatMessage("a", "b", "m", 503, TEXT)]),
        (RejectIChatCall("a", "b", "h"), []),
        (CheckSubscription("a", "b"), []),
        (Stop(), []),
    ],
)
def test_who_began_it_hears_of_it(message: Message, answers: list[Message]) -> None:
    assert list(instead_of(message, TEXT)) == answers


def test_an_ichat_whose_call_nobody_takes_is_refused_at_once() -> None:
    scene = Scene()
    request = NotifyIChatCallRequest(DIAL, MAC, "t00000001", HER_BLOB)
    scene.hears(calls(), then=[result(from_=DIAL), request])
    proceeding, reject = instead_of(request, TEXT)
    scene.is_told(proceeding, then=[])
    scene.is_told(reject, then=[refuses(2)])
    assert scene.connector.negotiations == 0
