"""Small charts as SVG, without a script: a line over time, its highest value, and what it says in words."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from ichat_gw.ops.api import Series, SeriesPoint
from ichat_gw.ops.pages.figures import delay, milliseconds, share
from ichat_gw.ops.pages.html import NOTHING, Html, fill, joined

WIDTH, HEIGHT = 360.0, 72.0
"""Of the line itself, in the units of the drawing."""


@dataclass(frozen=True, slots=True)
class Line:
    """One chart."""

    name: str
    title: str
    value: Callable[[SeriesPoint], float | None]
    write: Callable[[float], object]
    least_top: float
    """The highest value that the chart shows at least, so that noise does not look like a mountain."""


LINES = (
    Line("calls", "Live calls", lambda point: point.calls, lambda value: f"{value:g}", 4),
    Line("setup", "Set-up delay (median)", lambda point: point.setup_seconds, delay, 0.2),
    Line("loss", "Packet loss", lambda point: point.loss, share, 0.01),
    Line("jitter", "Jitter (mean)", lambda point: point.jitter_ms, milliseconds, 5),
)


def charts(series: Series, span: str) -> Html:
    """All charts; `span` says in words how long a time they show."""
    return fill(
        '<div class="charts">{charts}</div>', charts=joined(_chart(line, series, span) for line in LINES)
    )


def _chart(line: Line, series: Series, span: str) -> Html:
    values = [line.value(point) for point in series.points]
    known = [value for value in values if value is not None]
    top = max([line.least_top, *known])
    last = line.write(known[-1]) if known else "none yet"
    highest = line.write(max(known)) if known else "none"
    return fill(
        '<figure id="chart-{name}"><figcaption>{title} <b>{last}</b></figcaption>'
        '<svg viewBox="0 0 {width} {height}" preserveAspectRatio="none" role="img" '
        'aria-label="{title} over {span}: last {last}, highest {highest}">'
        '<path class="grid" d="M0 0.5H{width}M0 {middle}H{width}M0 {bottom}H{width}"/>{area}{line}</svg>'
        '<p class="axis" aria-hidden="true"><span>{from_}</span><span>top {top}</span><span>{to}</span></p>'
        "</figure>",
        name=line.name,
        title=line.title,
        last=last,
        highest=highest,
        span=span,
        width=f"{WIDTH:g}",
        height=f"{HEIGHT:g}",
        middle=f"{HEIGHT / 2:g}",
        bottom=f"{HEIGHT - 0.5:g}",
        area=_path("area", values, top, closed=True),
        line=_path("line", values, top, closed=False),
        from_=f"{series.points[0].at:%H:%M}" if series.points else NOTHING,
        top=line.write(top),
        to=f"{series.points[-1].at:%H:%M}" if series.points else NOTHING,
    )


def _path(kind: str, values: Sequence[float | None], top: float, *, closed: bool) -> Html:
    """The line, or the area below it; a value that is not known makes a gap."""
    step = WIDTH / max(1, len(values) - 1)
    drawn: list[str] = []
    run: list[str] = []
    for number, value in enumerate([*values, None]):
        if value is not None:
            run.append(f"{number * step:.1f} {HEIGHT - 1 - (HEIGHT - 2) * value / top:.1f}")
        elif run:
            # A single point would be invisible as a line.
            first, last = run[0].split()[0], run[-1].split()[0]
            if len(run) == 1:
                last = f"{float(first) + step / 2:.1f}"
                run.append(f"{last} {run[0].split()[1]}")
            drawn.append(
                f"M{first} {HEIGHT:g}L{'L'.join(run)}L{last} {HEIGHT:g}Z" if closed else f"M{'L'.join(run)}"
            )
            run = []
    return fill('<path class="{kind}" d="{path}"/>', kind=kind, path="".join(drawn)) if drawn else NOTHING
