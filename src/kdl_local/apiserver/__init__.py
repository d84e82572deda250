"""An API server in this process that kubectl and client-go accept."""
