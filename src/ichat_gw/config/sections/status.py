"""The status page, the API and the metrics."""

from functools import partial
from typing import Annotated

from pydantic import BaseModel, SecretStr

from ichat_gw.config import kinds
from ichat_gw.config.row import Row, Section

row = partial(Row, Section.STATUS)


class StatusSettings(BaseModel):
    """The status page, the API and the metrics."""

    http_port: Annotated[
        int,
        row(
            "HttpPort",
            kinds.PORT_OR_NONE,
            "The TCP port of the status page, the JSON API and the metrics. 0: they are not served.",
        ),
    ] = 5090
    http_address: Annotated[
        str,
        row(
            "HttpAddress",
            kinds.IP_ADDRESS,
            "The local address that the status page is bound to; `0.0.0.0` or `::` binds all adapters. Any "
            "other than a loopback address needs `HttpAuth`. The page is not encrypted: from elsewhere, "
            "read it through a tunnel or a reverse proxy that speaks TLS.",
            new=True,
        ),
    ] = "127.0.0.1"
    http_hosts: Annotated[
        tuple[str, ...],
        row(
            "HttpHosts",
            kinds.DOMAINS,
            "The names by which browsers reach the status page, beside `localhost` and IP addresses: that of "
            "a reverse proxy, say. A request for any other name is refused, so that no web site can have a "
            "visitor's browser read the page under a name of its own (DNS rebinding).",
            default_words="none",
            new=True,
            live=True,
        ),
    ] = ()
    http_auth: Annotated[
        bool,
        row(
            "HttpAuth",
            kinds.ON_OFF,
            "Whether the status page asks for a password (HTTP Basic; any user name will do). Without, "
            "everybody who has an account on this machine can read it.",
            live=True,
        ),
    ] = False
    http_auth_pwd: Annotated[
        SecretStr,
        row(
            "HttpAuthPwd",
            kinds.SECRET,
            "The password of the status page. One must be chosen: with `HttpAuth` the default is refused.",
            default_words="`admin`, as the original has it",
            live=True,
        ),
    ] = SecretStr("admin")
