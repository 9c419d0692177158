"""The objects that the operator looks at, as typed facts. Nothing here does I/O."""
