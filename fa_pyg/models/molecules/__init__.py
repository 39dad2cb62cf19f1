"""Networks on molecules, and potentials made of them."""
