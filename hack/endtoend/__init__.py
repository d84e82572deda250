"""The runner of the end-to-end tests: a cluster, the operator in it, the suites, and a table of what happened."""
