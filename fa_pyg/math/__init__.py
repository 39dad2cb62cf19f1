"""Numerics on batches of small matrices and scores; knows nothing of frames."""
