"""The Jabber connector as a program."""

from functools import partial
from typing import Annotated

from pydantic import BaseModel

from ichat_gw.config import kinds
from ichat_gw.config.row import Row, Section

row = partial(Row, Section.CONNECTOR)


class ConnectorSettings(BaseModel):
    """The Jabber connector as a program."""

    ichat_jabber_connector_path: Annotated[
        str,
        row(
            "IchatJabberConnectorPath",
            kinds.TEXT,
            "The Jabber connector's executable. A bare name is looked for beside the gateway's own "
            "executable, then on the PATH.",
        ),
    ] = "ichat-gw-jc"
