"""The socket of the channel: everything here moves bytes and keeps time, and decides nothing."""
