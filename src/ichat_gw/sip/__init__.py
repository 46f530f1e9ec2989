"""SIP: messages, the four transaction machines, dialogs, and the user agent above them.

From the bottom: `message` parses and serialises, `transaction` repeats and absorbs repetitions,
`dialog` counts and addresses, `user_agent` runs the INVITE sessions and speaks the vocabulary of
`ichat_gw.call.leg` upwards: a SIP session *is* a leg. `registration` keeps users registered. `events` is
the vocabulary between the user agent and the shell (or machine) around it. `net` owns the sockets.
"""
