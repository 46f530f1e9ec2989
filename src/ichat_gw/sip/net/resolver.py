"""From the URI of a request to the flows it can take: `ichat_gw.sip.locating`, put to work.

Only what can be reached from here is offered: by transports that are open, in families that have a route.
"""

import asyncio
import random
from collections.abc import Callable, Collection

from ichat_gw.sip.events import Flow, Lookup, Resolved
from ichat_gw.sip.locating import Answers, Endpoint, Question, Steps, Target, Unreachable, best_first, locate
from ichat_gw.sip.net.dns import Dns

TOTAL_SECONDS = 10.0
"""For one URI, all questions together."""
MAX_LOOKUPS = 2_000
"""Under way at one time; further ones fail at once."""


class Resolver:
    """Answers look-ups. `flow_to` makes the flow to an endpoint, or raises OSError when there is no way."""

    def __init__(
        self,
        dns: Dns,
        offered: Collection[str],
        flow_to: Callable[[Endpoint, str], Flow],
        deliver: Callable[[Resolved], None],
        chance: Callable[[], float] = random.random,
        seconds: float = TOTAL_SECONDS,
    ) -> None:
        self._dns = dns
        self._offered = offered
        self._flow_to = flow_to
        self._deliver = deliver
        self._chance = chance
        self._seconds = seconds
        self._loop = asyncio.get_running_loop()
        self._lookups: set[asyncio.Task[None]] = set()

    def lookup(self, command: Lookup) -> None:
        """Answer with a Resolved: on the loop's next turn for a numeric host, else when it is known."""
        try:
            target = Target.of(command.uri)
            steps = locate(target, self._offered, self._chance)
            questions = next(steps)
        except StopIteration as end:
            self._loop.call_soon(self._deliver, self._resolved(command, target, end.value))
        except Unreachable as error:
            self._loop.call_soon(self._deliver, Resolved(command.lookup, (), str(error)))
        else:
            if len(self._lookups) >= MAX_LOOKUPS:
                refused = Resolved(command.lookup, (), "too many names are being looked up")
                self._loop.call_soon(self._deliver, refused)
                return
            task = asyncio.Task(
                self._run(command, target, steps, questions),
                loop=self._loop,
                name=f"look-up of {target.host}",
            )
            self._lookups.add(task)
            task.add_done_callback(self._lookups.discard)

    async def close(self) -> None:
        """End what is under way; nobody is told."""
        lookups = list(self._lookups)
        for lookup in lookups:
            lookup.cancel()
        await asyncio.gather(*lookups, return_exceptions=True)
        await self._dns.close()

    async def _run(self, command: Lookup, target: Target, steps: Steps, questions: list[Question]) -> None:
        failures: dict[str, None] = {}
        try:
            async with asyncio.timeout(self._seconds):
                while True:
                    questions = steps.send(await self._ask(questions, failures))
        except StopIteration as end:
            resolved = self._resolved(command, target, end.value)
        except TimeoutError:
            resolved = Resolved(command.lookup, (), f"{target.host}: not resolved in {self._seconds:g} s")
        except Unreachable as error:
            text = "; ".join([str(error), *failures])
            resolved = Resolved(command.lookup, (), text)
        self._deliver(resolved)

    async def _ask(self, questions: list[Question], failures: dict[str, None]) -> Answers:
        answers = await asyncio.gather(*(self._dns.ask(question) for question in questions))
        failures.update(dict.fromkeys(answer.failed for answer in answers if answer.failed))
        return {question: answer.records for question, answer in zip(questions, answers, strict=True)}

    def _resolved(self, command: Lookup, target: Target, groups: list[tuple[Endpoint, ...]]) -> Resolved:
        flows: list[Flow] = []
        text = ""
        for group in groups:
            ways: dict[Endpoint, Flow] = {}
            for endpoint in group:
                try:
                    ways[endpoint] = self._flow_to(endpoint, target.name)
                except OSError as error:
                    text = f"{endpoint.address}: {error.strerror or error}"
            ordered = best_first((endpoint, flow.local[0]) for endpoint, flow in ways.items())
            flows += [ways[endpoint] for endpoint, _ in ordered]
        return Resolved(command.lookup, tuple(dict.fromkeys(flows)), "" if flows else text)
