"""What every remote service shares: limits, pacing, retries, splitting, prices, the budget.

A provider is one module here (:mod:`embedkit.managed.cohere`, :mod:`embedkit.managed.openai`): how
to send a request and what an error of its means. Everything else is written once.
"""
