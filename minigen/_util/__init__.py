"""Helpers that know nothing of Tensors: files written whole, optional packages, tables."""
