"""A simulated iChat at a server of yours: `PYTHONPATH=tests python -m demo.ichat alice@localhost PASSWORD`.

It logs in, adds the control contact, and answers whoever calls, with noise for a voice, until Ctrl-C. With
`--call NUMBER` it calls instead, talks for three seconds, and says how many packets of sound came back; exit
status 0 when some did. Its SIP port and its ear are on 127.0.0.1.
"""

import argparse
import asyncio
import sys
from dataclasses import dataclass

from peers.ichat import SimulatedIChat

TALK = 3.0
FOREVER = 10 * 365 * 86_400.0


@dataclass(frozen=True, slots=True)
class Account:
    """An account at an XMPP server on this machine that encrypts."""

    address: str
    secret: str
    component: str
    client_port: int

    def jid(self, user: str) -> str:
        """The account's bare JID."""
        return self.address

    def password(self, user: str) -> str:
        """Its password."""
        return self.secret


def say(text: str) -> None:
    """A line, at once."""
    print(text, flush=True)


async def run(account: Account, control: str, number: str) -> int:
    """Be there until cancelled, or call `number`; the exit status."""
    ichat = SimulatedIChat(account, account.address.partition("@")[0], encrypted=True)
    async with ichat:
        await ichat.subscribe(control)
        say(f"online, and {control} is among the contacts")
        if number:
            return await call(ichat, f"{number}@{account.component}")
        while True:
            await ichat.wait_for("established", within=FOREVER)
            say("a call is up")
            await ichat.wait_for("ended", within=FOREVER)
            say(f"the call is over; {ichat.sip.call.received} packets of sound came")
            ichat.forget()


async def call(ichat: SimulatedIChat, callee: str) -> int:
    """Call, talk, hang up."""
    ichat.call(callee)
    response = await ichat.wait_for("vc:response", within=60)
    if response.fields.get("response") != "0":
        say(f"{callee} did not answer")
        return 1
    await ichat.wait_for("established")
    say(f"{callee} has answered")
    await asyncio.sleep(TALK)
    ichat.sip.hang_up()
    await ichat.wait_for("SIP 200 BYE")
    say(f"hung up; {ichat.sip.call.received} packets of sound came")
    return 0 if ichat.sip.call.received else 1


def main() -> int:
    """Read the command line."""
    parser = argparse.ArgumentParser(prog="demo.ichat", description=__doc__)
    parser.add_argument("jid", help="alice@localhost")
    parser.add_argument("password")
    parser.add_argument("--component", help="the gateway's domain (default: ichat-gw.DOMAIN)")
    parser.add_argument("--control", default="control", help="its control user (default: control)")
    parser.add_argument(
        "--port", type=int, default=5222, help="of the XMPP server on 127.0.0.1 (default: 5222)"
    )
    parser.add_argument("--call", default="", metavar="NUMBER", help="call this and go")
    arguments = parser.parse_args()
    component = arguments.component or f"ichat-gw.{arguments.jid.partition('@')[2]}"
    account = Account(arguments.jid, arguments.password, component, arguments.port)
    try:
        return asyncio.run(run(account, f"{arguments.control}@{component}", arguments.call))
    except KeyboardInterrupt:
        return 0
    except AssertionError as error:
        print(str(error).splitlines()[0], file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main())
