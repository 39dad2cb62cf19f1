"""Networks on point clouds: normals of all points, or a class of each cloud."""
