"""The notebooks, and how they are run again."""
