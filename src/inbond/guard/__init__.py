"""The guard: serves a model API without leaking it, and without hurting lawful customers.

One request goes forward: what is asked (``wire``), who asks (``callers``), what a tier lets through
(``enforce``), budgets (``budget``, ``state``), reasoning handed back (``sealing``), the upstream, what of its
answer is shown (``reasoning``), a receipt, and at last what detection may remember of it (``marks``).
"""
