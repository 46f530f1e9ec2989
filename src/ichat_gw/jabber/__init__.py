"""The XMPP side, as it runs in the connector process.

`connector.Connector` is the pure machine: stanzas (as ElementTree elements) and the gateway's messages go
in, stanzas (as text) and messages to the gateway come out; `events` is that vocabulary. It only routes.
Each subject has its own part: `presence` knows which devices of which users are online, `subscriptions`
who has put which of our JIDs on their contact list, `capabilities` answers what clients ask about us,
`auto_reply` answers chat messages, `keepalive` notices a dead server, and `ichat` negotiates calls with
iChat. Parts never see the wire: `stanza_parser` reads XML and refuses what XMPP forbids, `stanza` writes
all XML, `stanza_error` reads what the peer says went wrong, `jid` cuts addresses. `store` says what must
survive a restart. `net` owns the XEP-0114 connection (slixmpp) and the database.
"""
