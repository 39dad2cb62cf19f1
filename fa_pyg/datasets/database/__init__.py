"""SQLite databases of structures, with checksums."""
