"""The test cluster: kind, with a node image that is pulled, or one built here where none can be."""
