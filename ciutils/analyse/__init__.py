"""What follows from counts and losses, without torch."""
