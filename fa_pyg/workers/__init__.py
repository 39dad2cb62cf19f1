"""Worker processes: one JSON line in, one JSON line out, within a time limit."""
