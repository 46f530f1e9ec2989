"""Waiting without epoll, and a whole worker on a system that lacks what only Linux and Unix have."""

import os
import select
import selectors
import socket
import sys
from collections.abc import Iterator

import pytest

from ichat_gw.media.net import poll as module
from ichat_gw.media.net.poll import IN, OUT, Pipe, Poll, SelectorPoll, do_not_block, new_poll
from ichat_gw.media.net.relay import RelayProcess
from tests.media.net.loopback import Party, rtp
from tests.media.net.test_relay import Gateway, running, take


class SelectPoll(SelectorPoll):
    """The one of Windows."""

    def __init__(self) -> None:
        self._selector = selectors.SelectSelector()  # type: ignore[assignment]


@pytest.fixture(params=[select.epoll, SelectorPoll, SelectPoll])
def poll(request: pytest.FixtureRequest) -> Iterator[Poll]:
    made: Poll = request.param()
    yield made
    made.close()


def test_linux_has_epoll(monkeypatch: pytest.MonkeyPatch) -> None:
    here = new_poll()
    assert isinstance(here, select.epoll)
    here.close()
    monkeypatch.delattr(select, "epoll")
    elsewhere = new_poll()
    assert isinstance(elsewhere, SelectorPoll)
    assert elsewhere.fileno() == -1
    elsewhere.close()


def test_what_is_ready_is_told(poll: Poll) -> None:
    one, other = socket.socketpair()
    with one, other:
        poll.register(one.fileno(), IN)
        assert poll.poll(0) == []
        other.send(b"x")
        assert [fd for fd, _ in poll.poll(5)] == [one.fileno()]
        assert [fd for fd, _ in poll.poll(None)] == [one.fileno()]  # level-triggered
        poll.register(other.fileno(), OUT)
        assert {fd for fd, _ in poll.poll(5)} == {one.fileno(), other.fileno()}
        poll.unregister(one.fileno())
        assert [fd for fd, _ in poll.poll(5)] == [other.fileno()]


def test_a_closed_descriptor_is_forgotten_and_its_number_can_come_again(poll: Poll) -> None:
    one, other = socket.socketpair()
    stays, wakes = socket.socketpair()
    with stays, wakes:
        poll.register(number := one.fileno(), IN)
        poll.register(stays.fileno(), IN)
        one.close()
        other.close()
        wakes.send(b"x")
        heard = [fd for _ in range(2) for fd, _ in poll.poll(5)]
        assert set(heard) == {stays.fileno()}
        again, partner = socket.socketpair()
        with again, partner:
            assert again.fileno() == number
            poll.register(number, IN)
            partner.send(b"x")
            assert number in {fd for fd, _ in poll.poll(5)}


@pytest.mark.parametrize("pipes_block", [False, True])
def test_a_pipe_is_read_to_its_end(monkeypatch: pytest.MonkeyPatch, pipes_block: bool) -> None:
    monkeypatch.setattr(module, "PIPES_BLOCK", pipes_block)
    ours, theirs = os.pipe()
    do_not_block(theirs)
    pipe = Pipe(ours)
    ready = SelectorPoll()
    ready.register(pipe.fileno(), IN)
    with pytest.raises(BlockingIOError):
        pipe.read()
    os.write(theirs, b"orders")
    assert ready.poll(5)
    assert pipe.read() == b"orders"
    os.close(theirs)
    assert ready.poll(5)
    assert pipe.read() == b""
    ready.close()
    pipe.close()
    os.close(ours)


ELSEWHERE = """
import os, select, selectors, sys
del select.epoll, select.poll, os.set_blocking
sys.modules["resource"] = None
real = selectors.SelectSelector
class SocketsOnly(real):
    def register(self, fileobj, events, data=None):
        os.fstat(fileobj).st_mode & 0o140000 == 0o140000 or sys.exit("that is no socket")
        return super().register(fileobj, events, data)
selectors.DefaultSelector = SocketsOnly
from ichat_gw.media.net import poll
poll.PIPES_BLOCK = True
from ichat_gw.media.net.worker import main
sys.exit(main())
"""
"""A worker on a system without epoll, resource limits, or pipes that can be waited for."""


async def test_a_worker_relays_where_there_is_only_select() -> None:
    gateway = Gateway()
    gateway.relay = RelayProcess(gateway.hear, (sys.executable, "-P", "-c", ELSEWHERE))
    alice, bob = Party(), Party()
    async with running(gateway.relay):
        started = await gateway.started.get()
        assert started.loop == "python"
        for name in ("one", "two"):  # the second has the numbers of descriptors that were closed
            to_alice, to_bob = await gateway.call(name, alice, bob)
            for number in range(5):
                alice.send(rtp(number), to_alice)
                assert await take(bob) == (rtp(number), to_bob)
                bob.send(rtp(number), to_bob)
                assert await take(alice) == (rtp(number), to_alice)
            over = await gateway.release(name)
            assert over.counters is not None
            assert over.counters.caller.received == 5
    alice.close()
    bob.close()
