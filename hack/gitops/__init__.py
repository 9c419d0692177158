"""Argo CD and Flux beside the test cluster: real controllers, built from their modules, run as processes."""
