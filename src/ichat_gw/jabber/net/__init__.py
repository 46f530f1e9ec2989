"""The shells of the XMPP side: `component` holds the XEP-0114 stream, `store` the database.

They decide nothing. The component hands every stanza to the connector as it comes and puts its text on the
wire; what it does by itself is to connect again, and to say in plain words why it could not.
"""
