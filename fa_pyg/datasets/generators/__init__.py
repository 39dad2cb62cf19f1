"""Generators of graphs and of their text formats."""
