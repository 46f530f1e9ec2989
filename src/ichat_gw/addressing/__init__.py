"""Addresses as values: JIDs, SIP URIs, and the ordered translation rules between them.

Everything here is a pure value or a pure function of values; nothing waits, and nothing takes time that a
stranger's address could stretch. `jid` and `sip_uri` turn text from the wire into frozen objects that are
valid by being there (whatever is not raises the module's own error), and write them back; `sip_grammar`
holds the pieces of RFC 3261's grammar that URIs and header fields share. `translation` joins the two
worlds: an address arrives as `xmpp:` or `sip:` text, the first configured rule whose pattern is found in it
makes a new text, and the scheme of that decides which kind of leg is called; `mapping` then writes its
characters in that network's way.
"""
