"""A stage for ladders: the connector between a fake XMPP server and a fake gateway, on a virtual clock.

    scene.hears("<presence .../>", then=["<stanza that goes to the server/>", MessageToTheGateway(...)])
    scene.is_told(InitiateIChatCall(...), then=[...])
    scene.waits(5.0, then=[...])

What follows must come exactly, in that order. Ids are numbered: t00000001, t00000002, ...
"""

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta, timezone
from typing import TypeAlias
from xml.etree import ElementTree

from ichat_gw.ipc.messages import JabberConnection, Message, SipRegisterJabberUser
from ichat_gw.jabber.connector import Connector
from ichat_gw.jabber.events import (
    ConnectorCommand,
    ConnectorEvent,
    SendStanza,
    StanzaReceived,
    StreamDown,
    StreamUp,
    Tell,
)
from ichat_gw.jabber.settings import ConnectorConfig

COMPONENT = "ichat-gw.jabber.localhost"
CONTROL = f"control@{COMPONENT}"
DIAL = f"5551234@{COMPONENT}"
BOB = f"1555123456@{COMPONENT}"
ALICE = "alice@jabber.localhost"
MAC = f"{ALICE}/iChat896b"
BOOK = f"{ALICE}/iChat5df3"

BLOB = "00000000657468300000000000000000000000007f0000010000000000000000000000003ade0000"
HER_BLOB = "00000000656e30000000000000000000000000007f0000010000000000000000000000003af20000"

WALL_CLOCK = datetime(2026, 11, 23, 11, 30, 5, tzinfo=timezone(-timedelta(hours=3, minutes=30)))

EXT = "ice recauth rdserver maudio audio rdclient mvideo auxvideo rdmuxing avcap avavail video"

CONFIG = ConnectorConfig(
    component=COMPONENT,
    control_user="control",
    addresses=[("127.0.0.1", 15070)],
    ping_seconds=0,
    version="1.2.3",
)

Outcome: TypeAlias = str | Message | ConnectorCommand


def element(xml: str) -> ElementTree.Element:
    """A stanza as the server's stream delivers it."""
    wrapped = f"<stream xmlns='jabber:component:accept'>{xml}</stream>"
    return ElementTree.fromstring(wrapped)[0]


def canonical(xml: str) -> str:
    """For comparing stanzas where prefixes, quotes and the order of attributes do not matter."""
    return ElementTree.canonicalize(f"<stream xmlns='jabber:component:accept'>{xml}</stream>")


def is_online(full: str, ext: str | None = EXT, show: str = "", priority: int = 0, to: str = CONTROL) -> str:
    """Presence of an iChat."""
    capabilities = "" if ext is None else f" ext='{ext}'"
    return (
        f"<presence xml:lang='en' to='{to}' from='{full}'>"
        + (f"<show>{show}</show>" if show else "")
        + f"<priority>{priority}</priority><c node='http://www.apple.com/ichat/caps' ver='800' "
        f"xmlns='http://jabber.org/protocol/caps'{capabilities}/></presence>"
    )


def is_offline(who: str, to: str = CONTROL) -> str:
    return f"<presence from='{who}' to='{to}' type='unavailable'/>"


def vc(kind: str, sender: str, to: str, children: str = "", id_: str = "iChat_1") -> str:
    """One of iChat's IQ."""
    return (
        f"<iq from='{sender}' to='{to}' id='{id_}' xml:lang='en' type='set'><query "
        f"xmlns='apple:iq:vc:{kind}'>{children}<VCProtocolVersion>1</VCProtocolVersion></query></iq>"
    )


def calls(caller: str = MAC, to: str = DIAL, blob: str = HER_BLOB, id_: str = "iChat_1") -> str:
    return vc(
        "request",
        caller,
        to,
        f"<VCNewCallerIPPortData>{blob}</VCNewCallerIPPortData><isAudioOnly>1</isAudioOnly>"
        "<extSIPPort>15090</extSIPPort><extIPAddr>127.0.0.1</extIPAddr>",
        id_,
    )


def accepts(device: str = MAC, to: str = BOB, blob: str = HER_BLOB) -> str:
    return vc("response", device, to, f"<response>0</response><connectData>{blob}</connectData>")


def declines(device: str = MAC, to: str = BOB) -> str:
    return vc("response", device, to, "<response>1</response><connectData/>")


def result(to: str = MAC, from_: str = BOB, id_: str = "iChat_1") -> str:
    """The connector's answer to each of the above."""
    return f"<iq to='{to}' from='{from_}' id='{id_}' type='result'></iq>"


def presence_of_control(to: str) -> str:
    return f"<presence to='{to}' from='{CONTROL}'><priority>0</priority></presence>"


def rings(number: int, device: str, caller: str = BOB) -> str:
    """Our vc:request, letter for letter as the original's."""
    return (
        f"<iq type='set' id='t{number:08x}' to='{device}' from='{caller}'>"
        f"<query xmlns='apple:iq:vc:request'><VCNewCallerIPPortData>{BLOB}</VCNewCallerIPPortData>"
        "<isAudioOnly>1</isAudioOnly><extSIPPort>0</extSIPPort><extIPAddr>127.0.0.1</extIPAddr>"
        "<VCProtocolVersion>1</VCProtocolVersion></query></iq>"
    )


def cancels(number: int, device: str, caller: str = BOB) -> str:
    return (
        f"<iq type='set' id='t{number:08x}' to='{device}' from='{caller}'>"
        "<query xmlns='apple:iq:vc:cancel'><VCProtocolVersion>1</VCProtocolVersion></query></iq>"
    )


def takes(number: int, caller: str = MAC, contact: str = DIAL) -> str:
    return (
        f"<iq type='set' id='t{number:08x}' to='{caller}' from='{contact}'>"
        f"<query xmlns='apple:iq:vc:response'><response>0</response><connectData>{BLOB}</connectData>"
        "<VCProtocolVersion>1</VCProtocolVersion></query></iq>"
    )


def refuses(number: int, caller: str = MAC, contact: str = DIAL) -> str:
    return (
        f"<iq type='set' id='t{number:08x}' to='{caller}' from='{contact}'>"
        "<query xmlns='apple:iq:vc:response'><response>1</response><connectData/>"
        "<VCProtocolVersion>1</VCProtocolVersion></query></iq>"
    )


class Scene:
    """One connector, and what it said last."""

    def __init__(
        self,
        config: ConnectorConfig = CONFIG,
        subscriptions: Iterable[tuple[str, str]] = (),
        *,
        connected: bool = True,
        online: Sequence[str] = (),
    ) -> None:
        self.now = 1000.0
        self.connector = Connector(config, "t", subscriptions, wall_clock=lambda: WALL_CLOCK, now=self.now)
        if connected:
            self.happens(StreamUp())
        for full in online:
            self.happens(StanzaReceived(element(is_online(full))))

    def happens(self, event: ConnectorEvent) -> list[ConnectorCommand]:
        return self.connector.receive(event, self.now)

    def hears(self, xml: str, then: Sequence[Outcome] | None = None) -> list[ConnectorCommand]:
        """The server delivers a stanza."""
        return self._check(self.happens(StanzaReceived(element(xml))), then)

    def is_told(self, message: Message, then: Sequence[Outcome] | None = None) -> list[ConnectorCommand]:
        """The gateway says something."""
        return self._check(self.happens(message), then)

    def connects(self, then: Sequence[Outcome] | None = None) -> list[ConnectorCommand]:
        return self._check(self.happens(StreamUp()), then)

    def disconnects(
        self, text: str = "gone", then: Sequence[Outcome] | None = None
    ) -> list[ConnectorCommand]:
        return self._check(self.happens(StreamDown(text)), then)

    def waits(self, seconds: float, then: Sequence[Outcome] | None = None) -> list[ConnectorCommand]:
        """Time passes; the connector is woken whenever it wants to be."""
        until = self.now + seconds
        commands: list[ConnectorCommand] = []
        for _ in range(100_000):
            deadline = self.connector.deadline()
            if deadline is None or deadline > until:
                break
            self.now = max(self.now, deadline)
            commands += self.connector.expire(self.now)
        else:
            raise AssertionError("the connector wants to be woken without end")
        self.now = until
        return self._check(commands, then)

    def _check(
        self, commands: list[ConnectorCommand], then: Sequence[Outcome] | None
    ) -> list[ConnectorCommand]:
        if then is not None:
            assert [_plain(command) for command in commands] == list(then)
        return commands


def _plain(command: ConnectorCommand) -> Outcome:
    match command:
        case SendStanza(xml):
            return xml
        case Tell(message):
            return message
        case _:
            return command


UP = JabberConnection(True, known_in=30)
DOWN = JabberConnection(False, "gone")
REGISTER = SipRegisterJabberUser(ALICE)
