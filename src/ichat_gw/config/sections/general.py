"""What the manual calls general: the log, our own processes, iChat's audio and the media relay."""

from functools import partial
from pathlib import Path
from typing import Annotated

from pydantic import BaseModel

from ichat_gw.config import kinds
from ichat_gw.config.kinds import HostPort, LogFormat, LogLevel, MediaEngineName
from ichat_gw.config.row import Row, Section

row = partial(Row, Section.GENERAL)


class GeneralSettings(BaseModel):
    """What the manual calls general: the log, our own processes, iChat's audio and the media relay."""

    log_level: Annotated[
        LogLevel,
        row(
            "LogLevel",
            kinds.LOG_LEVEL,
            "How much is logged to the console.",
            flag="-l",
            live=True,
        ),
    ] = LogLevel.INFO
    log_filename: Annotated[Path, row("LogFilename", kinds.PATH, "The log file.", live=True)] = Path(
        "ichat-gw.log"
    )
    log_file_max_lines: Annotated[
        int,
        row(
            "LogFileMaxLines",
            kinds.whole(0, 10**9, "lines"),
            "After how many lines a new log file is begun; 50000 lines are about 5 MB. 0 never begins one.",
            live=True,
        ),
    ] = 50000
    log_file_count: Annotated[
        int,
        row(
            "LogFileCount",
            kinds.whole(0, 10000, "files"),
            "How many old log files are kept beside the one being written.",
            new=True,
            live=True,
        ),
    ] = 10
    log_format: Annotated[
        LogFormat,
        row(
            "LogFormat",
            kinds.LOG_FORMAT,
            "Whether a line of the log is text to read or one JSON object.",
            new=True,
            live=True,
        ),
    ] = LogFormat.TEXT
    gateway_ipc_port: Annotated[
        int,
        row(
            "GatewayIPCPort",
            kinds.PORT,
            "The UDP port on 127.0.0.1 at which the gateway hears its Jabber connector.",
        ),
    ] = 2078
    jabber_connector_ipc_port: Annotated[
        int,
        row(
            "JabberConnectorIPCPort",
            kinds.PORT,
            "The UDP port on 127.0.0.1 at which the Jabber connector hears the gateway.",
        ),
    ] = 2079
    ichat_proceeding_timeout: Annotated[
        int,
        row(
            "IChatProceedingTimeout",
            kinds.whole(1, 600_000, "milliseconds"),
            "How long to look for an iChat client of a user who is called.",
            live=True,
        ),
    ] = 5000
    always_relay_ichat_media: Annotated[
        bool,
        row(
            "AlwaysRelayIChatMedia",
            kinds.ON_OFF,
            "On: the audio of every call with an iChat client goes through the media relay. Off: it goes "
            "straight from one to the other where they can reach each other, and otherwise, as between IPv4 "
            "and IPv6, through the relay. Without the relay nobody keeps iChat in the call while a SIP "
            "phone holds it, calls cannot be transferred, and a phone's audio cannot move during a call.",
        ),
    ] = True
    prefer_ipv6: Annotated[
        bool,
        row(
            "PreferIPv6",
            kinds.ON_OFF,
            "Whether an iChat client that offers several addresses is reached at an IPv6 one first.",
            live=True,
        ),
    ] = False
    skip_first_ichat_address: Annotated[
        bool,
        row(
            "SkipFirstIChatAddress",
            kinds.ON_OFF,
            "For tests only: whether an iChat client is reached at the second address that it offers.",
            live=True,
        ),
    ] = False
    codec_id_filter_list: Annotated[
        tuple[int, ...],
        row(
            "CodecIdFilterList",
            kinds.PAYLOAD_TYPES,
            "The codecs, by RTP payload type, that are taken out of offers. 3 is GSM, in which iChat and "
            "some SNOM phones do not understand each other. Blank takes none out.",
            live=True,
        ),
    ] = (3,)
    media_relay_port_range_min: Annotated[
        int,
        row(
            "MediaRelayPortRangeMin",
            kinds.PORT,
            "The first UDP port of the media relay. A call takes two pairs of ports, an even and the next "
            "odd one.",
            live=True,
        ),
    ] = 8000
    media_relay_port_range_max: Annotated[
        int,
        row(
            "MediaRelayPortRangeMax",
            kinds.PORT,
            "The last UDP port of the media relay.",
            live=True,
        ),
    ] = 9999
    media_engine: Annotated[
        MediaEngineName,
        row(
            "MediaEngine",
            kinds.MEDIA_ENGINE,
            "Who relays audio: builtin, processes of our own on this machine; or rtpengine, which is "
            "installed by itself and may be on other machines. The page on media engines compares them.",
            new=True,
        ),
    ] = MediaEngineName.BUILTIN
    rtpengine_address: Annotated[
        tuple[HostPort, ...],
        row(
            "RtpengineAddress",
            kinds.RTPENGINES,
            "Where each rtpengine listens for the ng protocol over UDP (its listen-ng); without a port it is "
            "2223. A call is given to the one that answers and has the fewest calls of ours. Needed with "
            "MediaEngine = rtpengine.",
            default_words="none",
            new=True,
        ),
    ] = ()
    media_relay_workers: Annotated[
        int,
        row(
            "MediaRelayWorkers",
            kinds.whole(0, 64, "processes"),
            "How many processes relay audio; each call is on one of them. 0 is one for every two processor "
            "cores, but at least one.",
            new=True,
        ),
    ] = 0
    media_timeout: Annotated[
        int,
        row(
            "MediaTimeout",
            kinds.whole(0, 86_400, "seconds"),
            "A call is ended when nothing, neither audio nor RTCP, has come from one of its parties for so "
            "long. Calls on hold are left alone. 0 never ends a call for that.",
            new=True,
            live=True,
        ),
    ] = 60
