"""The protocol-neutral core: what a call is, whichever protocols its two legs speak.

`leg` is the vocabulary between a leg and the bridge, `media` the one between the bridge and the media
engine, `words` what goes into a bridge and comes out of it, `cause` says why calls end and what that is
called on each wire. `bridge` is the call itself; `transfer` replaces one of its parties, as far as
`transfer_policy` lets it. `routing` says where a call goes, `admission` who may call at all.
"""
