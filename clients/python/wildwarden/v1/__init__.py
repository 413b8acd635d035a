"""The contract's messages and stubs, made from `proto/wildwarden/v1` by `clients/python/stubs.py`."""
