"""What all pages have around them: head, navigation, footer; and the small pieces that several use."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from ichat_gw.ops.pages.html import NOTHING, Html, fill, joined, path

NAVIGATION = (
    ("", "Overview"),
    ("calls", "Live calls"),
    ("records", "Records"),
    ("users", "Users"),
    ("rules", "Rules"),
    ("settings", "Settings"),
)
"""The pages: first step of the path, and title."""

_PAGE = """\
<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<meta name="referrer" content="no-referrer">
<title>{title} · ichat-gw</title>
<link rel="icon" href="/static/icon.svg" type="image/svg+xml">
<link rel="stylesheet" href="/static/page.css">
<script type="module" src="/static/page.js"></script>
</head>
<body>
<a class="skip" href="#content">Skip to the content</a>
<header class="top">
<p class="brand"><a href="/"><img src="/static/icon.svg" alt="" width="20" height="20">ichat-gw</a></p>
<nav aria-label="Pages"><ul>{navigation}</ul></nav>
<p class="live" id="live" role="status" hidden></p>
</header>
<main id="content" tabindex="-1" data-live="{live}">
<h1>{heading}</h1>
{body}
</main>
<footer><p>ichat-gw {version} · times are UTC</p></footer>
</body>
</html>
"""


@dataclass(frozen=True, slots=True)
class Page:
    """A page before it gets what all pages have around them."""

    title: str
    body: Html
    here: str
    """Which entry of the navigation it belongs to."""
    live: str = ""
    """The events (names of `api_routes.EVENTS`) after which it shows something else, separated by blanks."""
    heading: Html = NOTHING
    """Instead of the title."""


def render(page: Page, version: str) -> bytes:
    """The whole page, as it is sent."""
    entries = [
        fill(
            '<li><a href="{href}"{current}>{title}</a></li>',
            href=path(step),
            current=Html(' aria-current="page"') if step == page.here else NOTHING,
            title=title,
        )
        for step, title in NAVIGATION
    ]
    return fill(
        _PAGE,
        title=page.title,
        navigation=joined(entries),
        heading=page.heading or page.title,
        body=page.body,
        live=page.live,
        version=version,
    ).encode()


def error_page(status: int, text: str, remedy: str) -> Page:
    """Instead of a page that cannot be shown."""
    body = fill('<p class="lead">{text}.</p><p>{remedy}</p>', text=text[:1].upper() + text[1:], remedy=remedy)
    return Page(f"{status}", body, "-")


@dataclass(frozen=True, slots=True)
class Column:
    """A column of a table."""

    title: str
    kind: str = ""
    """`num`: numbers, to the right; `wide`: takes what room there is."""


def table(
    name: str,
    caption: str,
    columns: Sequence[Column],
    rows: Iterable[tuple[str, Sequence[object]]],
    empty: str,
) -> Html:
    """A table; each row is a key, that it keeps while it changes, and its cells.

    On a narrow screen each row becomes a card, whose lines have the columns' titles before them. `name` is
    its id, and `empty` the sentence that stands there instead of no rows.
    """
    lines = [
        fill(
            '<tr data-key="{key}">{cells}</tr>',
            key=key,
            cells=joined(
                fill(
                    '<td{kind} data-title="{title}">{cell}</td>',
                    kind=_kind(column),
                    title=column.title,
                    cell=cell,
                )
                for column, cell in zip(columns, cells, strict=True)
            ),
        )
        for key, cells in rows
    ]
    if not lines:
        return fill('<p class="empty" id="{name}">{empty}</p>', name=name, empty=empty)
    return fill(
        '<div class="scroll" id="{name}" tabindex="0" role="region" aria-label="{caption}"><table>'
        '<caption class="unseen">{caption}</caption>'
        "<thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>",
        name=name,
        caption=caption,
        head=joined(
            fill('<th scope="col"{kind}>{title}</th>', kind=_kind(column), title=column.title)
            for column in columns
        ),
        body=joined(lines, "\n"),
    )


def _kind(column: Column) -> Html:
    return fill(' class="{kind}"', kind=column.kind) if column.kind else NOTHING


def pill(kind: str, words: object) -> Html:
    """A state in a word: `kind` is `good`, `busy`, `bad` or `idle`, and never the only thing that says it."""
    return fill('<span class="pill {kind}">{words}</span>', kind=kind, words=words)


def facts(pairs: Iterable[tuple[str, object]]) -> Html:
    """Names and values, below each other."""
    return fill(
        '<dl class="facts">{lines}</dl>',
        lines=joined(
            fill("<div><dt>{name}</dt><dd>{value}</dd></div>", name=name, value=value)
            for name, value in pairs
        ),
    )


def section(name: str, title: str, *parts: object) -> Html:
    """A part of a page with a title of its own."""
    return fill(
        '<section id="{name}"><h2>{title}</h2>{parts}</section>',
        name=name,
        title=title,
        parts=joined(parts),
    )


def code(value: object) -> Html:
    """Something that is to be read letter by letter."""
    return fill("<code>{value}</code>", value=value)
