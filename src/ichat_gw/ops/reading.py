"""What a trace shows of what it has recorded: a summary in a few words, and the content without secrets."""

import re
from typing import TypeAlias

from ichat_gw.ipc.messages import Message
from ichat_gw.ops import redact, wire
from ichat_gw.ops.line import whole

Content: TypeAlias = bytes | str | Message
"""SIP as bytes; as text a stanza (it begins with `<`), a session description (with `v=`) or a sentence; or a
message between the two programs."""

_TAG = re.compile(r"<([\w:-]+)([^>]*)>(?:\s*<[\w:-]+([^>]*)>)?")
_ATTRIBUTE = re.compile(r"([\w:-]+)\s*=\s*(?:'([^']*)'|\"([^\"]*)\")")
_BLANK = re.compile(r"\r?\n\r?\n")
LONGEST_SUMMARY = 200
"""Characters."""


def summary(content: Content) -> str:
    """A few words on one line, without secrets."""
    if isinstance(content, bytes):
        words = sip_summary(content)
    elif isinstance(content, str):
        words = _stanza_summary(content) if content.startswith("<") else content
    else:
        words = wire.manual_name(content)
    return redact.text(whole(" ".join(words.split())[:LONGEST_SUMMARY]))


def contents(content: Content) -> bytes:
    """SIP, stanzas and descriptions as sent, secrets overwritten with as many bytes; nothing of the rest."""
    if isinstance(content, bytes):
        return redact.overwritten(content)
    if isinstance(content, str) and content.startswith(("<", "v=")):
        return redact.overwritten(content.encode("utf-8", "surrogatepass"))
    return b""


def fields_of(content: Content) -> list[tuple[str, object]]:
    """The fields of a message between the two programs; nothing of anything else."""
    if isinstance(content, bytes | str):
        return []
    return [(name.rstrip("_"), getattr(content, name)) for name in content.__struct_fields__]


def sip_summary(data: bytes) -> str:
    """`INVITE sip:bob@example.com`, `200 OK (INVITE)`, `keep-alive`, or `not SIP`."""
    text = data.decode("utf-8", "replace")
    lines = _BLANK.split(text, maxsplit=1)[0].splitlines() or [""]
    words = lines[0].split(" ", 2)
    if not text.strip("\r\n\0"):
        return "keep-alive"
    if len(words) == 3 and words[0] == "SIP/2.0" and re.fullmatch("[0-9]{3}", words[1]):
        method = ""
        for line in lines[1:]:
            if line[:5].lower() == "cseq:":
                method = line.rpartition(" ")[2]
        return wire.response_summary(int(words[1]), words[2], method)
    if len(words) == 3 and words[2] == "SIP/2.0":
        return wire.request_summary(words[0], words[1])
    return "not SIP"


def _stanza_summary(xml: str) -> str:
    found = _TAG.match(xml)
    if found is None:
        return "not a stanza"
    name, own, child = found.groups()
    attributes = _attributes(own)
    namespace = _attributes(child or "").get("xmlns", "") if name == "iq" else ""
    return wire.stanza_summary(name, attributes.get("type", ""), namespace)


def _attributes(text: str) -> dict[str, str]:
    return {name: single or double for name, single, double in _ATTRIBUTE.findall(text)}
