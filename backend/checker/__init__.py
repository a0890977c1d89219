"""The checker: a short-lived child that reads one training file and turns it into a report and a token store.

An island: it sees contract, formats and store.durable only, never the network, and limits itself before it reads.
"""
