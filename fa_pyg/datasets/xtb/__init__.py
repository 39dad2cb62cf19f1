"""GFN2-xTB labels, computed by worker processes and kept on disk in parts."""
