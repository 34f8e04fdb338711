"""Draws the sample catalogue: `python -m ops.local.drawing` writes ops/local/catalogue anew."""
