"""The built-in workload plugins, one module each, and the registry that finds them and those of other packages."""
