"""Procedural photographs: shapes and materials, scenes and cameras, and what a phone and a seller do to a picture."""
