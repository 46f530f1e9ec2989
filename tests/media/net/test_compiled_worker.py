"""What only the compiled loop has; all that both have is tested in test_worker.py, on both."""

import os
import select
import shutil
import socket
import subprocess
import sys

import pytest

from ichat_gw.media.net.compiled_worker import is_built
from ichat_gw.media.stream import HEAD

if is_built():
    from ichat_gw.media.net._fastloop import Loop

pytestmark = pytest.mark.skipif(not is_built(), reason="the compiled loop is not built")


def test_wrong_arguments_are_refused() -> None:
    with pytest.raises(TypeError):
        Loop("no descriptor")  # type: ignore[arg-type]
    loop = Loop(-1)
    with pytest.raises(ValueError, match="not a descriptor"):
        loop.open(-1, False)
    with pytest.raises(TypeError):
        loop.open("x", False)  # type: ignore[arg-type]
    with pytest.raises(TypeError):
        loop.wait("long")  # type: ignore[arg-type]
    with pytest.raises(TypeError):
        loop.close("x")  # type: ignore[arg-type]
    path = loop.open(9, False)
    with pytest.raises(TypeError):
        path.load(1)  # type: ignore[call-arg]
    loop.close(9)
    loop.close(9_999)
    assert path.state()[4:] == (0, None, *[0] * 9)


def test_only_the_next_packet_of_the_accepted_source_takes_the_short_cut() -> None:
    parties = [socket.socket(socket.AF_INET, socket.SOCK_DGRAM) for _ in range(4)]
    for party in parties:
        party.bind(("127.0.0.1", 0))
        party.settimeout(5.0)
    alice, ours, out, bob = parties
    poll = select.epoll()
    poll.register(ours.fileno(), select.EPOLLIN)
    ends = os.pipe()
    poll.register(ends[0], select.EPOLLIN)
    loop = Loop(poll.fileno())
    path = loop.open(ours.fileno(), False)

    def send(sequence: int, sender: socket.socket = alice) -> bytes:
        packet = HEAD.pack(0x80, 8, sequence, 160 * sequence, 7) + b"audio"
        sender.sendto(packet, ours.getsockname())
        return packet

    def load() -> None:
        path.load(
            out.fileno(),
            alice.getsockname(),
            alice.getsockname(),
            bob.getsockname(),
            0.0,
            7,
            5,
            640,
            0x8008,
            97,
            8000.0,
            0.0,
            0.0,
            10,
            1000,
            9,
            0,
        )

    # Not loaded: too early.
    send(4)
    assert loop.wait(0.01) == ([], [])
    assert path.state()[-1] == 1
    load()
    # Far off: to Python, with where it came from.
    packet = send(4_000)
    assert loop.wait(5.0) == ([(ours.fileno(), bytearray(packet), alice.getsockname())], [])
    load()
    send(5)
    send(6)
    os.write(ends[1], b"x")
    assert loop.wait(5.0) == ([], [ends[0]])
    os.read(ends[0], 1)
    for sequence in (15, 16):
        stamp = 160 * (sequence - 10) + 1000
        assert bob.recv(100) == HEAD.pack(0x80, 97, sequence, stamp, 9) + b"audio"
    following, stamp, _, at, *counted = path.state()
    assert (following, stamp, counted) == (7, 960, [0, None, 2, 34, 0, 2, 34, 0, 0, 0, 0])
    assert at > 0
    # Without time to wait it still looks once.
    load()
    send(5)
    assert loop.wait(0.0) == ([], [])
    assert path.state()[0] == 6
    bob.recv(100)
    # Strangers and what is no media are counted, and stop nobody.
    load()
    send(5, bob)
    alice.sendto(b"hello", ours.getsockname())
    send(5)
    assert loop.wait(0.01) == ([], [])
    assert path.state()[4:] == (0, bob.getsockname(), 1, 17, 0, 1, 17, 0, 1, 1, 0)
    bob.recv(100)
    # A gap, what fills it, and a double.
    load()
    for sequence in (8, 6, 8):
        send(sequence)
    assert loop.wait(0.01) == ([], [])
    assert path.state()[4:9] == (1, bob.getsockname(), 3, 51, 2)
    assert [HEAD.unpack_from(bob.recv(100))[2] for _ in range(3)] == [18, 16, 18]
    # An odd packet, and all that follows it until Python has judged.
    load()
    odd = [send(4_000), send(5)]
    seen: list[bytes] = []
    while len(seen) < 2:
        seen += [bytes(each) for _, each, _ in loop.wait(5.0)[0]]
    assert seen == odd
    assert loop.wait(0.01) == ([], [])
    for party in parties:
        party.close()
    for end in ends:
        os.close(end)
    poll.close()


@pytest.mark.e2e
@pytest.mark.skipif(shutil.which("gcc") is None, reason="no gcc")
def test_nothing_is_overrun_or_undefined() -> None:
    """What any bytes do, once more under the sanitizers of gcc; `make sanitize` plays all tests so."""
    command = [sys.executable, "-m", "tests.media.net.sanitized", "tests/media/net/test_worker.py"]
    chosen = "compiled and (whatever or agree or ten_times or moves)"
    done = subprocess.run([*command, "-k", chosen], capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "4 passed" in done.stdout
