"""Apple's iChat: what it says over XMPP (`apple:iq:vc:*`) to set up a call, and the leg that comes of it.

In the connector: `exchange` reads the four stanzas, `calls_from` negotiates the calls that iChat users
make, `calls_to` those that are made to them; each is a transition table and what its actions do. In the
gateway: `leg` makes the connector's messages and the SIP session with the client into a leg like any other.
Both use `blob`, the connect data.
"""
