"""Container images made without Docker and without a registry: Debian packages, wheels, and our own code, as layers.

``python -m imagebuild``, or ``hack/images`` from anywhere. docs/images.md says what each image holds.
"""
