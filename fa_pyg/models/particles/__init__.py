"""Networks on particle systems, for n-body benchmarks: FA-GNN and the networks it is compared with."""
