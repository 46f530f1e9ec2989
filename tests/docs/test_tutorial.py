"""The tutorial, followed to the letter.

Every `sh` block of the page is run as it stands, in order, in a copy of this tree. That happens in name
spaces of its own for network, files and processes: so the ports are the page's, `/etc/prosody` is a folder
of the test, the system's Prosody sees nothing of it, and all of it is gone when the test is. There, these
are not what they are elsewhere:

    sudo, apt-get, python3   see `machine`
    systemctl                knows `restart prosody`, which it does as Debian's unit does

A block after the words "In a ... terminal" that does not end by itself is left running, like there.
"""

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from docs.machine import NOT_IN_A_CLONE, SPACES, can_unshare, executable, stand_ins
from docs.pages import ROOT, blocks

pytestmark = pytest.mark.e2e

PAGE = "tutorial.md"
STAYS = {".venv/bin/ichat-gw\n": "ready", "demo.ichat alice@localhost alices-password\n": "online, and",
         "baresip -f phone\n": "baresip is ready"}  # fmt: skip
"""Commands that do not end by themselves, by their end, and what they say when they are ready."""

SYSTEMCTL = """#!/bin/bash
[ "$*" = "restart prosody" ] || { echo "the test knows nothing of systemctl $*"; exit 1; }
cd /
runuser -u prosody -- prosody -F >/var/log/prosody/output 2>&1 &
for i in $(seq 300); do
    (exec 3<>/dev/tcp/127.0.0.1/5347) 2>/dev/null && exit 0
    sleep 0.1
done
echo "Prosody does not come up"; cat /var/log/prosody/*; exit 1
"""

PROLOGUE = """
set -em
ip link set lo up
# What Debian's package brings, in folders of the test.
for folder in etc/prosody var/lib/prosody var/log/prosody run/prosody; do
    mkdir -p "/$folder" "$PLACE/$folder"
    mount --bind "$PLACE/$folder" "/$folder"
done
chown prosody: /var/lib/prosody /var/log/prosody /run/prosody
chmod -R a+rX /etc/prosody
cd "$PLACE/ichat-gw"
trap 'tail -n 20 "$PLACE"/terminal*' EXIT
until_said() {
    for i in $(seq 600); do grep -q "$2" "$1" && return; sleep 0.1; done
    echo "it never said '$2':"; cat "$1"; exit 1
}
"""


def script() -> str:
    """The page as one shell script."""
    steps, running, said = [PROLOGUE], 0, ""
    for number, block in enumerate(b for b in blocks(PAGE) if b.language == "sh"):
        steps.append(f"echo '=== {PAGE}:{block.line}'\n")
        if " -e " in block.text and block.text.startswith("baresip"):
            # The reader has just written the phone's configuration; Alice's presence came long ago.
            steps.append("sleep 3\n")
        ready = next((word for end, word in STAYS.items() if block.text.endswith(end)), None)
        if ready is None:
            steps.append(block.text)
            continue
        running += 1
        assert "terminal" in block.before, f"{PAGE}:{block.line} does not say in which terminal"
        if block.text == "baresip -f phone\n":
            # "... and then how many packets of sound came"; "end Alice's iChat with Ctrl-C"
            steps.append(f"until_said {said} 'packets of sound came'\nkill -INT %2; wait %2 || true\n")
        said = f"$PLACE/terminal{number}"
        steps.append(f"({block.text.rstrip()}) >{said} 2>&1 &\nuntil_said {said} '{ready}'\n")
    assert running == len(STAYS)
    # The id that the reader takes from the list.
    steps.append(".venv/bin/ichat-gw trace $(.venv/bin/ichat-gw records | awk 'NR == 2 { print $1 }')\n")
    return "".join(steps)


@pytest.mark.root
@pytest.mark.skipif(not can_unshare(), reason="the tutorial needs root and name spaces of its own")
def test_the_tutorial_to_the_letter(tmp_path: Path) -> None:
    shutil.copytree(ROOT, tmp_path / "ichat-gw", ignore=NOT_IN_A_CLONE)
    stand_ins(tmp_path / "bin")
    executable(tmp_path / "bin" / "systemctl", SYSTEMCTL)
    shutil.copytree("/etc/prosody", tmp_path / "etc" / "prosody", symlinks=True)
    environment = {
        "PATH": f"{tmp_path / 'bin'}:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
        "HOME": str(tmp_path),
        "PLACE": str(tmp_path),
        "LANG": "C.UTF-8",
    }
    done = subprocess.run(
        ["unshare", *SPACES, "bash", "-c", script()],
        env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        text=True, check=False, timeout=300,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout
    for said in (
        "Failed: 0.",  # the name space has no DNS: that is one warning
        "Call established",
        "a call is up",
        "100@ichat-gw.localhost has answered",
        "Since the start: 2 calls, 2 answered",
        "apple:iq:vc:",  # in the ladder
    ):
        assert said in done.stdout, done.stdout
    packets = [int(count) for count in re.findall(r"(\d+) packets of sound came", done.stdout)]
    assert len(packets) == 2
    assert min(packets) > 50, done.stdout
    assert len(re.findall("INFO call over", done.stdout)) == 2
