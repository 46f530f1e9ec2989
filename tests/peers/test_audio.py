from pathlib import Path

from peers.audio import (
    PCMU_TO_LINEAR,
    AudioReceiver,
    AudioSender,
    is_rtcp,
    is_rtp,
    packet_numbers,
    packet_payload,
    packets_of,
    pcmu_of,
    read_wav,
    samples_of,
    speech,
    stream_pcmu,
    write_wav,
)


def test_what_is_sent_is_recognised_bit_for_bit() -> None:
    receiver = AudioReceiver()
    sender = AudioSender("hello", lambda p: None, lambda p: None)
    for _ in range(10):
        packet = sender.next_packet()
        assert is_rtp(packet)
        assert not is_rtcp(packet)
        receiver.take(packet, ("127.0.0.1", 1))
    report = sender.next_report()
    assert is_rtcp(report)
    assert not is_rtp(report)
    receiver.take(report, ("127.0.0.1", 1))
    assert (receiver.received, receiver.reports, receiver.in_order()) == (10, 1, True)
    assert receiver.intact("hello", 10) == 10
    assert receiver.intact("somebody else", 10) == 0
    assert receiver.payload_types == {0: 10}


def test_an_altered_packet_is_not_intact() -> None:
    receiver = AudioReceiver()
    packet = bytearray(AudioSender("hello", lambda p: None, lambda p: None).next_packet())
    packet[50] ^= 1
    receiver.take(bytes(packet), ("127.0.0.1", 1))
    assert (receiver.received, receiver.intact("hello", 1)) == (1, 0)


def test_an_empty_packet_is_no_sound() -> None:
    receiver = AudioReceiver()
    receiver.take(AudioSender("x", lambda p: None, lambda p: None).next_packet()[:12], ("127.0.0.1", 1))
    assert (receiver.received, receiver.empty) == (0, 1)


def test_g711_table() -> None:
    # ITU-T G.711 table 2: the ends of the scale and the two zeros.
    assert PCMU_TO_LINEAR[0x00] == -32124
    assert PCMU_TO_LINEAR[0x80] == 32124
    assert PCMU_TO_LINEAR[0x7F] == PCMU_TO_LINEAR[0xFF] == 0
    assert PCMU_TO_LINEAR[0xFE] == 8


def test_wav_and_back(tmp_path: Path) -> None:
    samples = samples_of(stream_pcmu("wav", 3))
    write_wav(tmp_path / "x.wav", samples)
    assert read_wav(tmp_path / "x.wav") == samples
    assert samples_of(pcmu_of(samples)) == samples


def test_packets_differ() -> None:
    assert len({packet_payload("a", n) for n in range(100)}) == 100


def test_packets_are_known_again_after_decoding() -> None:
    sound = samples_of(stream_pcmu("a", 5))
    assert packet_numbers("a", packets_of(sound[160:640] + [8] * 160 + sound[:160])) == [1, 2, 3, 0]
    assert packet_numbers("b", packets_of(sound)) == []


def test_speech_is_the_same_every_time_and_pcmu_carries_it() -> None:
    said = speech(0.4)
    assert said == speech(0.4)
    assert len(said) == 3200
    assert samples_of(pcmu_of(said)) == said
    assert len(set(packets_of(said))) == 20, "no packet is like another"
    assert max(said) > 1000
