"""A machine for a page whose commands want to be root, use the network, and write all over the place.

Name spaces of its own for network, files and processes: the ports are the page's, folders of the test lie
over the system's, and all of it is gone when the test is. There, `sudo` does it (we are root), `apt-get`
installs nothing but sees to it that what the packages bring is there, and `python3` is the Python of this
test, whose environments see the packages of this one, so that pip finds everything and fetches nothing.
"""

import os
import shutil
import subprocess
import sys
from pathlib import Path

NOT_IN_A_CLONE = shutil.ignore_patterns(".*", "build", "__pycache__", "*.egg-info", "*.so", "site", "*.log")
BRINGS = {
    "python3-venv": "python3 -c 'import venv'",
    "gcc": "command -v cc",
    "libc6-dev": "true",  # as scripts/setup has it: where it is missing, there is no fast path
    "python3-dev": "true",
    "prosody": "command -v prosody prosodyctl",
    "baresip-core": "command -v baresip",
}
"""How `apt-get` sees that the contents of a package are there."""


def can_unshare() -> bool:
    """Whether we may have name spaces of our own: as root, where no container forbids it."""
    tried = subprocess.run(["unshare", *SPACES, "true"], check=False, capture_output=True)
    return os.geteuid() == 0 and tried.returncode == 0


SPACES = ("--mount", "--net", "--pid", "--fork", "--kill-child", "--mount-proc")


def executable(path: Path, text: str) -> None:
    path.write_text(text)
    path.chmod(0o755)


def stand_ins(directory: Path) -> None:
    """The programs that are not what they are elsewhere."""
    directory.mkdir()
    executable(directory / "sudo", '#!/bin/sh\nexec "$@"\n')
    checks = "".join(f"{name}) {command} ;;\n" for name, command in BRINGS.items())
    executable(
        directory / "apt-get",
        f"#!/bin/sh\nset -e\nfor word; do case $word in\nupdate | install | -y) ;;\n{checks}"
        '*) echo "the test knows nothing of the package $word"; exit 1 ;;\nesac; done\n',
    )
    packages = [path for path in sys.path if path.endswith("site-packages")]
    lent = f'import sys; sys.path[:0] = "{":".join(packages)}".split(":")'
    executable(
        directory / "python3",
        f"""#!/bin/sh
{sys.executable} "$@" || exit
case "$1 $2" in "-m venv")
    for site in "$3"/lib/python*/site-packages; do echo '{lent}' >"$site/lent.pth"; done
esac
""",
    )
