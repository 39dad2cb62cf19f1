"""Configuration files of other people: read as plain data, checked against an allowlist."""
