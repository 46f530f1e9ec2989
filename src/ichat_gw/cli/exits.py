"""The exit statuses of `ichat-gw` and its commands: one table, for the code and for the documents."""

from enum import IntEnum


class Exit(IntEnum):
    """How a command ended."""

    OK = 0
    FAILED = 1
    WRONG = 2
    UNREACHABLE = 3
    REFUSED = 4
    NOT_FOUND = 5
    INTERRUPTED = 130


MEANING: dict[Exit, str] = {
    Exit.OK: "It did what was asked. For the gateway: an orderly stop.",
    Exit.FAILED: "It could not be done: a port is taken, say, or something that `check` tried does not work.",
    Exit.WRONG: "The configuration or the command line is wrong; nothing has been done.",
    Exit.UNREACHABLE: "No running gateway answers, or not in time, or its HttpPort is not open.",
    Exit.REFUSED: "The gateway wants another password (HttpAuthPwd).",
    Exit.NOT_FOUND: "There is no such call, or no rule translates the address.",
    Exit.INTERRUPTED: "Interrupted by Ctrl-C.",
}
"""Each in a sentence."""
