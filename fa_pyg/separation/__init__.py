"""Graph separation: how many graphs a model tells apart."""
