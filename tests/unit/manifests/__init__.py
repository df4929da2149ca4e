"""Checks of ``manifests``: rendering, schemas, and policies of our own.

``render`` runs kustomize, ``schemas`` validates each object, ``policies`` holds one rule per file, each with the broken
fixtures that it refuses beside it. ``pods``, ``selectors``, ``kserve`` and ``network`` say what Kubernetes and its
operators would make of the objects.
"""
