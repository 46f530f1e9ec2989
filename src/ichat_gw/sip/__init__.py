"""SIP: messages, the four transaction machines, dialogs, and the user agent above them.

Read from the bottom. `message` parses and serialises. `transaction` repeats what may be lost and absorbs
what was repeated; its four machines are data in `transaction_table`. `dialog` counts and addresses, and
`next_hop` finds the way of its requests. Above them stand the transaction users, which share one `core`
(timers, look-ups, outbox): `invite_server` and `invite_client` bring a session about, with `reliable`,
`early_dialog` (UPDATE and forks before the answer) and `redirection`; `invite_usage` runs it from the 2xx to
BYE, and `session_refresh` keeps it alive as `session_timer` agreed; `info` passes INFO and MESSAGE on, and
`referral` follows REFER, which `refer` reads. `registration` keeps one user registered
and `registrations` looks after all of them. Both kinds of clients answer servers that ask for a password:
`digest` computes, `authentication` holds the rule about who is answered. `user_agent` owns them all, matches
what arrives to them and answers the rest with `replies`. Upwards it speaks the vocabulary of
`ichat_gw.call.leg`: a SIP session *is* a leg. `events` is what goes in and comes out; everything here is
pure, and `net` owns the sockets. What `net` needs of SIP is pure as well and stands here: `framing` cuts
streams into messages, `connection_limits` bounds them, `certificate` says whom a TLS peer may speak for,
`locating` is RFC 3263 over the answers that `dns_cache` keeps; `avoided` remembers targets that failed, and
`targets` tells people of it.
`tests/sip/ladder.py` is the way to try it.
"""
