"""The sockets of the SIP user agent: thin asyncio shells that know nothing of calls.

`udp` owns one UDP socket: it turns datagrams into `Received`, `Send` into datagrams, and the kernel's
complaints (ICMP errors included) into `SendFailed`. `resolver` turns the URI of a `Lookup` into the flows
of a `Resolved`. The machine itself, `ichat_gw.sip.user_agent`, is driven by the application.
"""
