"""The REST API: adapters from HTTP to custom resources. It holds public keys only, so it can open no value.

request    limits → API key → platform; path, query and body are read strictly
act        one read of what it depends on, one write with a precondition; the API server has every fact
reply      a model that has no field for a value, or a problem (RFC 9457) that quotes nothing that was sent
"""
