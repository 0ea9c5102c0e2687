"""Straight lines as points of the plane of slopes and intercepts."""
