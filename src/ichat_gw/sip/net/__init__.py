"""The sockets of the SIP user agent: thin asyncio shells that know nothing of calls.

`transports` is the door: it opens UDP, TCP and TLS in both families, and gives the application `send` and
`lookup`; what comes in is `Received`, what cannot go out `SendFailed`. Behind it, `udp` owns one UDP socket
and reads the kernel's complaints, `streams` owns the connections (cut into messages by the pure
`sip.framing`, bounded by the pure `sip.connection_limits`), `tls` reads the operator's certificates, and
`resolver` asks `dns` what the pure `sip.locating` wants to know and makes flows of the outcome. `addresses`
knows what the kernel knows: sources and zones. The user agent itself is driven by the application.
"""
