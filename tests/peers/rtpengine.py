"""A private rtpengine 10.5: real media, in user space, on loopback ports of its own.

    with PrivateRtpengine(tmp_path) as rtpengine:
        ... MediaEngine = rtpengine, RtpengineAddress = rtpengine.control
        rtpengine.kill()              # as a machine that loses its power
        rtpengine.start()             # on the same ports; it has forgotten all calls

It takes IPv4 and IPv6 under one interface name, as the documentation asks. It has no table in the kernel,
so it needs no module and no rights.
"""

from collections.abc import Sequence
from pathlib import Path
from signal import Signals
from types import TracebackType

from peers.ports import free_port, free_ports, udp_is_bound
from peers.program import Program, find
from peers.server import Server


class PrivateRtpengine(Server):
    """The daemon. Ports are chosen once, so that they survive a restart.

    It has `ports` RTP and RTCP ports from `first_port` on; each party of a call takes two. `log_level` is
    syslog's: 6 says what happens to each call, 7 to each packet. `settings` are more arguments.
    """

    ready_timeout = 30.0

    def __init__(
        self,
        directory: Path,
        *,
        ports: int = 200,
        first_port: int | None = None,
        threads: int = 1,
        log_level: int = 6,
        interfaces: Sequence[str] = ("127.0.0.1", "::1"),
        settings: Sequence[str] = (),
        name: str = "rtpengine",
    ) -> None:
        self.port = free_port()
        self.first_port = first_port or free_ports(ports)
        self.last_port = self.first_port + ports - 1
        self.program = Program(
            name,
            [
                *(find("rtpengine", "rtpengine-daemon"), "--config-file=none", "--table=-1"),
                *(f"--interface={address}" for address in interfaces),
                *(f"--listen-ng=127.0.0.1:{self.port}", f"--num-threads={threads}"),
                *(f"--port-min={self.first_port}", f"--port-max={self.last_port}"),
                *("--foreground", "--log-stderr", f"--log-level={log_level}", *settings),
            ],
            directory,
        )

    @property
    def control(self) -> str:
        """`host:port` of its control port, for `RtpengineAddress`."""
        return f"127.0.0.1:{self.port}"

    @property
    def log(self) -> str:
        """What it printed so far."""
        return self.program.output

    def kill(self) -> None:
        """At once, as when the machine is gone."""
        if self.program.running:
            self.program.kill()

    def pause(self) -> None:
        """It hangs: its ports are bound, and nobody answers."""
        self.program.signal(Signals.SIGSTOP)
        # A signal is only sent; each thread goes on until it notices.
        threads = Path(f"/proc/{self.program.pid}/task")
        self.program.await_ready(
            lambda: all(_state(thread) == "T" for thread in threads.iterdir()), self.ready_timeout
        )

    def resume(self) -> None:
        """It goes on where it was."""
        self.program.signal(Signals.SIGCONT)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.kill()

    def is_ready(self) -> bool:
        """Whether its control port is bound."""
        return udp_is_bound(self.port)


def _state(thread: Path) -> str:
    """The letter that `/proc` gives for what a thread does: T is stopped."""
    return (thread / "stat").read_text().rpartition(")")[2].split()[0]
