"""The sockets of this room."""
