"""The other media engine: rtpengine, on one machine or several, by its ng protocol.

`engine` is the machine: it leaves the descriptions to `media.exchange` as the built-in engine does, so that a
party is told the same whichever engine runs, and uses rtpengine for ports and packets alone. What that is
told are descriptions of our own making (`descriptions`). `bencode` and `ng` are the protocol, `transactions`
repeats requests until they are answered, `nodes` knows which rtpengine lives and has least to do, `report`
reads its counters. `media.net.rtpengine` has the sockets.
"""
