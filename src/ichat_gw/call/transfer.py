"""One party of an established call is replaced by somebody new; the other party stays, and hears no ring.

A pure machine inside the bridge, which asks the media engine through it. There are two ways to begin: a
party transfers the call (`call`), so that we call somebody, the candidate, for the other party; or somebody
calls us to take a party's place (`answer`).

    state       what is being waited for
    OFFERING    the media engine makes the offer for the candidate
    CALLING     the candidate has been called
    CONNECTING  the candidate answered; the media engine turns to him
    TAKING      somebody called; the media engine turns to him
    REPLACED    the candidate has the place
    FAILED      nothing has changed, and `ending` says why; or the old leg is gone as well (`left`)

Until REPLACED the old leg stays as it was. It may leave meanwhile, as many phones do as soon as their
transfer is accepted; then there is nothing to fall back to.
"""

from collections.abc import Callable
from dataclasses import replace
from enum import Enum
from typing import TypeAlias

from ichat_gw.call.cause import Cause, Ending
from ichat_gw.call.leg import AcceptTransfer, Answer, End, Place, Refuse, Sdp, TransferProgress
from ichat_gw.call.media import MediaCandidate, MediaReplace, MediaRequest, Side
from ichat_gw.call.words import LegReplaced, ToCandidate, ToLeg, ToMedia

TransferCommand: TypeAlias = ToLeg | ToCandidate | ToMedia | LegReplaced


class TransferState(Enum):
    """How far a transfer has come; see the table in the module's docstring."""

    OFFERING = "offering"
    CALLING = "calling"
    CONNECTING = "connecting"
    TAKING = "taking"
    REPLACED = "replaced"
    FAILED = "failed"


class Transfer:
    """One replacement of `side`, from its beginning to its end.

    `ask` gives the numbers of media requests; `host` is where the new party is.
    """

    def __init__(self, side: Side, host: str, ask: Callable[[], int]) -> None:
        self.side = side
        self.host = host
        self.state = TransferState.FAILED
        self.ending: Ending | None = None
        """Why it failed."""
        self.left: Ending | None = None
        """How the party that was to be replaced left before that; None while it is there."""
        self.candidate_left: Ending | None = None
        """How the new party left before it had the place."""
        self._ask = ask
        self._place: Place | None = None
        self._out: list[TransferCommand] = []

    def call(self, place: Place) -> list[TransferCommand]:
        """Begin a transfer: tell the party that it is tried, and have the offer for the candidate made."""
        self.state = TransferState.OFFERING
        self._place = place
        self._out.append(ToLeg(self.side, AcceptTransfer()))
        self._request(MediaCandidate(self._ask(), self.side, self.host))
        return self._drain()

    def answer(self, offer: Sdp | None) -> list[TransferCommand]:
        """Begin with somebody who calls us to take the place."""
        self.state = TransferState.TAKING
        self._request(MediaReplace(self._ask(), self.side, offer, self.host, answers=False))
        return self._drain()

    def hear(self, what: str, sdp: Sdp | None = None, ending: Ending | None = None) -> list[TransferCommand]:
        """Hear what the table calls `what`; anything else changes nothing."""
        row = TABLE.get((self.state, what))
        if row is not None:
            action, self.state = row
            action(self, sdp, ending or Ending(Cause.HANGUP))
        return self._drain()

    def stop(self, ending: Ending) -> list[TransferCommand]:
        """The whole call is over."""
        if self.candidate_left is None and self.state is not TransferState.OFFERING:
            said = Refuse(ending) if self.state is TransferState.TAKING else End(ending)
            self._out.append(ToCandidate(said))
        self.state = TransferState.FAILED
        return self._drain()

    @property
    def waits_for_person(self) -> bool:
        """Whether the candidate may still take as long as he likes; `no answer` ends that."""
        return self.state in (TransferState.OFFERING, TransferState.CALLING)

    # --- the table's actions ------------------------------------------------------------------------------

    def _place_candidate(self, sdp: Sdp | None, ending: Ending) -> None:
        assert self._place is not None
        self._out.append(ToCandidate(replace(self._place, offer=sdp)))

    def _say_ringing(self, sdp: Sdp | None, ending: Ending) -> None:
        self._tell_old(TransferProgress(180))

    def _turn_to_candidate(self, sdp: Sdp | None, ending: Ending) -> None:
        self._request(MediaReplace(self._ask(), self.side, sdp, self.host, answers=True))

    def _replace(self, sdp: Sdp | None, ending: Ending) -> None:
        self._tell_old(TransferProgress(200))
        self._tell_old(End(Ending(Cause.TRANSFERRED)))
        self._out.append(LegReplaced(self.side))

    def _let_take(self, sdp: Sdp | None, ending: Ending) -> None:
        if self.candidate_left is None:
            assert sdp is not None
            self._out.append(ToCandidate(Answer(sdp)))
        self._tell_old(End(Ending(Cause.REPLACED)))
        self._out.append(LegReplaced(self.side))

    def _fail(self, sdp: Sdp | None, ending: Ending) -> None:
        self.ending = ending
        self._tell_old(TransferProgress(ending.sip_status))

    def _give_up(self, sdp: Sdp | None, ending: Ending) -> None:
        if self.candidate_left is None:
            self._out.append(ToCandidate(End(ending)))
        self._fail(sdp, ending)

    def _turn_away(self, sdp: Sdp | None, ending: Ending) -> None:
        self.ending = ending
        if self.candidate_left is None:
            self._out.append(ToCandidate(Refuse(ending)))

    def _old_left(self, sdp: Sdp | None, ending: Ending) -> None:
        self.left = ending

    def _candidate_left(self, sdp: Sdp | None, ending: Ending) -> None:
        """He has gone while the media turned to him: he gets the place first, and leaves it then."""
        self.candidate_left = ending

    # --- the machinery ------------------------------------------------------------------------------------

    def _tell_old(self, command: TransferProgress | End) -> None:
        if self.left is None:
            self._out.append(ToLeg(self.side, command))

    def _request(self, request: MediaRequest) -> None:
        self._out.append(ToMedia(request))

    def _drain(self) -> list[TransferCommand]:
        out, self._out = self._out, []
        return out


_Action: TypeAlias = Callable[[Transfer, Sdp | None, Ending], None]


def _rows() -> dict[tuple[TransferState, str], tuple[_Action, TransferState]]:
    s, t = TransferState, Transfer
    rows: dict[tuple[TransferState, str], tuple[_Action, TransferState]] = {
        (s.OFFERING, "media ready"): (t._place_candidate, s.CALLING),
        (s.OFFERING, "media refused"): (t._fail, s.FAILED),
        (s.OFFERING, "no answer"): (t._fail, s.FAILED),
        #
        (s.CALLING, "candidate rang"): (t._say_ringing, s.CALLING),
        (s.CALLING, "candidate answered"): (t._turn_to_candidate, s.CONNECTING),
        (s.CALLING, "candidate refused"): (t._fail, s.FAILED),
        (s.CALLING, "candidate ended"): (t._fail, s.FAILED),
        (s.CALLING, "no answer"): (t._give_up, s.FAILED),
        #
        (s.CONNECTING, "media ready"): (t._replace, s.REPLACED),
        (s.CONNECTING, "media refused"): (t._give_up, s.FAILED),
        #
        (s.TAKING, "media ready"): (t._let_take, s.REPLACED),
        (s.TAKING, "media refused"): (t._turn_away, s.FAILED),
    }
    for turning in (s.CONNECTING, s.TAKING):
        rows[turning, "candidate ended"] = (t._candidate_left, turning)
        rows[turning, "candidate refused"] = (t._candidate_left, turning)
    for waiting in (s.OFFERING, s.CALLING, s.CONNECTING, s.TAKING):
        rows[waiting, "old ended"] = (t._old_left, waiting)
    return rows


TABLE = _rows()
"""(state, what is heard) -> (action, next state)."""
