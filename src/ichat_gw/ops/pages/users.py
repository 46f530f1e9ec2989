"""Who is online, and how they are registered."""

from ichat_gw.ops.api import RegistrationState, Users, UserState
from ichat_gw.ops.pages.figures import address, clock, moment, plural
from ichat_gw.ops.pages.html import NOTHING, Html, fill, joined
from ichat_gw.ops.pages.layout import Column, Page, pill, table

MOST_ON_PAGE = 500
"""Users that the page shows; the API gives all."""

_PILLS = {"asking": "busy", "registered": "good", "failed": "bad", "leaving": "idle"}

_FORM = """\
<form class="ask" method="get" action="/users" role="search">
<label for="search">Search</label>
<input id="search" name="search" type="search" value="{search}" maxlength="200" autocomplete="off"
 placeholder="a part of a JID or SIP address">
<button>Search</button>
</form>
"""


def users_page(users: Users, search: str) -> Page:
    """Those whose JID or SIP address contains `search`, those with trouble first."""
    words = search.lower()
    found = [user for user in users.users if words in user.jid.lower() or words in user.aor.lower()]
    found.sort(key=lambda user: (not _is_in_trouble(user), user.jid))
    columns = (Column("User"), Column("Online since"), Column("SIP address"), Column("Registration", "wide"))
    rows = (
        (
            user.jid,
            (
                joined([address(f"xmpp:{user.jid}"), _calls(user)], " "),
                moment(user.since),
                address(user.aor) if user.aor else "no rule leads to one",
                registration(user.registration),
            ),
        )
        for user in found[:MOST_ON_PAGE]
    )
    empty = "Nobody is like that." if search else "Nobody is online with an iChat now."
    more = len(found) - MOST_ON_PAGE
    body = joined(
        [
            fill(_FORM, search=search),
            table("users-table", "Users who are online", columns, rows, empty),
            fill('<p class="quiet">{more} not shown.</p>', more=plural(more, "user"))
            if more > 0
            else NOTHING,
        ],
        "\n",
    )
    return Page("Users", body, "users", "users calls")


def _is_in_trouble(user: UserState) -> bool:
    return user.registration is not None and user.registration.state == "failed"


def _calls(user: UserState) -> Html:
    return pill("busy", plural(user.calls, "call")) if user.calls else NOTHING


def registration(state: RegistrationState | None) -> Html:
    """How it stands, and what is expected next."""
    if state is None:
        return fill('<span class="quiet">none</span>')
    words = [pill(_PILLS[state.state], state.state)]
    if state.state == "failed":
        code = f"{state.status} " if state.status else ""
        words.append(fill("{code}{text}", code=code, text=state.text))
        if state.retry is not None:
            words.append(fill("tried again at {retry}", retry=clock(state.retry)))
    elif state.expires is not None:
        words.append(fill("until {expires}", expires=clock(state.expires)))
    return joined(words, " ")
