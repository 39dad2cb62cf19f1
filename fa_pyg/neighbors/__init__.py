"""Neighbor search in batches of point clouds and periodic systems, in plain tensor operations."""
