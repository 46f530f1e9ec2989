"""The HTTP server of the status page, the JSON API and the metrics. Imported only when HttpPort is not 0.

`source` is what it can tell, `answers` what becomes of a request, `feed` who listens to server-sent events;
`server` alone touches aiohttp and sockets.
"""
