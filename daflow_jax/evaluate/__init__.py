"""Errors of methods on data with truth, clean and degraded."""
