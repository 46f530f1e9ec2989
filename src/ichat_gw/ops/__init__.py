"""What operators see of the gateway. Nothing but `app` and `cli` imports this room.

The log: `logging` sets up structlog over the standard library's logging: every line, also of libraries, takes
one way through `redact` (no secret leaves), `line` (text or JSON, one line per event, whatever the event
contains) and the console or `logfile` (numbered old files). `wire` writes what was sent and received in
the one form that all protocols share.

Calls: `trace` keeps what happened in each, `ladder`, `ladder_svg` and `pcap` show it, `hep` and `net.hep`
send copies; the `verdict_*` modules say what became of it, and `verdict_page` is the troubleshooting page;
`records`, `records_file`, `trace_file` and `database` keep it.

The status page: `api` has the values that it, the commands and the JSON API share, `pages` draws them,
`metrics` and `series` count, `access` decides who may ask.
"""
