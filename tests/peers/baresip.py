"""A SIP phone with sound of its own: baresip 1.0, without screen or sound card.

    phone = Baresip(directory, "5551234", sound=samples)
    with phone:                                   # its SIP port is bound
        ...                                       # answers every call by itself
        phone.dial("sip:alice@127.0.0.1:5070")    # or calls
        phone.hang_up()
    phone.heard()                                 # the samples it received

COMPAT, baresip 1.0: the end of the source file ends the call, so `sound` must last longer than the call;
only the sndfile module writes recordings, without the last 100 ms, and nothing after
a re-INVITE.
"""

import json
import re
import socket
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

from peers.audio import read_wav, write_wav
from peers.ports import accepts_tcp, free_port, free_ports, udp_is_bound
from peers.program import Program, find


class Baresip:
    """The phone, with one account that answers by itself.

    It calls without a registrar unless `registrar` (`host:port`, maybe with `;transport=`) is given; then it
    registers there, with its user name and `password`, and un-registers when it is stopped. `outbound`
    (`host:port`) is where everything goes whatever its address. `host` is where
    it listens, and the only address that it knows of itself. `tls` are two PEM files: its certificate with
    the key, and the roots that it trusts; it speaks TLS at the port behind `port`.
    """

    def __init__(
        self,
        directory: Path,
        user: str,
        *,
        sound: Sequence[int],
        answers: bool = True,
        host: str = "127.0.0.1",
        port: int | None = None,
        registrar: str = "",
        outbound: str = "",
        password: str = "",
        tls: tuple[Path, Path] | None = None,
    ) -> None:
        self.directory = directory
        self.user = user
        self._registrar = registrar
        self._outbound = f';outbound="sip:{outbound}"' if outbound else ""
        self._password = password
        self.host = host
        self.port = port or free_ports(2)
        self._tls = tls
        self.sound = list(sound)
        self._answers = answers
        self._control = free_port()
        self._media = free_ports(10)
        self.program = Program(
            "baresip",
            [find("baresip", "baresip-core"), "-6" if ":" in host else "-4", "-f", str(directory)],
            directory,
        )

    @property
    def _address(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    # --- life -----------------------------------------------------------------------------------------------

    def start(self) -> None:
        """Start it and block until it can be called."""
        self.directory.mkdir(parents=True, exist_ok=True)
        source = self.directory / "source.wav"
        write_wav(source, self.sound)
        recordings = self.directory / "heard"
        recordings.mkdir(exist_ok=True)
        (self.directory / "config").write_text(
            _CONFIG.format(
                host=self.host,
                address=self._address,
                control=self._control,
                media=self._media,
                media_end=self._media + 9,
                source=source,
                recordings=recordings,
            )
            + (_TLS_CONFIG.format(certificate=self._tls[0], roots=self._tls[1]) if self._tls else "")
        )
        mode = "auto" if self._answers else "manual"
        (self.directory / "accounts").write_text(
            f"<sip:{self.user}@{self._registrar or self._address}>"
            f"{self._outbound};auth_user={self.user};auth_pass={self._password}"
            f";regint={60 if self._registrar else 0};answermode={mode};audio_codecs=PCMU/8000/1\n"
        )
        (self.directory / "contacts").write_text("")
        self.program.spawn()
        self.program.await_ready(
            lambda: udp_is_bound(self.port, self.host) and accepts_tcp(self._control), 30.0
        )

    def stop(self) -> None:
        """Quit, which ends calls; killed when it does not within three seconds."""
        if self.program.running:
            self.program.stop(3.0)

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    # --- the user -------------------------------------------------------------------------------------------

    def dial(self, uri: str) -> None:
        """Call a SIP URI."""
        self._command("dial", uri)

    def hang_up(self) -> None:
        """End the call."""
        self._command("hangup")

    def hold(self) -> None:
        """Put the call on hold: this side goes on sending and wants nothing."""
        self._command("hold")

    def resume(self) -> None:
        """Take it up again."""
        self._command("resume")

    def transfer(self, uri: str) -> None:
        """Transfer the call to a SIP URI, and be gone when that has worked."""
        self._command("transfer", uri)

    def heard(self) -> list[int]:
        """The samples that it received in its last call, once that is over."""
        files = sorted((self.directory / "heard").glob("dump-*-dec.wav"), key=lambda f: f.stat().st_mtime)
        # COMPAT, baresip 1.0: writes G.711's two zeros as 2 and -2, which no other code stands for.
        return [0 if abs(sample) == 2 else sample for sample in read_wav(files[-1])] if files else []

    def received(self) -> int:
        """How many packets of sound it has received in the call that it is in."""
        found = re.search(r"rcvd=(\d+)", self._command("audio_debug"))
        return int(found[1]) if found else 0

    def _command(self, command: str, params: str = "") -> str:
        """Do it, and return the reply: then it has been done."""
        text = json.dumps({"command": command, "params": params})
        with socket.create_connection(("127.0.0.1", self._control), timeout=20) as control:
            control.sendall(f"{len(text.encode())}:{text},".encode())
            reply = ""
            # What happens in its calls is told in between.
            while '"response":true' not in reply and (more := control.recv(8192)):
                reply += more.decode(errors="replace")
            return reply


_CONFIG = """\
sip_listen {address}
net_interface {host}
rtp_ports {media}-{media_end}
audio_source aufile,{source}
audio_player aufile,/dev/null
audio_alert aufile,/dev/null
ausrc_srate 8000
auplay_srate 8000
ausrc_channels 1
auplay_channels 1
audio_jitter_buffer_type off
call_max_calls 4
ctrl_tcp_listen 127.0.0.1:{control}
snd_path {recordings}
module_path /usr/lib/baresip/modules
module g711.so
module aufile.so
module sndfile.so
module_tmp account.so
module_app menu.so
module_app ctrl_tcp.so
"""

_TLS_CONFIG = """\
sip_certificate {certificate}
sip_cafile {roots}
sip_verify_server yes
"""
