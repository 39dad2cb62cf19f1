"""An index of XYZ files larger than memory, kept on disk."""
