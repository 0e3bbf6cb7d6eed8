"""Long work: a queue on disk, and a process of its own for each job."""
