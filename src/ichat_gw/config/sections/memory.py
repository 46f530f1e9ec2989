"""What is remembered of calls that are over, and who else gets it."""

from functools import partial
from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, SecretStr

from ichat_gw.config import kinds
from ichat_gw.config.kinds import HostPort
from ichat_gw.config.row import Row, Section

# All of them are unknown to the original.
row = partial(Row, Section.MEMORY, new=True)


class MemorySettings(BaseModel):
    """What is remembered of calls that are over, and who else gets it."""

    call_record_database: Annotated[
        Path,
        row(
            "CallRecordDatabase",
            kinds.PATH,
            "The SQLite file with a row for each call that is over: who, when, how it ended and how it was "
            "heard.",
            default_words="`ichat-gw-calls.sqlite3` beside the configuration file",
        ),
    ] = Path("ichat-gw-calls.sqlite3")
    call_record_days: Annotated[
        int,
        row(
            "CallRecordDays",
            kinds.whole(0, 36_500, "days"),
            "How long call records are kept. 0 writes none: the last thousand are known until the gateway "
            "ends.",
            live=True,
        ),
    ] = 90
    trace_calls: Annotated[
        int,
        row(
            "TraceCalls",
            kinds.whole(0, 100_000, "calls"),
            "Of how many calls that are over every message is kept in memory, to be looked at. 0 keeps no "
            "message of any call.",
            live=True,
        ),
    ] = 200
    trace_memory: Annotated[
        int,
        row(
            "TraceMemory",
            kinds.whole(1, 65_536, "MiB"),
            "How much memory the messages of all calls may take together. When it is used up, those of the "
            "oldest calls are forgotten.",
            live=True,
        ),
    ] = 32
    trace_file: Annotated[
        Path | None,
        row(
            "TraceFile",
            kinds.PATH,
            "An SQLite file in which the messages of calls that are over are kept, also after a restart. "
            "They tell who talked with whom, from where; passwords are taken out.",
            default_words="they are kept in memory alone",
        ),
    ] = None
    trace_file_size: Annotated[
        int,
        row(
            "TraceFileSize",
            kinds.whole(1, 1_048_576, "MiB"),
            "How large that file may become before the oldest calls are removed from it; a call takes some "
            "5 kB.",
        ),
    ] = 100
    hep_server: Annotated[
        HostPort | None,
        row(
            "HEPServer",
            kinds.HEP_SERVER,
            "A Homer server that gets a copy of each SIP message and of the stanzas of calls, in UDP (HEP "
            "version 3). Passwords are taken out; the way there is not encrypted.",
            default_words="none",
        ),
    ] = None
    hep_capture_id: Annotated[
        int,
        row(
            "HEPCaptureID",
            kinds.whole(0, 2**32 - 1),
            "The number by which the Homer server knows this gateway.",
        ),
    ] = 2001
    hep_password: Annotated[
        SecretStr | None,
        row(
            "HEPPassword",
            kinds.SECRET,
            "What the Homer server wants to hear from its sources, if anything.",
            default_words="none",
        ),
    ] = None
