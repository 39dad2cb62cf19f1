"""Networks on graphs, for graph separation."""
