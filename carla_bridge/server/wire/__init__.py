"""Bytes of the RPC protocol: frames, structs, numbers of enums."""
