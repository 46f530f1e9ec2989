"""`scripts/demo`: the seven call flows of the manual, really played, drawn as ladders.

`__main__.py` starts everything and plays; `ladder.py` turns what the peers saw, and what the gateway and its
connector said to each other, into lines of text.
"""
