"""Every message sent and received, at DEBUG, in one form for all protocols.

    sip direction=in peer=192.0.2.7:5060 summary="INVITE sip:bob@example.com" call=...
    ipc direction=out peer=connector summary=initiateIChatCall call=...
    xmpp direction=in peer=alice@example.com/home summary="iq set apple:iq:vc:request" ours=72@gw.example.com
    rtp direction=in peer=192.0.2.7:8000 summary="first packet"

This room knows no protocol: summaries are made of plain values.
"""

from typing import Literal, TypeAlias

from ichat_gw.ipc.messages import Message
from ichat_gw.ops.logging import DEBUG, Logger

Protocol: TypeAlias = Literal["sip", "ipc", "xmpp", "rtp"]
Direction: TypeAlias = Literal["in", "out"]


def wire(
    log: Logger,
    protocol: Protocol,
    direction: Direction,
    peer: str,
    summary: str,
    *,
    call: str = "",
    message: str | bytes = "",
    ours: str = "",
) -> None:
    """Write the line. `call` is the call's handle when known, `message` the full text when wanted.

    `ours` is who we are in it, where we are many: a JID.

    Costs next to nothing when DEBUG is off. Whoever has to compute `summary` or `message` asks
    `log.enabled(DEBUG)` before.
    """
    if not log.enabled(DEBUG):
        return
    fields: dict[str, object] = {"direction": direction, "peer": peer, "summary": summary}
    if call:
        fields["call"] = call
    if ours:
        fields["ours"] = ours
    if message:
        fields["message"] = message
    log.debug(protocol, **fields)


def ipc(log: Logger, direction: Direction, message: Message, peer: str, call: str = "") -> None:
    """Write the line of a message between the two programs, with all its fields.

    `call`: the handle of the call, where the message itself does not say it.
    """
    if not log.enabled(DEBUG):
        return
    fields = {name: getattr(message, name) for name in message.__struct_fields__}
    call = str(fields.pop("handle", call))
    text = " ".join(f"{name.rstrip('_')}={value}" for name, value in fields.items())
    wire(log, "ipc", direction, peer, manual_name(message), call=call, message=text)


def manual_name(message: Message | type[Message]) -> str:
    """The manual's name of a message: `InitiateIChatCall` is `initiateIChatCall`."""
    kind = message if isinstance(message, type) else type(message)
    return kind.__name__[0].lower() + kind.__name__[1:]


def request_summary(method: str, uri: str) -> str:
    """`INVITE sip:bob@example.com`."""
    return f"{method} {uri}"


def response_summary(status: int, reason: str, method: str) -> str:
    """`200 OK (INVITE)`: `method` is that of the CSeq."""
    return f"{status} {reason} ({method})"


def stanza_summary(kind: str, type_: str, namespace: str = "") -> str:
    """`iq set apple:iq:vc:request`; `kind` is the element's name, `namespace` that of its child."""
    return " ".join(word for word in (kind, type_, namespace) if word)
