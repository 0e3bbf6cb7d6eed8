"""Fault injection: each file operation of every verb that writes fails in turn; kills at any of them; full disks."""
