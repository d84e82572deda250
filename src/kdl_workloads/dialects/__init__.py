"""Codecs between the objects of an API group and the neutral job."""
