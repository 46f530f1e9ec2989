"""The system's hosts file: names that need no DNS."""

from ipaddress import ip_address
from pathlib import Path

MAX_BYTES = 1_000_000
"""Of the file; what lies behind is not read."""
LOOPBACK = ("::1", "127.0.0.1")


def parse_hosts(text: str) -> dict[str, tuple[str, ...]]:
    """Return the addresses of each name, in the order of the file. Lines that make no sense are left out."""
    found: dict[str, tuple[str, ...]] = {}
    for line in text.splitlines():
        address, *names = line.partition("#")[0].split() or [""]
        try:
            written = str(ip_address(address.partition("%")[0]))
        except ValueError:
            continue
        for name in names:
            key = name.lower().rstrip(".")
            found[key] = tuple(dict.fromkeys((*found.get(key, ()), written)))
    return found


class HostsFile:
    """The names in a hosts file, which is read again when it changes. `localhost` is always among them."""

    def __init__(self, path: Path = Path("/etc/hosts")) -> None:
        self._path = path
        self._stamp: tuple[int, int] | None = None
        self._names: dict[str, tuple[str, ...]] = {}

    def addresses(self, name: str) -> tuple[str, ...]:
        """Return the addresses of a name in lower case, or none."""
        if name == "localhost" or name.endswith(".localhost"):
            return LOOPBACK  # RFC 6761 section 6.3
        try:
            status = self._path.stat()
            stamp = (status.st_mtime_ns, status.st_size)
            if stamp != self._stamp:
                with self._path.open("rb") as file:
                    self._names = parse_hosts(file.read(MAX_BYTES).decode("utf-8", "replace"))
                self._stamp = stamp
        except OSError:
            self._names, self._stamp = {}, None
        return self._names.get(name, ())
