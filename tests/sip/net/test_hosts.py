"""The hosts file."""

import os
from pathlib import Path

from ichat_gw.sip.net.hosts import LOOPBACK, HostsFile, parse_hosts


def test_names_and_nonsense() -> None:
    lines = [
        "127.0.0.1 localhost",
        "# comment",
        "",
        "192.0.2.1 Pbx.Example.COM. pbx # the PBX",
        "nonsense x",
        "2001:db8::1%eth0 pbx",
        "192.0.2.1",
        "192.0.2.1 pbx",
    ]
    assert parse_hosts("\n".join(lines)) == {
        "localhost": ("127.0.0.1",),
        "pbx.example.com": ("192.0.2.1",),
        "pbx": ("192.0.2.1", "2001:db8::1"),
    }


def test_the_file_is_read_again_when_it_changes(tmp_path: Path) -> None:
    path = tmp_path / "hosts"
    hosts = HostsFile(path)
    assert hosts.addresses("pbx") == ()
    path.write_text("192.0.2.1 pbx")
    assert hosts.addresses("pbx") == ("192.0.2.1",)
    path.write_text("192.0.2.22 pbx")
    assert hosts.addresses("pbx") == ("192.0.2.22",)
    path.unlink()
    assert hosts.addresses("pbx") == ()
    path.write_text("192.0.2.22 pbx")
    os.utime(path, ns=(1, 1))
    assert hosts.addresses("pbx") == ("192.0.2.22",)


def test_localhost_needs_no_file() -> None:
    hosts = HostsFile(Path("/no/such/file"))
    assert hosts.addresses("localhost") == hosts.addresses("x.localhost") == LOOPBACK
