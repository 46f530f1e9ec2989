"""Scenes that cause a row of the verdict's tables, and the check that they do.

    @causes("busy", "5551234@127.0.0.2 is busy (SIP 486)")
    def test_a_phone_that_is_busy(world: World) -> None:
        ...

The scene plays; its last call must then have got a verdict with this row in it, and with these words.
"""

import inspect
from collections.abc import Callable
from functools import wraps

from app.world import World
from ichat_gw.ops.verdict import Finding, Verdict

Scene = Callable[..., World | None]

FIVE_MINUTES = 300.0
"""Seconds in which every call here comes to an end, if it must."""


def causes(code: str, words: str = "") -> Callable[[Scene], Callable[[], None]]:
    """The scene, which takes a new world or makes and returns its own, causes the row `code`."""

    def check(scene: Scene) -> Callable[[], None]:
        @wraps(scene)
        def test() -> None:
            if inspect.signature(scene).parameters:
                world = World()
                scene(world)
            else:
                made = scene()
                assert made is not None
                world = made
            world.run(FIVE_MINUTES)
            verdict = last_verdict(world)
            found = [finding for finding in verdict.findings if finding.code == code]
            assert found, f"the verdict is {[each.code for each in verdict.findings]}: {verdict.sentence}"
            assert words in found[0].sentence, found[0].sentence
            assert not {"{", "}"} & set(found[0].remedy)

        del test.__wrapped__  # type: ignore[attr-defined] # pytest would look for its fixtures there
        test.causes = code  # type: ignore[attr-defined]
        return test

    return check


def last_verdict(world: World) -> Verdict:
    """That on the call which ended last."""
    assert world.records, "no call has ended"
    return world.records[-1].verdict


def audio_of(world: World) -> tuple[str, str]:
    """The codes of the last verdict on what came from the caller and from the callee."""
    verdict = last_verdict(world)
    return _code(verdict.from_caller), _code(verdict.from_callee)


def _code(finding: Finding | None) -> str:
    return finding.code if finding is not None else ""
