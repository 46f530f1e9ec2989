"""The page on running it as a service: its commands, as they stand, up to a gateway with a user of its own.

On a `machine` of the test, with its layers over /etc, /opt and /var. There is no systemd on it: `systemctl`
starts what the unit that was installed says, as the user that it names, without any right. There is no XMPP
server either, so `check` finds that one fault, and the gateway waits.
"""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from docs.machine import NOT_IN_A_CLONE, SPACES, can_unshare, executable, stand_ins
from docs.pages import ROOT, block, blocks

pytestmark = pytest.mark.e2e
PAGE = "how-to/run-as-a-service.md"

SYSTEMCTL = """#!/bin/bash
set -e
unit=/etc/systemd/system/ichat-gw.service
of() { sed -n "s/^$1=//p" $unit; }
case "$*" in
daemon-reload) ;;
"enable --now ichat-gw")
    cd "$(of WorkingDirectory)"
    setpriv --reuid "$(of User)" --regid "$(of Group)" --clear-groups --no-new-privs --inh-caps=-all \\
        --bounding-set=-all -- $(of ExecStart) >"$PLACE/layers/journal" 2>&1 &
    for i in $(seq 200); do grep -q "relay started" "$PLACE/layers/journal" && exit; sleep 0.1; done
    echo "it does not start"; cat "$PLACE/layers/journal"; exit 1 ;;
"status ichat-gw") ps -o user:16=,args= -e | grep "^ichat-gw.*bin/ichat-gw -c"; cat "$PLACE/layers/journal" ;;
*) echo "the test knows nothing of systemctl $*"; exit 1 ;;
esac
"""

PROLOGUE = """
set -e
ip link set lo up
mkdir "$PLACE/layers"
mount -t tmpfs tmpfs "$PLACE/layers"
for folder in etc opt var $OPEN; do
    mkdir -p "$PLACE/layers/$folder" "$PLACE/layers/work-$folder"
    chmod 755 "$PLACE/layers/$folder"
done
# The last two let the new user reach this Python, and the packages of this test, wherever they are.
cd "$PLACE/layers"
for folder in etc opt var $OPEN; do
    mount -t overlay overlay -o "lowerdir=/$folder,upperdir=$folder,workdir=work-$folder" "/$folder"
done
cd "$PLACE/ichat-gw"
runuser -u nobody -- "$PYTHON" -c 'import msgspec' || { echo UNREACHABLE; exit 0; }
"""


@pytest.mark.root
@pytest.mark.skipif(not can_unshare(), reason="the page needs root and name spaces of its own")
def test_the_commands_of_the_page(tmp_path: Path) -> None:
    shutil.copytree(ROOT, tmp_path / "ichat-gw", ignore=NOT_IN_A_CLONE)
    stand_ins(tmp_path / "bin")
    executable(tmp_path / "bin" / "systemctl", SYSTEMCTL)
    first, second = (shown.text for shown in blocks(PAGE) if shown.language == "sh")
    config = "/etc/ichat-gw/ichat-gw.config"
    settings = "JabberServer = 127.0.0.1\n" + block(PAGE, "ini")
    # A later line counts; with a warning, which `check` tells of.
    write = f"cat >>{config} <<'END'\n{settings}END\n"
    check = "ichat-gw check -c /etc/ichat-gw/ichat-gw.config\n"
    assert check in second
    # There is no XMPP server: the one fault that it may find.
    second = second.replace(check, check.rstrip() + " || true\n")
    tops = {Path(path).parts[1] for path in (sys.base_prefix, *sys.path) if Path(path).is_absolute()}
    environment = {
        "PATH": f"{tmp_path / 'bin'}:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
        "PLACE": str(tmp_path),
        "PYTHON": sys.executable,
        "OPEN": " ".join(sorted(tops - {"usr", "etc", "opt", "var", "tmp", "lib"})),
    }
    done = subprocess.run(
        ["unshare", *SPACES, "bash", "-c", PROLOGUE + first + write + second],
        env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        text=True, check=False, timeout=300,
    )  # fmt: skip
    if "UNREACHABLE" in done.stdout:
        pytest.skip("another user cannot reach the Python of this test")
    assert done.returncode == 0, done.stdout
    assert "ok       LogFilename: /var/log/ichat-gw/ichat-gw.log can be made" in done.stdout
    assert "Failed: 1." in done.stdout, done.stdout
    assert "JabberServer: " in done.stdout
    assert "/opt/ichat-gw/bin/ichat-gw -c /etc/ichat-gw/ichat-gw.config" in done.stdout
    assert "relay started" in done.stdout
    assert " ERR " not in done.stdout, done.stdout
