"""Manual pages are written in roff (man(7)): what text must be like there."""


def text(words: str, fill: bool = True) -> str:
    """Text in which nothing is a request or an escape; `fill`: its lines may be broken elsewhere."""
    if fill:
        words = " ".join(words.split())
    words = words.replace("\\", "\\e").replace("-", "\\-").replace("`", "")
    return "\n".join(f"\\&{line}" if line.startswith((".", "'")) else line for line in words.split("\n"))


def head(title: str, section: int, name: str, what: str) -> str:
    """The beginning of a page."""
    return (
        '.\\" Made by a program out of the code; do not edit.\n'
        f'.TH {title} {section} "" "ichat-gw" "ichat-gw"\n.SH NAME\n{text(name)} \\- {text(what)}'
    )
