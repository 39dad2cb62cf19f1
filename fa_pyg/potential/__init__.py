"""Trained potentials: loaded, used for predictions and in ASE."""
