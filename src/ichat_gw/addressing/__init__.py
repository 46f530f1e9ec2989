"""Addresses as values: JIDs, SIP URIs, and the ordered translation rules between them."""
