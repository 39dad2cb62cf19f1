"""Networks on particle systems, for n-body benchmarks: FA-GNN, a message-passing network, a baseline."""
