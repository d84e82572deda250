"""From the operators that users have: manifests in the other API group, and jobs that run already."""
