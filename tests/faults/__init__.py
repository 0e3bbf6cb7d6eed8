"""Fault injection: every verb that writes, with each of its file operations failing in turn, killed, or without space."""
