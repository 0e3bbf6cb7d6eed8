"""Fuzzing of every reader: seeded mutations of valid files, under limits of time and memory.

`python tests/fuzz --executions 1000000` runs all targets and prints a table; `run_atheris.py TARGET` has the same
targets guided by coverage. A target says how content is put before a reader, and what it may answer: a valid value, or
`InputError` in one line. Everything else is a failure: another exception or warning, an output on the standard streams,
too much time or memory, a process that dies, and, where checksums cover the content, another answer.
"""
