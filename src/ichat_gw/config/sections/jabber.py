"""The Jabber server, the gateway's own names there, and what its contacts can do."""

from functools import partial
from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, SecretStr

from ichat_gw.config import kinds
from ichat_gw.config.row import DAY, Row, Section

row = partial(Row, Section.JABBER)


class JabberSettings(BaseModel):
    """The Jabber server, the gateway's own names there, and what its contacts can do."""

    jabber_server: Annotated[
        str,
        row(
            "JabberServer",
            kinds.HOST,
            "The Jabber server to connect to.",
            sample="jabber.company.com",
            live=True,
        ),
    ]
    jabber_component_name: Annotated[
        str,
        row(
            "JabberComponentName",
            kinds.DOMAIN,
            "The gateway's own Jabber domain: the name of the component that the Jabber server knows. It "
            "should end in the server's domain.",
            sample="ichat-gw.jabber.company.com",
        ),
    ]
    jabber_component_password: Annotated[
        SecretStr,
        row(
            "JabberComponentPassword",
            kinds.SECRET,
            "The secret that the Jabber server shares with this component.",
            sample="change-this-password",
            live=True,
        ),
    ]
    jabber_component_port: Annotated[
        int,
        row(
            "JabberComponentPort",
            kinds.PORT,
            "The port at which the Jabber server accepts components.",
            live=True,
        ),
    ] = 5275
    jabber_server_ping_duration: Annotated[
        int,
        row(
            "JabberServerPingDuration",
            kinds.whole(1, DAY, "seconds"),
            "The time between two pings that keep the connection to the Jabber server alive and notice "
            "when it is dead.",
            live=True,
        ),
    ] = 60
    jabber_control_username: Annotated[
        str,
        row(
            "JabberControlUsername",
            kinds.LOCALPART,
            "The user name of the gateway's control contact, "
            "`<JabberControlUsername>@<JabberComponentName>`. iChat users add that contact to their buddy "
            "list so that the gateway sees when they are online.",
            sample="control",
        ),
    ]
    subscription_database: Annotated[
        Path,
        row(
            "SubscriptionDatabase",
            kinds.PATH,
            "The SQLite file with the subscriptions of Jabber users.",
            default_words="`ichat-gw.sqlite3` beside the configuration file",
            new=True,
        ),
    ] = Path("ichat-gw.sqlite3")
    sip_messages: Annotated[
        bool,
        row(
            "SIPMessages",
            kinds.ON_OFF,
            "Whether chat messages to gateway contacts other than the control contact go to SIP phones, as "
            "SIP MESSAGE, and theirs come to Jabber users (RFC 7572). When off, such chat messages are "
            "answered like those to the control contact, and SIP MESSAGE is refused with 405.",
            new=True,
            live=True,
        ),
    ] = True
    numbers_reachable: Annotated[
        bool,
        row(
            "NumbersReachable",
            kinds.ON_OFF,
            "Whether telephone numbers can be called through this gateway. Clients that look for a way to "
            "the telephone network are then told so (service discovery, `gateway/pstn`).",
            new=True,
            live=True,
        ),
    ] = False
