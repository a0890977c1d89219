"""The fetcher: a short-lived child that downloads one base model from the Hub, and the only one with a network.

An island: it sees contract and store.durable only.
"""
