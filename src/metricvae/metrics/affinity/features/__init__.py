"""Numbers that describe a complex: what touches what, and what the pocket and the ligand are by themselves."""
