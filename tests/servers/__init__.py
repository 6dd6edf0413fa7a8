"""HTTP servers on loopback that speak the protocols of managed services.

They are what the tests of managed embedders, rerankers and generators run against: strict as the
services are, with faults on demand, limits, and a log of all that was asked.

``cohere.CohereServer`` and ``openai.OpenAIServer`` run in this process (``with CohereServer() as
server: server.url``) or in their own (``python -m tests.servers.cohere``, or ``ServerProcess``).
Shared parts: ``base`` (the server), ``handler`` (one connection), ``faults``, ``limits``, ``log``,
``fields`` (checks of requests), ``vectors`` and ``chat`` (what the models "know").
"""
