"""XYZ files, plain, QM9's and extended."""
