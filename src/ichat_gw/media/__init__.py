"""Session descriptions, and the relay that carries the audio.

A bridge hands a description in with the side it came from and gets back the one for the other side
(`call.media`); `engine` answers. It reads what a party says (`sdp`, `negotiation`, `codec`), reserves
an even RTP port and its odd RTCP twin for each party (`ports`), and gives orders to a relay worker
(`relay_messages`). The worker is a process of its own, so that nothing else that the gateway does ever
delays a packet: `net.worker` is its loop (`net.compiled_worker` the same with a short cut in C, where that
is built), `net.relay` starts it and keeps it alive. Who is listened to and where packets go are pure rules
(`gate` for one port, `relay_session` for a call, on the headers that `rtp` knows; `stream` keeps what the
receiver hears in one piece, `rtcp` makes reports match and reads them): a party's packets come from the
address that its description names, or from one learnt once within seconds of an offer/answer where a
description cannot tell the truth; what a stranger sends goes nowhere.
"""
