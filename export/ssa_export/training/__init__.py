"""Trains the mini models on procedural scenes."""
