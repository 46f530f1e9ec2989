"""Where the executables of this program are."""

import os
import shutil
import sys
from pathlib import Path

from ichat_gw.errors import GatewayError


class ProgramNotFound(GatewayError):
    """An executable is not where it is said to be; the text names the setting and the places looked at."""


def find_program(name: str, setting: str) -> str:
    """The absolute path of the executable `name`, the value of `setting`; raises `ProgramNotFound`.

    With a slash in it (or what the system has for one), `name` is a path, relative to the current directory.
    A bare name is looked for beside the running executable, beside the Python that runs it, then in the
    directories of PATH.
    """
    if Path(name).name != name:
        path = Path(name).absolute()
        if not path.is_file():
            raise ProgramNotFound(
                f"{setting}: there is no file {str(path)!r}; give the path of the executable"
            )
        if not os.access(path, os.X_OK):
            raise ProgramNotFound(f"{setting}: {str(path)!r} is not executable; allow it with chmod +x")
        return str(path)
    beside = [str(place) for place in _beside()]
    found = name and (shutil.which(name, path=os.pathsep.join(beside)) or shutil.which(name))
    if not found:
        raise ProgramNotFound(
            f"{setting}: there is no executable {name!r} in {', '.join(beside)} nor on PATH "
            f"({os.environ.get('PATH', '')}); install it there or give its path"
        )
    return str(Path(found).absolute())


def _beside() -> list[Path]:
    """The directories of the running executable, by name and behind symbolic links, and of Python."""
    running = Path(shutil.which(sys.argv[0]) or sys.argv[0]).absolute()
    places = [running.parent, running.resolve().parent, Path(sys.executable).absolute().parent]
    return list(dict.fromkeys(places))
