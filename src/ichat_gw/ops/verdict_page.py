"""The troubleshooting page, written from the tables of the verdict.

python -m ichat_gw.ops.verdict_page DIRECTORY     # writes docs/how-to/why-no-audio.md below it
"""

import sys
from pathlib import Path

from msgspec.structs import replace

from ichat_gw.call.cause import Cause
from ichat_gw.ops.verdict_audio import AUDIO, Direction
from ichat_gw.ops.verdict_ends import ENDS
from ichat_gw.ops.verdict_facts import CallFacts, Counted, Party, Person, Said, Sample

PAGE = Path("docs/how-to/why-no-audio.md")

_INTRODUCTION = """\
# Why was there no audio, why did the call fail?

<!-- Written by `python -m ichat_gw.ops.verdict_page .` from the tables in src/ichat_gw/ops; do not edit. -->

The gateway says of each call that is over who ended it and why, and what became of the audio in both
directions. You find this verdict

* on the status page, with the call and in the list of calls,
* with `ichat-gw trace CALL`, under the call's ladder,
* in the log, if there is something to do about it, in a line `verdict` with the call's id,
* in the column `verdict` of the call records, as a word: that is the heading to look for below.

Only what went wrong has a remedy. Under each heading stands what is said of a call from bob, at a phone, to
alice, an iChat user.

If a user says that he heard nothing and the verdict is `hung-up` with both directions `arrived`, the audio
got as far as this machine and left it again: what remains is the way from here to his device, and the device
itself. Its loudspeaker and its own firewall are the first to look at.
"""

_BOB, _ALICE = ("192.0.2.7", 8000), ("192.0.2.9", 16402)
_FINAL = Sample(
    160.0,
    Counted(
        received=2700, lost=300, strangers=2950, stranger=("198.51.100.4", 31337), malformed=2950, jitter=85.0
    ),
    Counted(sent=3000, reported_lost=360),
)
_CALL = CallFacts(
    caller=Person("sip:bob@192.0.2.7", "192.0.2.7"),
    callee=Person("xmpp:alice@example.com"),
    began=95.0,
    ended=160.0,
    answered=100.0,
    cause=Cause.HANGUP,
    by=Party.CALLEE,
    caller_said=(Said(95.0, address=_BOB),),
    callee_said=(Said(99.0, address=_ALICE),),
    samples=(_FINAL,),
    final=_FINAL,
    caller_port=("192.0.2.1", 20000),
)
_DIRECTION = Direction(_CALL, Party.CALLER, _FINAL.caller, _FINAL.callee, 130.0, 120.0, 115.0)

_CAUSES = {"too-long": Cause.TOO_LONG, "broken-up": Cause.BUSY, "xmpp-down": Cause.CONNECTOR_LOST}
"""Where the sentence tells the cause."""


def page() -> str:
    """The page, in Markdown."""
    parts = [_INTRODUCTION, "## The audio of one direction\n"]
    for row in AUDIO:
        remedy = row.remedy.format(port="the port", speaker="the party", listener="the other party")
        parts.append(_section(row.code, row.tell(_DIRECTION), remedy))
    parts.append(
        _section(
            "not-counted",
            "what became of the audio of the caller is not known",
            "the relay worker died at the end of the call, and took its counters with it: the log says why",
        )
    )
    parts.append(
        _section(
            "direct",
            "the audio of the caller went past the relay, so nothing is known of it",
            "with AlwaysRelayIChatMedia = off audio goes from party to party; only with on it is counted",
        )
    )
    parts.append("## The end of a call\n")
    for end in ENDS:
        call = replace(_CALL, cause=_CAUSES.get(end.code, _CALL.cause))
        parts.append(
            _section(end.code, end.tell(call), end.remedy.format(setting="the setting that is named"))
        )
    return "\n".join(parts)


def _section(code: str, sentence: str, remedy: str) -> str:
    what = f"{remedy[0].upper()}{remedy[1:]}." if remedy else "There is nothing to do."
    return f"### {code}\n\n> {sentence}\n\n{what}\n"


def main() -> int:
    """Write the page below the directory that is named."""
    path = Path(sys.argv[1]) / PAGE
    path.write_text(page(), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
