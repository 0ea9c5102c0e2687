"""What a solve is asked to match, and how its parameters change the answer."""
