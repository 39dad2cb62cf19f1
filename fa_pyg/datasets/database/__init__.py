"""Databases of structures on disk."""
