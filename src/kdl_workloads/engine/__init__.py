"""The job engine: one lifecycle for all kinds. ``decide`` is pure, ``apply`` its shell; docs/engine.md is the table."""
