"""How times, durations and quantities are written on the page. All times are UTC, as in the log."""

from datetime import datetime

from ichat_gw.ops.pages.html import NOTHING, Html, fill

NONE = Html('<span class="none" aria-label="not known">–</span>')
"""What stands for a value that is not known."""


def clock(at: datetime | None) -> Html:
    """`10:31:07`; the date is in the tool tip."""
    if at is None:
        return NONE
    return fill(
        '<time datetime="{iso}" title="{day} UTC">{clock}</time>',
        iso=_iso(at),
        day=_day(at),
        clock=f"{at:%H:%M:%S}",
    )


def moment(at: datetime | None) -> Html:
    """`2026-11-23 10:31:07`."""
    return NONE if at is None else fill('<time datetime="{iso}">{day}</time>', iso=_iso(at), day=_day(at))


def span(seconds: float | None) -> Html:
    """`0:07`, `1:05:30`, `3 d 4 h`: a duration for people."""
    if seconds is None:
        return NONE
    whole = int(max(0.0, seconds))
    if whole >= 2 * 86400:
        return fill("{days} d {hours} h", days=whole // 86400, hours=whole % 86400 // 3600)
    hours, minutes = divmod(whole // 60, 60)
    words = f"{hours}:{minutes:02}:{whole % 60:02}" if hours else f"{minutes}:{whole % 60:02}"
    return Html(words)


def delay(seconds: float | None) -> Html:
    """`85 ms`, `1.24 s`: a delay, exact enough to be compared."""
    if seconds is None:
        return NONE
    return Html(f"{seconds * 1000:.0f} ms" if seconds < 1 else f"{seconds:.2f} s")


def share(part: float | None) -> Html:
    """`0 %`, `0.04 %`, `12 %`."""
    if part is None:
        return NONE
    percent = part * 100
    return Html(f"{percent:.0f} %" if percent >= 10 or not percent else f"{percent:.2g} %")


def milliseconds(value: float | None) -> Html:
    """`1.3 ms`."""
    return NONE if value is None else Html(f"{value:.1f} ms")


def count(number: int | None) -> Html:
    """`1 234 567`, with thin spaces."""
    return NONE if number is None else Html(f"{number:,}".replace(",", "\N{NARROW NO-BREAK SPACE}"))


def plural(number: int, one: str, many: str = "") -> Html:
    """`1 call`, `3 calls`."""
    return fill("{number} {words}", number=count(number), words=one if number == 1 else many or f"{one}s")


def sentence(words: str) -> str:
    """A sentence that begins with a capital letter, unless it begins with an address or a name."""
    first = words.partition(" ")[0]
    return words[:1].upper() + words[1:] if first.isalpha() and first.islower() else words


def address(uri: str) -> Html:
    """An address, its scheme less loud than the rest; what is between them may break at the `@`."""
    scheme, colon, rest = uri.partition(":")
    if not colon:
        return fill('<span class="addr">{uri}</span>', uri=uri)
    user, at, host = rest.rpartition("@")
    return fill(
        '<span class="addr"><span class="scheme">{scheme}:</span>{user}{at}{host}</span>',
        scheme=scheme,
        user=user,
        at=Html("<wbr>@") if at else NOTHING,
        host=host,
    )


def _iso(at: datetime) -> str:
    return f"{at:%Y-%m-%dT%H:%M:%S}Z"


def _day(at: datetime) -> str:
    return f"{at:%Y-%m-%d %H:%M:%S}"
