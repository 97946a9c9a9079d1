"""Checks that apply nothing: lint rules, scratch runs, lock classes and drift."""
