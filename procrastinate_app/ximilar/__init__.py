"""The Ximilar client: profiles say what to send and how to read it, transports carry it.

Imported by the worker and by the gateway; it knows neither a database nor a queue.
"""
