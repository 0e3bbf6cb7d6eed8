"""Kinds of objects: one package a kind."""
