"""The nodes of the local cluster: one that runs pods as local processes, and fake ones."""
