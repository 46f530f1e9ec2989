"""Where a redirected call goes next."""

import pytest

from ichat_gw.call.cause import Ending
from ichat_gw.sip.message import Headers, Response
from ichat_gw.sip.redirection import MAX_DEPTH, MAX_TARGETS, Targets

OURS = ("192.0.2.1", 5070)


def moved(*contacts: str, status: int = 302) -> Response:
    return Response(status, None, Headers([("Contact", contact) for contact in contacts]))


def all_of(targets: Targets) -> list[str]:
    found = []
    while (target := targets.next()) is not None:
        found.append(target)
    return found


def test_the_best_q_comes_first_and_equal_ones_in_their_order() -> None:
    targets = Targets("sip:bob@example.com")
    targets.redirected(
        moved(
            "<sip:half@a>;q=0.5, <sip:none@a>;q=0",
            "<sip:best@a>",
            "<sip:nearly@a>;q=0.99",
            "<sip:odd@a>;q=x, <sip:one@a>;q=1.0, <sip:dot@a>;q=.25",
        ),
        OURS,
    )
    assert all_of(targets) == [
        *("sip:best@a", "sip:odd@a", "sip:one@a", "sip:nearly@a", "sip:half@a", "sip:dot@a", "sip:none@a")
    ]


def test_only_sip_targets_that_have_not_been_called_and_are_not_us() -> None:
    targets = Targets("sip:bob@example.com")
    targets.redirected(
        moved(
            "<sips:bob@b>, <tel:+15551234>, <mailto:bob@b>",
            "<sip:bob@EXAMPLE.com>",
            "<sip:x@192.0.2.1:5070>",
            "<sip:c@c;method=INVITE;transport=tcp?Subject=hi>, <sip:c@c;transport=TCP>",
        ),
        OURS,
    )
    assert all_of(targets) == ["sip:c@c;transport=tcp"]


@pytest.mark.parametrize("status", [305, 380, 399])
def test_other_redirections_are_not_followed(status: int) -> None:
    targets = Targets("sip:bob@example.com")
    targets.redirected(moved("<sip:c@c>", status=status), OURS)
    assert targets.next() is None


def test_redirections_of_redirections_come_first_and_end() -> None:
    targets = Targets("sip:0@a")
    targets.redirected(moved("<sip:1@a>, <sip:spare@a>"), OURS)
    for depth in range(1, MAX_DEPTH):
        assert targets.next() == f"sip:{depth}@a"
        targets.redirected(moved(f"<sip:{depth + 1}@a>"), OURS)
    assert targets.next() == f"sip:{MAX_DEPTH}@a"
    targets.redirected(moved("<sip:too-deep@a>"), OURS)
    assert all_of(targets) == ["sip:spare@a"]


def test_the_number_of_targets_is_bounded() -> None:
    targets = Targets("sip:0@a")
    targets.redirected(moved(", ".join(f"<sip:{number + 1}@a>" for number in range(40))), OURS)
    assert len(all_of(targets)) == MAX_TARGETS - 1


def test_a_6xx_ends_it() -> None:
    targets = Targets("sip:0@a")
    targets.redirected(moved("<sip:1@a>, <sip:2@a>"), OURS)
    assert targets.next() == "sip:1@a"
    targets.failed(Ending.from_status(603))
    assert targets.next() is None
    assert targets.best == Ending.from_status(603)


@pytest.mark.parametrize(
    ("statuses", "best"),
    [
        ((302, 486), 486),
        ((302,), 302),
        ((503, 486, 480), 486),
        ((486, 503), 486),
        ((408, 503), 408),
        ((503, 480), 480),
        ((404, 600), 600),
    ],
)
def test_the_best_of_all_refusals_is_told(statuses: tuple[int, ...], best: int) -> None:
    targets = Targets("sip:0@a")
    for status in statuses:
        targets.failed(Ending.from_status(status))
    assert targets.best == Ending.from_status(best)
