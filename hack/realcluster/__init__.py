"""A Kubernetes cluster with real kubelets, without Docker: everything runs in namespaces of this machine.

``python -m realcluster``, or ``hack/cluster`` from anywhere. docs/real-cluster.md says how it works.
"""
