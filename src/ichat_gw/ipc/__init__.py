"""What the two executables say to each other, and how it is carried over UDP on 127.0.0.1.

`messages` is the vocabulary (the manual's names in Python's spelling), `seal` turns messages into
authenticated datagrams and back, `channel` is the pure machine that acknowledges, repeats, orders and
drops them. `net` owns the socket.
"""
