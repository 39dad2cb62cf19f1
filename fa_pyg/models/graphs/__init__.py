"""Networks on graphs: message-passing baselines (GCN, GAT, ChebNet, GIN), PPGN, GNNML3, adjacency MLP."""
