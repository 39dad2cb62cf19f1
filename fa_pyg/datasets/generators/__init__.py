"""Generators of graphs and formulas, and the GRAPHSAT text format."""
