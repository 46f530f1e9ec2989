"""The protocol-neutral core: what a call is, whichever protocols its two legs speak.

`leg` is the vocabulary between a leg and the bridge, `media` the one between the bridge and the media
engine, `cause` says why calls end and what that is called on each wire, `bridge` is the call itself.
"""
