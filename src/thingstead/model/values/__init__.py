"""Attribute values: function definitions, and the checks of reported values against them."""
