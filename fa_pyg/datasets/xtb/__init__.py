"""Labels by GFN2-xTB, computed in worker processes and kept in parts."""
