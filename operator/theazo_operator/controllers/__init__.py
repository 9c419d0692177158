"""What carries the decisions out: reads the caches, asks `reconcile`, makes the requests."""
