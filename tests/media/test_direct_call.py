"""The descriptions of direct calls: only what means the same at both ends, in sessions that go on."""

import pytest

from ichat_gw.media.direct_call import agreed, plain, session_of
from ichat_gw.media.negotiation import Direction, LocalSession, NotAcceptable, read_audio
from ichat_gw.media.sdp import SessionDescription
from tests.media.relaying import sdp

MAPPED = "a=rtpmap:96 PCMU/8000\r\na=rtpmap:97 opus/48000/2\r\n"


def offered(text: str) -> LocalSession:
    audio = read_audio(SessionDescription.parse(text))
    return LocalSession(7, "192.0.2.1", 4000).offer(audio.formats, Direction.SENDRECV)


def test_codecs_with_a_number_of_their_own_are_left_out_under_another() -> None:
    formats = read_audio(
        SessionDescription.parse(sdp("192.0.2.1", 4000, formats="96 97 8", extra=MAPPED))
    ).formats
    assert [format.number for format in plain(formats)] == [97, 8]


def test_an_answer_counts_where_its_numbers_are_those_of_the_offer() -> None:
    offer = offered(sdp("192.0.2.1", 4000, formats="0 97", extra="a=rtpmap:97 opus/48000/2\r\n"))
    answer = sdp("192.0.2.2", 5000, formats="98 0", extra="a=rtpmap:98 opus/48000/2\r\n")
    _, audio = agreed(answer, offer)
    assert [format.number for format in audio.formats] == [0]
    with pytest.raises(NotAcceptable):
        agreed(sdp("192.0.2.2", 5000, formats="98", extra="a=rtpmap:98 opus/48000/2\r\n"), offer)


def test_a_session_goes_on_from_its_description() -> None:
    local = LocalSession(7, "192.0.2.1", 4000).offer(
        read_audio(SessionDescription.parse(sdp("192.0.2.9", 1, formats="0 8"))).formats, Direction.SENDRECV
    )
    found = session_of(str(local))
    assert found is not None
    assert str(found) == str(local)
    again = found.offer(local.formats, Direction.SENDRECV)
    assert again.version == local.version
    assert found.offer(local.formats, Direction.SENDONLY).version == local.version + 1


@pytest.mark.parametrize(
    "text",
    [
        "",
        "v=0\r\n",
        sdp("192.0.2.1", 0),
        sdp("0.0.0.0", 5),
        sdp("192.0.2.1", 5).replace("o=peer 1 1", "o=peer x 1"),
        sdp("192.0.2.1", 5).replace("o=peer 1 1", f"o=peer {'9' * 5_000} 1"),
    ],
)
def test_what_is_no_session_of_ours(text: str) -> None:
    assert session_of(text) is None
