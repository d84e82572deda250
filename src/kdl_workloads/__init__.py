"""Machine-learning jobs: their API types, the engine that runs them, and one plugin per framework."""
