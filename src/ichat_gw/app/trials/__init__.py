"""Trying what a configuration says before a gateway relies on it: `ichat-gw check`.

Each module tries one thing and tells what came of it as `Trial`s. Nothing is changed on disk or anywhere
else, each takes a few seconds at most, and none raises for what it finds.
"""
