"""The shells of the media room: the relay worker, and the gateway's end of its pipe."""
