"""The API types as users write them, in pydantic: the source of the CRDs' schemas."""
