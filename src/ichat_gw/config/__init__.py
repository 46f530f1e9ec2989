"""Settings: one table, from which everything that deals with settings is derived.

`sections` have the rows of the table, a module for each section of the file: a field with its type and
default, and a `row` that describes it: name, kind of value, flag, and a sentence for people. `table` puts
them together to the typed, immutable `Settings`. `kinds` are the kinds of value: how text becomes one, and
what is allowed, in words. `source` takes apart the two places where settings are written, the lines of a
file and the flags of a command line, without understanding them yet. `load` puts the two together, reads
each value by its kind, pairs up the translation rules, and lets `across` look for what single values cannot
show (two services on one port). Whatever is wrong is a `problem` with its place, and all of them are raised
together in one `ConfigError`; warnings come back beside the settings. `reference` writes the documents.
Nothing here prints.
"""
