"""What comes from this machine: datagrams of the connector, and the configuration."""

import tempfile
from pathlib import Path

from ichat_gw.config.load import load
from ichat_gw.config.problem import ConfigError
from ichat_gw.ipc.channel import Channel, Datagram
from ichat_gw.ipc.messages import JabberConnection, SipRegisterJabberUser
from ichat_gw.ipc.seal import DatagramError, Frame, Role, Seal, decode, encode

KEY = bytes(32)
IPC_SEEDS = (
    encode(SipRegisterJabberUser("alice@example.com")),
    encode(JabberConnection(True, "connected")),
)
CONFIG_SEEDS = (
    b"JabberComponentName = gw.example.com\nJabberComponentPassword = secret\n"
    b"TranslationPattern = ^xmpp:(.*)@gw\\.example\\.com$\nTranslationOutput = sip:$1@pbx\n",
    b"# comment\r\nudptcpport=70000\r\nCodecIdFilterList = 0, 128\r\nIPAddress = ::1\r\n"
    b"SIPCredentials = * a b\r\n",
)
_folder = tempfile.TemporaryDirectory()


def ipc(data: bytes) -> None:
    """A datagram on the IPC port: from a stranger, and from somebody who has the key."""
    for datagram in (data, Seal(KEY, Role.CONNECTOR).seal(Frame(1, 1, 1, 0, data))):
        channel = Channel(KEY, Role.GATEWAY)
        channel.receive(Datagram(datagram), 0.0)
        channel.expire(100.0)
    try:
        message = decode(data)
    except DatagramError:
        return
    assert decode(encode(message)) == message


def configuration(data: bytes) -> None:
    """A configuration file: every fault is named with its place."""
    path = Path(_folder.name) / "ichat-gw.config"
    path.write_bytes(data)
    try:
        load(path)
    except ConfigError as error:
        assert error.problems
        assert all(str(path) in str(problem) for problem in error.problems)
