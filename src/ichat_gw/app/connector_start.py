"""What `ichat-gw` tells `ichat-gw-jc` when it starts it: on standard input, so that nobody else sees it."""

import msgspec


class ConnectorStart(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Everything that the connector must know; it reads no configuration file of its own."""

    version: int
    """`ipc.messages.VERSION` of the gateway: programs of different releases do not work together."""
    key: bytes
    """The IPC key: 32 random bytes, new for each start."""
    gateway_ipc_port: int
    connector_ipc_port: int
    component: str
    password: str
    server: str
    port: int
    control_user: str
    addresses: list[tuple[str, int]]
    """Our SIP addresses, for the connect data."""
    proceeding_timeout_ms: int
    ping_seconds: float
    messages: bool
    """Whether to pass chat messages on."""
    numbers_reachable: bool
    """Whether to say that telephone numbers can be called."""
    longest_stanza: int
    """MaxStanzaSize."""
    traces: bool
    """Whether to tell the gateway of the stanzas of calls."""
    database: str
    """Path of the subscription database."""
    userdb: str
    """Path where the original's `ichat-gw.userdb` may lie, to be imported."""
    log_level: str
