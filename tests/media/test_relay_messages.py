"""Orders and replies on the pipe."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ichat_gw.call.media import Side
from ichat_gw.media.relay_messages import (
    MAX_FRAME,
    Adjust,
    Alive,
    Ask,
    BindFault,
    Close,
    Closed,
    FrameCutter,
    GateSnapshot,
    InvalidFrame,
    Learning,
    Open,
    Opened,
    OpenFailed,
    Order,
    PartyCounters,
    PartySnapshot,
    Query,
    Report,
    Restore,
    Retarget,
    Snapshot,
    Started,
    StreamSnapshot,
    WorkerReply,
    frame,
    read_order,
    read_reply,
)

KNOWN = PartySnapshot(
    GateSnapshot(("::1", 9, 0, 0), ("::1", 10, 0, 0)),
    GateSnapshot(None, None),
    StreamSnapshot(7, 8, 9, 1.5, (1, 2, 3), True, (4, 5, 6.5)),
    PartyCounters(reports=1, reported_loss=0.5, reported_lost=-1, reported_jitter=2.0, round_trip=3.0),
)
ORDERS: list[Order | Ask] = [
    Open(1, Side.CALLER, "127.0.0.1", 8000),
    Retarget(1, Side.CALLEE, ("::1", 9), None, Learning.PORT, 5.0),
    Adjust(1, Side.CALLER, receives=False, renumbered=((0, 96),)),
    Close(1),
    Query(1, 2),
    Restore(1, KNOWN, PartySnapshot()),
    Ask(),
]
REPLIES: list[WorkerReply | Alive] = [
    Started(77),
    Opened(1, Side.CALLER),
    OpenFailed(1, Side.CALLEE, BindFault.PORT, "Address already in use"),
    Closed(1, PartyCounters(received=3, silent_for=0.5, source=("127.0.0.1", 9)), PartyCounters()),
    Report(1, 2, PartyCounters(), PartyCounters(strangers=4)),
    Snapshot(1, PartySnapshot(), KNOWN),
    Alive(),
]


def test_any_cut_of_the_stream_gives_the_same_messages() -> None:
    stream = b"".join(map(frame, ORDERS))
    for step in (1, 3, 50, len(stream)):
        cutter = FrameCutter()
        bodies = [
            body
            for start in range(0, len(stream), step)
            for body in cutter.feed(stream[start : start + step])
        ]
        assert [read_order(body) for body in bodies] == ORDERS
    assert [read_reply(body) for body in FrameCutter().feed(b"".join(map(frame, REPLIES)))] == REPLIES


def test_a_frame_too_long() -> None:
    assert FrameCutter().feed(MAX_FRAME.to_bytes(4, "big")) == []
    with pytest.raises(InvalidFrame, match="65537 bytes"):
        FrameCutter().feed((MAX_FRAME + 1).to_bytes(4, "big"))


@given(st.binary(max_size=60))
def test_what_is_no_message(body: bytes) -> None:
    with pytest.raises(InvalidFrame):
        read_order(body)
    with pytest.raises(InvalidFrame):
        read_reply(body)


def test_an_order_is_no_reply() -> None:
    with pytest.raises(InvalidFrame, match="not a reply"):
        read_reply(frame(ORDERS[0])[4:])
    with pytest.raises(InvalidFrame, match="not an order"):
        read_order(frame(REPLIES[0])[4:])
