"""The one form of all messages in the log."""

import io
from collections.abc import Iterator
from typing import get_args

import pytest

from ichat_gw.ipc.messages import (
    InitiateIChatCall,
    Message,
    NotifyIChatCallRequest,
    SendSubscriptionResponse,
    SipRegisterJabberUser,
    Stop,
)
from ichat_gw.ops.logging import Logger, configure, get_logger, shutdown
from ichat_gw.ops.wire import ipc, manual_name, request_summary, response_summary, stanza_summary, wire


@pytest.fixture
def console() -> Iterator[io.StringIO]:
    console = io.StringIO()
    configure("DEBUG", console=console)
    yield console
    shutdown()


@pytest.fixture
def log() -> Logger:
    return get_logger("ichat_gw.test")


def lines(console: io.StringIO) -> list[str]:
    return [line.split(" ", 1)[1] for line in console.getvalue().splitlines()]


def test_one_form_for_all(log: Logger, console: io.StringIO) -> None:
    wire(log, "sip", "in", "192.0.2.7:5060", request_summary("INVITE", "sip:bob@example.com"))
    wire(
        log,
        "sip",
        "out",
        "192.0.2.7:5060",
        response_summary(200, "OK", "INVITE"),
        call="h-1",
        message=b"x\r\n",
    )
    wire(log, "xmpp", "in", "alice@example.com/home", stanza_summary("iq", "set", "apple:iq:vc:request"))
    wire(log, "xmpp", "out", "alice@example.com/home", stanza_summary("presence", ""))
    assert lines(console) == [
        'DEBUG sip direction=in peer=192.0.2.7:5060 summary="INVITE sip:bob@example.com"',
        'DEBUG sip call=h-1 direction=out peer=192.0.2.7:5060 summary="200 OK (INVITE)" message="x\\r\\n"',
        'DEBUG xmpp direction=in peer=alice@example.com/home summary="iq set apple:iq:vc:request"',
        "DEBUG xmpp direction=out peer=alice@example.com/home summary=presence",
    ]


def test_messages_between_the_programs(log: Logger, console: io.StringIO) -> None:
    ipc(log, "out", InitiateIChatCall("b@b", "7@gw", "h-1"), "jc")
    ipc(log, "in", SendSubscriptionResponse("a", "b", True), "gw")
    ipc(log, "out", Stop(), "connector")
    assert lines(console) == [
        'DEBUG ipc call=h-1 direction=out peer=jc summary=initiateIChatCall message="to=b@b from=7@gw"',
        'DEBUG ipc direction=in peer=gw summary=sendSubscriptionResponse message="to=a from=b allowed=True"',
        "DEBUG ipc direction=out peer=connector summary=stop",
    ]


def test_silent_above_debug(log: Logger, console: io.StringIO) -> None:
    configure("INFO", console=console)
    wire(log, "rtp", "in", "192.0.2.7:8000", "first packet")
    ipc(log, "out", Stop(), "connector")
    assert lines(console) == []


@pytest.mark.parametrize(
    ("kind", "name"),
    [
        (InitiateIChatCall, "initiateIChatCall"),
        (NotifyIChatCallRequest, "notifyIChatCallRequest"),
        (SipRegisterJabberUser, "sipRegisterJabberUser"),
    ],
)
def test_names_of_the_manual(kind: type[Message], name: str) -> None:
    assert manual_name(kind) == name


def test_every_message_has_a_name() -> None:
    assert len({manual_name(kind) for kind in get_args(Message)}) == len(get_args(Message))
