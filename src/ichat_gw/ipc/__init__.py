"""What the two executables say to each other, and how it is carried over UDP on 127.0.0.1.

`messages` is the vocabulary (the manual's names in Python's spelling), `seal` turns messages into
authenticated datagrams and back, `channel` is the pure machine that acknowledges, repeats, orders and
drops them. `net` owns the socket. `ichat-gw` makes a new key for every start of the connector and gives
it to it on its standard input (`ichat_gw.app.children`), so the two ends of a channel always begin
together and whatever is left of an earlier run is worth nothing.
"""
