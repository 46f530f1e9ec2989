"""The systemd unit: what systemd says of it, and a call through a gateway that has no more than it gives.

There is no systemd to start it here. So `sandboxed` makes what the unit demands with the kernel's own means:
a file system that is read-only but for the state directory, a /proc without anything but processes, no
capabilities, no new privileges; and a socket stands in for systemd's. The user id stays that of the test, and
the list of system calls is not applied.
"""

import asyncio
import os
import re
import shutil
import socket
import subprocess
from pathlib import Path

import pytest

from peers import flows
from peers.stage import Stage

ROOT = Path(__file__).parents[2]
UNIT = ROOT / "contrib" / "systemd" / "ichat-gw.service"
EXPOSURE = 20
"""What `systemd-analyze security` may say at most, in tenths: below 2 is what it calls OK."""


def directives() -> dict[str, str]:
    """The settings of the unit, each as given last."""
    lines = (line for line in UNIT.read_text().splitlines() if line and line[0] not in "#[")
    return dict(line.split("=", 1) for line in lines)


def analyze(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    if shutil.which("systemd-analyze") is None:
        pytest.skip("systemd-analyze is not installed")
    command = ["systemd-analyze", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)


def test_systemd_understands_every_line(tmp_path: Path) -> None:
    unit = tmp_path / UNIT.name
    # The executable and the man page of an installation, which are not here.
    text = UNIT.read_text().replace("/opt/ichat-gw/bin/ichat-gw ", "/bin/true ")
    unit.write_text(re.sub("^Documentation=.*\n", "", text, flags=re.MULTILINE))
    verified = analyze("verify", "--man=no", unit)
    assert verified.returncode == 0, verified.stderr
    assert unit.name not in verified.stderr, verified.stderr


def test_systemd_finds_little_that_is_exposed() -> None:
    judged = analyze("security", "--offline=true", f"--threshold={EXPOSURE}", UNIT)
    assert judged.returncode == 0, judged.stdout


def test_what_the_unit_promises() -> None:
    unit = directives()
    assert unit["NoNewPrivileges"] == "yes"
    assert unit["CapabilityBoundingSet"] == ""
    assert unit["ProtectSystem"] == "strict"
    assert unit["User"] not in ("", "root")
    assert unit["Type"] == "notify"
    assert int(unit["WatchdogSec"]) > 0
    assert "AF_PACKET" not in unit["RestrictAddressFamilies"]


SANDBOX = """
mount -t proc -o subset=pid,hidepid=invisible proc /proc || exit 90
mount --bind "$1" "$1" || exit 91
while read -r _ point _; do
    case $point in "$1" | /proc | /proc/* | /dev | /dev/* | /sys | /sys/*) ;;
    *) mount -o remount,ro,bind "$point" 2>/dev/null ;;
    esac
done </proc/self/mounts
touch "$2" 2>/dev/null && exit 92
cd "$1" && shift 2
exec setpriv --no-new-privs --bounding-set=-all --inh-caps=-all --ambient-caps=-all -- "$@"
"""


def sandboxed(command: list[str], state: Path, outside: Path) -> list[str]:
    """`command` in what the unit leaves it; `outside` is a file that it must not be able to make."""
    unshare = ["unshare", "--mount", "--propagation", "private", "--"]
    return [*unshare, "sh", "-c", SANDBOX, "sandbox", str(state), str(outside), *command]


def can_unshare() -> bool:
    """Whether we may make a sandbox: as root, and not in a container that forbids mounting."""
    return os.geteuid() == 0 and subprocess.run(["unshare", "--mount", "true"], check=False).returncode == 0


def status_of(pid: int) -> str:
    return Path(f"/proc/{pid}/status").read_text()


@pytest.mark.e2e
@pytest.mark.root
@pytest.mark.skipif(not can_unshare(), reason="making the sandbox needs root and mount namespaces")
async def test_a_call_with_no_more_than_the_unit_gives(tmp_path: Path) -> None:
    stage = Stage(tmp_path, settings={"LogFilename": "ichat-gw.log"})
    gateway = stage.gateway
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as systemd:
        systemd.bind(f"{tmp_path}/notify")
        systemd.setblocking(False)
        environment = [f"NOTIFY_SOCKET={tmp_path}/notify", "WATCHDOG_USEC=1000000"]
        gateway.program.command = sandboxed(
            ["env", *environment, *gateway.program.command], gateway.directory, tmp_path / "outside"
        )
        try:
            await stage.start()
            played = await flows.sip_calls_established(stage, talk=0.5)
            assert played.sound
            status = status_of(gateway.program.pid)
            assert re.search(r"^CapEff:\t0+$", status, re.MULTILINE)
            assert re.search(r"^CapBnd:\t0+$", status, re.MULTILINE)
            assert re.search(r"^NoNewPrivs:\t1$", status, re.MULTILINE)
            await gateway.stop_async()
        finally:
            await stage.clean_up()
        heard = []
        while not heard or not heard[-1].startswith("STOPPING=1"):
            async with asyncio.timeout(30):
                heard.append((await asyncio.get_running_loop().sock_recv(systemd, 4096)).decode())
    assert any(h.startswith("READY=1\nSTATUS=serving") for h in heard)
    assert "WATCHDOG=1" in heard
    assert not (tmp_path / "outside").exists()
    assert "ready" in (gateway.directory / "ichat-gw.log").read_text()
