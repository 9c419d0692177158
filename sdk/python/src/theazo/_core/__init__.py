"""What the SDK does, without doing it: requests are built, answers read, retries decided; nothing here makes I/O.

An operation is a generator of `wire.Steps`. It yields what it needs (an answer to a request, a pause, the time) and is
sent it; its return value is the result. The two shells, `theazo.client` and `theazo.aio`, run the same operations.
"""
