"""This paper's experiments: runs, what chapters want of them, readings, claims and verification."""
