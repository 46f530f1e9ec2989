"""The records of ended calls, as the API tells of them."""

from datetime import UTC, datetime
from typing import Literal, cast

from ichat_gw.ops import api
from ichat_gw.ops.records import CallRecord


def told(record: CallRecord, *, has_trace: bool = False) -> api.CallRecord:
    """A record as the API has it. `has_trace`: whether the call's messages are still kept."""
    return api.CallRecord(
        id=record.call,
        caller=api.PartyRecord(
            address=record.caller,
            network=_network(record.caller),
            codec=record.codec,
            received=record.packets_from_caller or 0,
            sent=record.packets_to_caller or 0,
            lost=record.lost_from_caller or 0,
            jitter_ms=record.jitter_ms_from_caller or 0.0,
        ),
        callee=api.PartyRecord(
            address=record.callee,
            network=_network(record.callee),
            codec=record.codec,
            received=record.packets_from_callee or 0,
            sent=record.packets_to_callee or 0,
            lost=record.lost_from_callee or 0,
            jitter_ms=record.jitter_ms_from_callee or 0.0,
        ),
        began=_time(record.began),
        ended=_time(record.ended),
        seconds=round(record.ended - record.began, 3),
        cause=record.cause,
        verdict=record.sentence,
        remedy=record.remedy,
        code=record.verdict,
        ended_by=cast(Literal["caller", "callee", "gateway"], record.ended_by),
        status=record.status,
        setup_seconds=_setup(record),
        answered=_time(record.answered) if record.answered is not None else None,
        talk_seconds=round(record.seconds, 3),
        has_trace=has_trace,
    )


def _network(address: str) -> Literal["sip", "xmpp"]:
    return "xmpp" if address.startswith("xmpp:") else "sip"


def _setup(record: CallRecord) -> float | None:
    """Until the callee rang, or answered without ringing."""
    heard = record.rang if record.rang is not None else record.answered
    return None if heard is None else round(max(0.0, heard - record.began), 3)


def _time(at: float) -> datetime:
    return datetime.fromtimestamp(round(at, 6), UTC)
