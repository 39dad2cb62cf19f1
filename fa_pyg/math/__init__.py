"""Numerics for batches of small matrices, ragged point sets and scores, independent of frames."""
