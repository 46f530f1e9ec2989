"""A gateway."""
