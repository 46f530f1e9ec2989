"""Apple's iChat: what it says over XMPP (`apple:iq:vc:*`) to set up a call.

`blob` reads and writes the connect data, `exchange` reads and writes the four stanzas, `caller` and
`callee` are the two negotiations: an iChat user calls through us, or is called. `leg` is the gateway's
half, which sees the connector's messages only.
"""
