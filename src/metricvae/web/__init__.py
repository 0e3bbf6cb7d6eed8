"""The page and the HTTP interface: every verb, jobs for long work, and one process that no request can take down."""
