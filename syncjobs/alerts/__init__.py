"""Alerts: the rules, the rounds in which one elected process evaluates them, and what follows from them.

A rule returns findings (`findings.Finding`). `transitions.apply` compares them with the unresolved alerts and writes what
has changed: alerts that were opened, became critical or are over. It passes these transitions to `notify.notify` in the
same transaction, which is where the messages to the channels come from.
"""
