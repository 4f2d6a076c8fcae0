"""Lossless compression with byte models: .bbz archives that decode to the same bytes on any machine."""
