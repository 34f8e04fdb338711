"""Ximilar on loopback: the calls the system makes, answered from real pictures; no model (see README.md)."""
