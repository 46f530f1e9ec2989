"""What stands in for the answer to a message that could not be sent.

When too much waits for the other program, or it is gone, the newest work is refused with a cause and never
silently lost: whoever began it hears what the other program would have said if it had no time. Messages that
end something, or only inform, are missed by nobody for long: what they are about has its own time limit.
"""

from ichat_gw.ipc.messages import (
    AcceptIChatCall,
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
)

STATUS = 503
"""The SIP status: we have too much to do."""


def instead_of(message: Message, text: str) -> tuple[Message, ...]:
    """What its sender is to hear in place of an answer to `message`, in order; `text` says why."""
    match message:
        case InitiateIChatCall(handle=handle):
            return (NotifyIChatCallFailed(handle, STATUS, text),)
        case ProceedingIChatCall(handle=handle) | AcceptIChatCall(handle=handle):
            return (NotifyIChatCallCancelled(handle),)
        case SendChatMessage(handle=handle):
            return (NotifyChatMessageSent(handle, STATUS, text),)
        case NotifyIChatCallRequest(to=to, from_=caller, request=request):
            # The request serves as the handle that the call would have got.
            return (
                ProceedingIChatCall(to, caller, request, request),
                RejectIChatCall(to, caller, request),
            )
        case NotifyChatMessage(to=to, from_=user, id=id_):
            return (RejectChatMessage(to, user, id_, STATUS, text),)
        case _:
            return ()
