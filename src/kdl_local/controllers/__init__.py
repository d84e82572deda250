"""What acts on the objects of the local cluster, as controller-manager and scheduler do on a real one."""
