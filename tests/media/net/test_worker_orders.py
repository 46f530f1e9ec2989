"""The relay worker: its orders, its pipes, and the process."""

import errno
import os
import signal
import socket
import subprocess
import sys

import psutil
import pytest

from ichat_gw.media.net import worker as module
from ichat_gw.media.relay_messages import (
    MAX_FRAME,
    Adjust,
    Alive,
    Ask,
    BindFault,
    Close,
    Closed,
    FrameCutter,
    InvalidFrame,
    Open,
    Opened,
    OpenFailed,
    PartyCounters,
    Query,
    Report,
    Started,
    frame,
    read_reply,
)
from peers.ports import free_ports
from tests.media.net.loopback import CALLER, PATIENCE, Call, LoopbackWorker, Party, rtp

# --- orders -----------------------------------------------------------------------------------------------


def test_ports_are_free_again_after_the_call(worker: LoopbackWorker, call: Call) -> None:
    call.describe()
    call.alice.send(rtp(), call.to_alice)
    call.bob.take()
    worker.order(Close(1))
    closed = worker.reply()
    assert isinstance(closed, Closed)
    assert (closed.caller.received, closed.callee.sent) == (1, 1)
    worker.order(Query(1, 9))
    assert worker.reply() == Report(1, 9, PartyCounters(), PartyCounters())
    for port in (call.to_alice, call.to_alice + 1, call.to_bob, call.to_bob + 1):
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
            sock.bind(("127.0.0.1", port))


def test_orders_for_unknown_sessions(worker: LoopbackWorker) -> None:
    party = Party()
    worker.point(CALLER, party, session=7)
    worker.order(Adjust(7, CALLER, receives=False), Close(7))
    assert worker.reply() == Closed(7, PartyCounters(), PartyCounters())
    party.close()


def test_whether_it_lives(worker: LoopbackWorker) -> None:
    worker.order(Ask(), Query(9, 1), Ask())
    assert [type(worker.reply()) for _ in range(3)] == [Alive, Report, Alive]


def test_a_side_can_be_opened_again(worker: LoopbackWorker, call: Call) -> None:
    worker.order(Open(1, CALLER, "127.0.0.1", call.to_alice))
    assert worker.reply() == Opened(1, CALLER)
    call.describe()
    call.bob.send(rtp(), call.to_bob)
    assert call.alice.take() == (rtp(), call.to_alice)


@pytest.mark.parametrize("which", [0, 1])
def test_a_port_in_use(worker: LoopbackWorker, which: int) -> None:
    """Neither port of the pair stays open when one cannot be."""
    port = free_ports(2)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.bind(("127.0.0.1", port + which))
        worker.order(Open(1, CALLER, "127.0.0.1", port))
        assert worker.reply() == OpenFailed(1, CALLER, BindFault.PORT, "Address already in use")
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as other:
            other.bind(("127.0.0.1", port + 1 - which))


@pytest.mark.parametrize("host", ["192.0.2.77", "phone.example.org", "2001:db8::77", "::x"])
def test_an_address_that_is_not_ours(worker: LoopbackWorker, host: str) -> None:
    worker.order(Open(1, CALLER, host, 20_000))
    failed = worker.reply()
    assert isinstance(failed, OpenFailed)
    assert failed.fault is BindFault.ADDRESS
    assert failed.text


def test_no_descriptor_left(worker: LoopbackWorker, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(address: str, port: int) -> socket.socket:
        raise OSError(errno.EMFILE, "Too many open files")

    monkeypatch.setattr(module, "_bind", refuse)
    worker.order(Open(1, CALLER, "127.0.0.1", 20_000))
    assert worker.reply() == OpenFailed(1, CALLER, BindFault.RESOURCES, "Too many open files")


# --- the pipes --------------------------------------------------------------------------------------------


def test_replies_wait_while_nobody_reads() -> None:
    """More replies than a pipe holds; media goes on meanwhile."""
    with LoopbackWorker() as worker:
        call = Call(worker)
        call.describe()
        for number in range(2_000):
            worker.order(Query(1, 10_000 + number))
        call.alice.send(rtp(1), call.to_alice)
        assert call.bob.take() == (rtp(1), call.to_bob)
        for number in range(2_000):
            report = worker.reply()
            assert isinstance(report, Report)
            assert report.query == 10_000 + number
        worker.counters()
        call.close()


def test_nobody_reads_any_more() -> None:
    with LoopbackWorker() as worker:
        worker.end_replies()
        worker.order(Query(1, 1))
        worker.thread.join(PATIENCE)
        assert not worker.thread.is_alive()


def test_what_is_no_order_ends_the_worker() -> None:
    worker = LoopbackWorker()
    with worker:
        os.write(worker.to_worker, (MAX_FRAME + 1).to_bytes(4, "big"))
        worker.thread.join(PATIENCE)
        error, worker.error = worker.error, None
    assert isinstance(error, InvalidFrame)


def test_a_wake_up_without_orders(worker: LoopbackWorker) -> None:
    worker.worker._read_orders()


# --- the process ------------------------------------------------------------------------------------------

COMMAND = [sys.executable, "-m", "ichat_gw.media.net.worker"]


def test_process_ignores_sigint_and_ends_with_its_input() -> None:
    with subprocess.Popen(COMMAND, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        (started,) = map(read_reply, FrameCutter().feed(os.read(process.stdout.fileno(), 65_536)))
        assert isinstance(started, Started)
        assert started.process == process.pid
        soft, hard = psutil.Process(process.pid).rlimit(psutil.RLIMIT_NOFILE)
        assert soft == hard
        process.send_signal(signal.SIGINT)
        process.stdin.write(frame(Query(1, 1)))
        process.stdin.flush()
        assert os.read(process.stdout.fileno(), 65_536)
        process.stdin.close()
        assert process.wait(PATIENCE) == 0


def test_process_that_is_told_nonsense() -> None:
    result = subprocess.run(COMMAND, input=b"\0\0\0\3abc", capture_output=True, timeout=PATIENCE, check=False)
    assert result.returncode == 1
    assert b"not an order" in result.stderr


def test_main(monkeypatch: pytest.MonkeyPatch) -> None:
    """In this process, so that it is measured; the descriptors are those of pipes."""
    orders, to_worker = os.pipe()
    from_worker, replies = os.pipe()
    errors = os.dup(2)

    class Stream:
        def __init__(self, descriptor: int) -> None:
            self.fileno = lambda: descriptor
            self.write = len
            self.flush = lambda: None

    monkeypatch.setattr(sys, "stdin", Stream(orders))
    monkeypatch.setattr(sys, "stdout", Stream(replies))
    monkeypatch.setattr(sys, "stderr", Stream(errors))
    monkeypatch.setattr(signal, "signal", lambda *_: None)
    os.write(to_worker, b"\0\0\0\1x")
    assert module.main() == 1
    (started,) = map(read_reply, FrameCutter().feed(os.read(from_worker, 65_536)))
    assert isinstance(started, Started)
    os.close(to_worker)
    assert module.main() == 0
    for descriptor in (orders, from_worker, replies, errors):
        os.close(descriptor)
