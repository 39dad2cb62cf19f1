"""What is trained: the step and the data of each task."""
