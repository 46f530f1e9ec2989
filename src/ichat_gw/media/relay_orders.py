"""What a relay worker is told of a party, from what the parties have said."""

from ichat_gw.call.media import Side
from ichat_gw.media.codec import Codec
from ichat_gw.media.exchange import Party
from ichat_gw.media.negotiation import Audio, both_talk
from ichat_gw.media.relay_messages import Adjust, Learning, Retarget
from ichat_gw.media.relay_session import learning_for
from ichat_gw.media.stream import USUAL_RATE


def retarget(session: int, side: Side, party: Party, window: float) -> Retarget | None:
    """Where `party` says it is, and what may be learnt of it for `window` seconds; None: it does not say."""
    if party.audio is None or party.audio.rtp is None:
        return None
    learning = learning_for(party.audio.rtp[0], party.towards)
    return Retarget(
        session,
        side,
        party.audio.rtp,
        party.audio.rtcp,
        learning,
        0.0 if learning is Learning.NOTHING else window,
    )


def adjust(session: int, side: Side, party: Party, partner: Party, timeout: float) -> Adjust | None:
    """Whether `party` wants RTP, how to renumber what it sends, and the like; None while it has no ports.

    It may be silent for `timeout` seconds while both parties talk.
    """
    if party.audio is None or not party.opened:
        return None
    return Adjust(
        session,
        side,
        party.audio.direction.receives,
        _renumbered(party, partner),
        _rates(party),
        _keep_alive(party.audio, partner.audio),
        controlled=party.audio.rtp is not None,
        mux=party.audio.mux and party.local is not None and party.local.mux,
        timeout=timeout if both_talk(party.audio, partner.audio) else 0.0,
    )


def _rates(party: Party) -> tuple[tuple[int, int], ...]:
    """The clock rates of what `party` may send, where they are not the usual one."""
    assert party.local is not None
    assert party.audio is not None
    formats = (*party.audio.formats, *party.local.formats)
    rates = {format.number: format.codec.clock_rate for format in formats}
    return tuple(sorted((number, rate) for number, rate in rates.items() if rate != USUAL_RATE))


def _keep_alive(audio: Audio, partner: Audio | None) -> tuple[int, int]:
    """The payload type and clock rate of the first codec that a party and its partner talk with."""
    usable = [format for format in audio.formats if format.codec.carries_speech]
    theirs = {format.codec for format in partner.formats} if partner is not None else set()
    format = next((format for format in usable if format.codec in theirs), usable[0])
    return format.number, format.codec.clock_rate


def _renumbered(party: Party, partner: Party) -> tuple[tuple[int, int], ...]:
    """How payload types in what `party` sends become those that its partner expects.

    A party sends with the numbers that we gave it; one that answered with numbers of its own may
    send with those.
    """
    if party.local is None or partner.audio is None or party.audio is None:
        return ()
    expected: dict[Codec, int] = {format.codec: format.number for format in partner.audio.formats}
    pairs: dict[int, int] = {}
    for format in (*party.local.formats, *party.audio.formats):
        number = expected.get(format.codec, format.number)
        if number != format.number:
            pairs.setdefault(format.number, number)
    return tuple(sorted(pairs.items()))
