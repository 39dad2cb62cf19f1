"""The graph separation benchmark: all rows, parts and figures."""
