"""What operators see of the gateway; for now its log.

`logging` sets up structlog over the standard library's logging: every line, also of libraries, takes one
way through `redact` (no secret leaves), `line` (text or JSON, one line per event, whatever the event
contains) and the console or `logfile` (numbered old files). `wire` writes what was sent and received in
the one form that all protocols share. Nothing but `app` and `cli` imports this room.
"""
