"""What `ssa report` shows of a finished job, for whoever reviews its labels."""
