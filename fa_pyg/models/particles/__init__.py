"""Networks on particle systems."""
