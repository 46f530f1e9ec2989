"""The stream against a scripted server, and against real ones."""

import asyncio
import hashlib
import logging
import re
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from xml.etree.ElementTree import Element

import pytest

from ichat_gw.jabber import stanza_parser
from ichat_gw.jabber.net import component
from ichat_gw.jabber.net.component import ComponentStream
from peers.ejabberd import PrivateEjabberd
from peers.ports import free_port
from peers.prosody import PrivateProsody
from peers.xmpp_server import XmppServer

NAME = "ichat-gw.jabber.localhost"
SECRET = "the secret & more"
HEADER = (
    "<?xml version='1.0'?><stream:stream from='ichat-gw.jabber.localhost' id='s1' "
    "xmlns='jabber:component:accept' xmlns:stream='http://etherx.jabber.org/streams'>"
)
SOON = 10.0


class Watched:
    """A stream whose owner notes everything."""

    def __init__(self, port: int, host: str = "127.0.0.1", secret: str = SECRET) -> None:
        self.heard: asyncio.Queue[Element] = asyncio.Queue()
        self.downs: asyncio.Queue[str] = asyncio.Queue()
        self.ups: asyncio.Queue[None] = asyncio.Queue()
        self.stream = ComponentStream(
            host,
            port,
            NAME,
            secret,
            on_up=lambda: self.ups.put_nowait(None),
            on_down=self.downs.put_nowait,
            on_stanza=self.take,
            first_pause=0.01,
        )

    def take(self, element: Element) -> None:
        self.heard.put_nowait(element)
        if element.get("id") == "bug":
            raise ZeroDivisionError

    async def up(self) -> None:
        await asyncio.wait_for(self.ups.get(), SOON)

    async def down(self) -> str:
        return await asyncio.wait_for(self.downs.get(), SOON)

    async def stanza(self) -> Element:
        return await asyncio.wait_for(self.heard.get(), SOON)


@asynccontextmanager
async def running(watched: Watched) -> AsyncIterator[Watched]:
    async with asyncio.timeout(60), asyncio.TaskGroup() as group:
        group.create_task(watched.stream.run())
        try:
            yield watched
        finally:
            await watched.stream.close()


class Line:
    """The server's end of one connection."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer

    def say(self, text: str) -> None:
        self.writer.write(text.encode())

    async def until(self, ending: str) -> str:
        return (await self.reader.readuntil(ending.encode())).decode()

    async def accept(self) -> None:
        """The whole handshake, from the server's side."""
        header = await self.until(">")
        assert "jabber:component:accept" in header
        assert NAME in header
        self.say(HEADER)
        proof = hashlib.sha1(f"s1{SECRET}".encode()).hexdigest()
        assert await self.until("</handshake>") == f"<handshake>{proof}</handshake>"
        self.say("<handshake/>")


@asynccontextmanager
async def server(*scripts: Callable[[Line], Awaitable[None]]) -> AsyncIterator[int]:
    """Each connection plays the next script and is closed; the last script is played again and again."""
    left = list(scripts)

    writers: list[asyncio.StreamWriter] = []

    async def play(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        script = left.pop(0) if len(left) > 1 else left[0]
        with suppress(ConnectionError, asyncio.IncompleteReadError):
            await script(Line(reader, writer))
        writer.close()

    async with asyncio.TaskGroup() as group:
        plays: list[asyncio.Task[None]] = []

        def begin(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            writers.append(writer)
            plays.append(group.create_task(play(reader, writer)))

        async with await asyncio.start_server(begin, "127.0.0.1", 0) as listener:
            yield listener.sockets[0].getsockname()[1]
        await asyncio.sleep(0.01)
        for task in plays:
            task.cancel()
    for writer in writers:
        writer.transport.abort()
    await asyncio.sleep(0)


async def accept_and_stay(line: Line) -> None:
    await line.accept()
    await line.until("</stream:stream>")
    line.say("</stream:stream>")


# --- ordinary life --------------------------------------------------------------------------------------


async def test_up_stanzas_both_ways_and_an_orderly_end() -> None:
    said: list[str] = []

    async def script(line: Line) -> None:
        await line.accept()
        line.say("<presence from='a@b/c' to='d@e'><show>aw")
        await asyncio.sleep(0.01)
        line.say("ay</show></presence><iq xmlns='jabber:client' id='bug'/><message/>")
        said.append(await line.until("</stream:stream>"))
        line.say("</stream:stream>")

    async with server(script) as port:
        watched = Watched(port)
        assert not watched.stream.send("<too-early/>")
        async with running(watched):
            await watched.up()
            assert watched.stream.up
            presence = await watched.stanza()
            assert presence.tag == "{jabber:component:accept}presence"
            assert presence.findtext("{jabber:component:accept}show") == "away"
            assert (await watched.stanza()).get("id") == "bug"
            assert (await watched.stanza()).tag.endswith("}message")
            assert watched.stream.send("<presence to='ü'/>")
    assert said == ["<presence to='ü'/></stream:stream>"]
    assert watched.downs.empty()
    assert not watched.stream.up
    assert not watched.stream.send("<too-late/>")
    await watched.stream.close()


async def test_a_bug_of_ours_costs_no_stream(caplog: pytest.LogCaptureFixture) -> None:
    async def script(line: Line) -> None:
        await line.accept()
        line.say("<iq id='bug'/><iq id='next'/>")
        await line.until("</stream:stream>")

    async with server(script) as port, running(Watched(port)) as watched:
        await watched.stanza()
        assert (await watched.stanza()).get("id") == "next"
    assert "cannot process a stanza" in caplog.text


async def test_nothing_but_ours_goes_out() -> None:
    """No white space, no presence, no answers of slixmpp's own."""
    said: list[str] = []

    async def script(line: Line) -> None:
        await line.accept()
        line.say("<presence from='a@b' to='d@e' type='subscribe'/><presence from='a@b' type='probe'/>")
        line.say("<iq from='a@b/c' to='d@e' type='get' id='1'><query xmlns='unknown'/></iq>")
        said.append(await line.until("</stream:stream>"))

    async with server(script) as port, running(Watched(port)) as watched:
        for _ in range(3):
            await watched.stanza()
        await asyncio.sleep(0.05)
    assert said == ["</stream:stream>"]


# --- it comes back --------------------------------------------------------------------------------------


async def test_it_connects_again() -> None:
    async def hang_up(line: Line) -> None:
        await line.accept()

    async def close(line: Line) -> None:
        await line.accept()
        line.say("</stream:stream>")

    async def reset(line: Line) -> None:
        await line.accept()
        line.writer.get_extra_info("socket").setsockopt(
            socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\0\0\0\0\0\0\0"
        )

    async def rubbish(line: Line) -> None:
        await line.accept()
        line.say("<presence></iq>")
        await line.reader.read()

    async with (
        server(hang_up, close, reset, rubbish, accept_and_stay) as port,
        running(Watched(port)) as watched,
    ):
        reasons = []
        for _ in range(4):
            await watched.up()
            reasons.append(await watched.down())
        await watched.up()
    assert reasons[:2] == ["the XMPP server closed the connection"] * 2
    assert re.fullmatch("the connection was lost .*|the XMPP server closed the connection", reasons[2])
    assert reasons[3] == "the XMPP server sent something that is not XML"


@pytest.mark.parametrize(
    ("sent", "condition", "why"),
    [
        ("<!-- x -->", "restricted-xml", "the XMPP server sent a comment, which XMPP forbids"),
        ("<?x y?><iq id='late'/>", "restricted-xml", "a processing instruction, which XMPP forbids"),
        ("<iq>&lol;</iq>", "restricted-xml", "the XMPP server sent an entity"),
        ("<iq></presence>", "not-well-formed", "the XMPP server sent something that is not XML"),
        ("<iq>" + "x" * 70_000, "policy-violation", "limit the size of stanzas in its configuration"),
    ],
)
async def test_what_may_not_be_sent(
    sent: str, condition: str, why: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stanza_parser, "HARD_MAX_OCTETS", 60_000)
    said: list[str] = []

    async def script(line: Line) -> None:
        await line.accept()
        line.say(f"<iq id='before'/>{sent}")
        said.append(await line.until("</stream:stream>"))

    async with server(script, accept_and_stay) as port, running(Watched(port)) as watched:
        await watched.up()
        assert (await watched.stanza()).get("id") == "before"
        assert why in await watched.down()
        await watched.up()
        assert watched.heard.empty()
    named = "xmlns='urn:ietf:params:xml:ns:xmpp-streams'"
    assert said == [f"<stream:error><{condition} {named}/></stream:error></stream:stream>"]


async def test_a_dtd_before_the_stream() -> None:
    async def script(line: Line) -> None:
        await line.until(">")
        line.say("<?xml version='1.0'?><!DOCTYPE s [<!ENTITY a 'ha'>]>" + HEADER.partition("?>")[2])
        await line.reader.read()

    async with server(script) as port, running(Watched(port)) as watched:
        assert await watched.down() == "the XMPP server sent a DTD, which XMPP forbids"


async def test_what_is_refused_to_one_who_does_not_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(component, "CLOSE_SECONDS", 0.05)

    async def script(line: Line) -> None:
        await line.accept()
        await line.until("<iq/>")
        line.writer.transport.pause_reading()  # type: ignore[attr-defined]
        line.say("<!-- -->")
        await asyncio.sleep(SOON)

    async with server(script, accept_and_stay) as port, running(Watched(port)) as watched:
        await watched.up()
        watched.stream.send("<iq/>" + " " * 8_000_000)
        assert "a comment" in await watched.down()
        await watched.up()


async def test_a_stanza_beyond_the_limits_costs_no_stream() -> None:
    async def script(line: Line) -> None:
        await line.accept()
        line.say(f"<iq id='deep'>{'<q>' * 1000}{'</q>' * 1000}</iq><iq id='long'>{'x' * 300_000}</iq><iq/>")
        await line.until("</stream:stream>")

    async with server(script) as port, running(Watched(port)) as watched:
        for _ in range(2):
            assert len(await watched.stanza()) == 0
        await watched.stanza()
        assert watched.downs.empty()


async def test_told_to_reconnect() -> None:
    async with server(accept_and_stay) as port, running(Watched(port)) as watched:
        watched.stream.reconnect("too early, there is nothing to break")
        await watched.up()
        watched.stream.reconnect("no answer to a ping")
        assert await watched.down() == "no answer to a ping"
        await watched.up()


async def test_a_server_that_does_not_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(component, "MAX_UNSENT", 100_000)

    async def script(line: Line) -> None:
        await line.accept()
        await asyncio.sleep(SOON)

    async with server(script, accept_and_stay) as port, running(Watched(port)) as watched:
        await watched.up()
        while watched.stream.up and watched.downs.empty():
            watched.stream.send("x" * 100_000)
            await asyncio.sleep(0)
        assert await watched.down() == "the XMPP server does not read what we send"
        await watched.up()


async def test_pauses_grow(monkeypatch: pytest.MonkeyPatch) -> None:
    pauses: list[float] = []
    real = asyncio.sleep

    async def sleep(seconds: float) -> None:
        pauses.append(seconds)
        await real(0)

    monkeypatch.setattr(component, "LONGEST_PAUSE", 0.05)
    monkeypatch.setattr("random.uniform", lambda low, high: high)
    async with running(Watched(free_port())) as watched:
        monkeypatch.setattr("asyncio.sleep", sleep)
        for _ in range(5):
            await watched.down()
        monkeypatch.undo()
    assert pauses[:5] == [0.01, 0.02, 0.04, 0.05, 0.05]


async def test_a_steady_stream_makes_the_next_pause_short(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(component, "STEADY_SECONDS", -1.0)

    async def hang_up(line: Line) -> None:
        await line.accept()

    async with server(hang_up) as port, running(Watched(port)) as watched:
        for _ in range(12):
            await watched.down()


async def test_the_pause_after_a_stream_that_the_server_had_accepted_is_not_long(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """It is being started again, or is unwell; who ends the stream with an error had better be left alone."""
    pauses: list[float] = []
    real = asyncio.sleep

    async def sleep(seconds: float) -> None:
        pauses.append(seconds)
        await real(0)

    async def hang_up(line: Line) -> None:
        await line.accept()

    async def complain(line: Line) -> None:
        await line.accept()
        error = "<conflict xmlns='urn:ietf:params:xml:ns:xmpp-streams'/>"
        line.say(f"<stream:error>{error}</stream:error></stream:stream>")

    monkeypatch.setattr(component, "LONGEST_AFTER_SUCCESS", 0.02)
    monkeypatch.setattr("random.uniform", lambda low, high: high)
    async with (
        server(hang_up, hang_up, hang_up, hang_up, complain) as port,
        running(Watched(port)) as watched,
    ):
        monkeypatch.setattr("asyncio.sleep", sleep)
        for _ in range(6):
            await watched.down()
        monkeypatch.undo()
    steps = [pause for pause in pauses if pause]
    assert steps[:6] == [0.01, 0.02, 0.02, 0.02, 0.04, 0.08]


# --- what goes wrong, in plain words --------------------------------------------------------------------


def stream_error(condition: str, text: str = "", rest: str = "") -> Callable[[Line], Awaitable[None]]:
    named = "xmlns='urn:ietf:params:xml:ns:xmpp-streams'"
    words = f"<text {named}>{text}</text>" if text else ""

    async def script(line: Line) -> None:
        await line.until(">")
        line.say(f"{HEADER}<stream:error><{condition} {named}/>{words}</stream:error></stream:stream>{rest}")

    return script


@pytest.mark.parametrize(
    ("condition", "start"),
    [
        ("not-authorized", "JabberComponentPassword: the XMPP server refused the password of ichat-gw."),
        ("host-unknown", "JabberComponentName: the XMPP server does not know ichat-gw."),
        ("conflict", "JabberComponentName: another program is connected as ichat-gw."),
        ("invalid-namespace", "JabberComponentPort: the XMPP server does not expect a component there (why)"),
        ("system-shutdown", "the XMPP server ended the stream: why"),
    ],
)
async def test_stream_errors(condition: str, start: str) -> None:
    async with server(stream_error(condition, "why")) as port, running(Watched(port)) as watched:
        assert (await watched.down()).startswith(start)
        assert watched.ups.empty()


async def test_a_stream_error_without_words() -> None:
    async with server(stream_error("reset")) as port, running(Watched(port)) as watched:
        assert await watched.down() == "the XMPP server ended the stream: reset"


async def test_a_stream_error_and_nonsense_behind_it() -> None:
    async with server(stream_error("reset", rest="<!-- -->")) as port, running(Watched(port)) as watched:
        assert await watched.down() == "the XMPP server ended the stream: reset"


async def test_not_xmpp() -> None:
    async def web(line: Line) -> None:
        line.say("<html>")
        await line.reader.read()

    async with server(web) as port, running(Watched(port)) as watched:
        assert await watched.down() == "JabberComponentPort: who listens there does not speak XMPP"


async def test_stanzas_before_the_handshake_are_ignored() -> None:
    async def script(line: Line) -> None:
        await line.until(">")
        line.say(HEADER + "<presence/><handshake/>")
        await line.until("</stream:stream>")

    async with server(script) as port, running(Watched(port)) as watched:
        await watched.up()
        assert watched.heard.empty()


async def test_silence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(component, "HANDSHAKE_SECONDS", 0.05)

    async def silent(line: Line) -> None:
        await line.reader.read()

    async with server(silent) as port, running(Watched(port)) as watched:
        assert (await watched.down()).startswith("JabberComponentPort: who listens there did not answer")


async def test_nobody_listens() -> None:
    for host in ("127.0.0.1", "localhost"):
        async with running(Watched(free_port(), host)) as watched:
            assert "nobody listens at" in await watched.down()


async def test_no_such_name(monkeypatch: pytest.MonkeyPatch) -> None:
    async def fail(*_: object, **__: object) -> None:
        raise socket.gaierror(-2, "Name or service not known")

    monkeypatch.setattr(asyncio.get_running_loop(), "create_connection", fail)
    async with running(Watched(1, "no-such.invalid")) as watched:
        assert (await watched.down()).startswith("JabberServer: the name no-such.invalid cannot be resolved")


async def test_no_answer_and_no_route(monkeypatch: pytest.MonkeyPatch) -> None:
    errors = [TimeoutError(), OSError(113, "No route to host")]

    async def fail(*_: object, **__: object) -> None:
        raise errors[0] if len(errors) == 1 else errors.pop(0)

    monkeypatch.setattr(asyncio.get_running_loop(), "create_connection", fail)
    async with running(Watched(1)) as watched:
        assert "does not answer; look for a firewall" in await watched.down()
        assert "cannot be reached ([Errno 113] No route to host)" in await watched.down()


async def test_close_does_not_wait_for_an_attempt(monkeypatch: pytest.MonkeyPatch) -> None:
    async def never(*_: object, **__: object) -> None:
        await asyncio.Event().wait()

    monkeypatch.setattr(asyncio.get_running_loop(), "create_connection", never)
    async with asyncio.timeout(SOON), running(Watched(1)):
        await asyncio.sleep(0.01)


async def test_close_does_not_wait_for_a_deaf_server(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(component, "CLOSE_SECONDS", 0.05)

    async def deaf(line: Line) -> None:
        await line.accept()
        await line.reader.read()

    async with server(deaf) as port, running(Watched(port)) as watched:
        await watched.up()
    assert watched.downs.empty()


# --- the real thing -------------------------------------------------------------------------------------


SERVERS = pytest.mark.parametrize("kind", [PrivateProsody, PrivateEjabberd], ids=["prosody", "ejabberd"])


@pytest.mark.e2e
@SERVERS
async def test_a_real_server(kind: type[XmppServer], tmp_path: Path) -> None:
    async with kind(tmp_path) as server:
        watched = Watched(server.component_port, secret=server.component_secret)
        async with running(watched):
            await watched.up()
            watched.stream.send(
                f"<iq type='get' id='p1' to='{server.domain}' from='{NAME}'>"
                "<ping xmlns='urn:xmpp:ping'/></iq>"
            )
            pong = await watched.stanza()
            assert (pong.get("type"), pong.get("id")) == ("result", "p1")
            await server.restart_async()
            assert await watched.down()
            await watched.up()


@pytest.mark.e2e
@SERVERS
async def test_a_real_server_refuses(
    kind: type[XmppServer], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.ERROR)
    async with kind(tmp_path) as server:
        async with running(Watched(server.component_port, secret="wrong")) as watched:
            assert (await watched.down()).startswith("JabberComponentPassword: ")
        async with running(Watched(server.client_port, secret=server.component_secret)) as watched:
            # Prosody looks at the name, ejabberd at the namespace.
            assert re.search(
                "if JabberComponentPort is the port for clients|does not expect a component there",
                await watched.down(),
            )
        watched = Watched(server.component_port, secret=server.component_secret)
        watched.stream._name = "other.jabber.localhost"
        async with running(watched):
            assert "JabberComponentName" in await watched.down()
