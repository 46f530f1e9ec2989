"""A socket that can be read is told of, whether the loop can watch it or not."""

import asyncio
import socket
import threading

import pytest

from ichat_gw.sip.net import watching
from ichat_gw.sip.net.transports import TransportConfig, Transports
from ichat_gw.sip.net.watching import add_reader, remove_reader
from peers.ports import free_port


class LoopOfWindows(asyncio.SelectorEventLoop):
    """A loop that watches no sockets for others, as the proactor."""

    def add_reader(self, *args: object) -> None:
        raise NotImplementedError

    def remove_reader(self, fd: object) -> bool:
        raise NotImplementedError


LOOPS = pytest.mark.parametrize("make", [asyncio.SelectorEventLoop, LoopOfWindows])


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watching, "LOOK", 0.05)


@LOOPS
def test_each_datagram_is_told_of_until_nobody_wants_to_know(make: type[asyncio.SelectorEventLoop]) -> None:
    async def play(ours: socket.socket, theirs: socket.socket) -> None:
        loop = asyncio.get_running_loop()
        heard: asyncio.Queue[bytes] = asyncio.Queue()
        add_reader(loop, ours, lambda: heard.put_nowait(ours.recv(10)))
        for word in (b"one", b"two", b"three"):
            theirs.send(word)
        async with asyncio.timeout(30):
            assert [await heard.get() for _ in range(3)] == [b"one", b"two", b"three"]
        remove_reader(loop, ours)
        remove_reader(loop, ours)
        theirs.send(b"four")
        await asyncio.sleep(0.1)
        assert heard.empty()

    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
    with ours, theirs, asyncio.Runner(loop_factory=make) as runner:
        ours.setblocking(False)
        runner.run(play(ours, theirs))


def test_no_thread_stays_behind_a_closed_socket_or_loop() -> None:
    async def watch(sock: socket.socket) -> None:
        add_reader(asyncio.get_running_loop(), sock, lambda: None)

    before = set(threading.enumerate())
    closed, other = socket.socketpair()
    orphaned, partner = socket.socketpair()
    with asyncio.Runner(loop_factory=LoopOfWindows) as runner:
        runner.run(watch(closed))
        runner.run(watch(orphaned))
        closed.close()
    partner.send(b"to a loop that is closed")
    for thread in set(threading.enumerate()) - before:
        thread.join(5)
        assert not thread.is_alive()
    for sock in (other, orphaned, partner):
        sock.close()


@LOOPS
def test_sip_is_heard_over_udp_and_tcp(make: type[asyncio.SelectorEventLoop]) -> None:
    async def play() -> None:
        port = free_port()
        heard: asyncio.Queue[object] = asyncio.Queue()
        config = TransportConfig(address="127.0.0.1", port=port, tls_port=free_port())
        transports = await Transports.open(config, heard.put_nowait, lambda *_: None)
        try:
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as phone:
                phone.sendto(b"OPTIONS sip:x SIP/2.0\r\n\r\n", ("127.0.0.1", port))
                async with asyncio.timeout(30):
                    await heard.get()
            with socket.create_connection(("127.0.0.1", port)) as phone:
                phone.sendall(b"OPTIONS sip:y SIP/2.0\r\nContent-Length: 0\r\n\r\n")
                async with asyncio.timeout(30):
                    await heard.get()
        finally:
            await transports.close()

    with asyncio.Runner(loop_factory=make) as runner:
        runner.run(play())
