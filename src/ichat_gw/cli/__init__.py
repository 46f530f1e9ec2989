"""The commands.

`gateway` is what `ichat-gw` begins with: it runs the gateway itself (`run`), or one of the commands in
`commands`, each of which is a module of the same name, imported only when it is asked for, with
`add_arguments(parser)` and `run(arguments)`. `connector` is `ichat-gw-jc`. `exits` is the one table of exit
statuses, `output` how all of them show things, `client` how they talk to a running gateway. `manual` writes
the manual pages and the reference of the commands.
"""
