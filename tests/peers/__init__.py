"""The other ends of the line: real servers and phones, and one simulation, for tests and the demo.

`prosody.py` runs a private Prosody, `sip_phone.py` a real SIPp, `baresip.py` a real baresip, `gateway.py`
our own `ichat-gw`: each as a `Program`, a process in a folder of its own on free loopback ports, which dies
with whoever started it. `ichat.py` is the one peer that is simulated, because real iChat clients cannot be
had any more, with its SIP stack in `viceroy.py`; it shares no code with the gateway (`plain_sip.py`,
`audio.py`), so that no mistake can cancel itself out.

`stage.py` puts one of each together, and `flows.py` plays the manual's call flows on it. What a peer saw is
in its `sightings`, which can be waited on: a test says `await ichat.wait_for("vc:request")`.
"""
