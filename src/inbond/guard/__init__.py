"""The guard: serves a model API without leaking it, and without hurting lawful customers.

One request goes forward: what comes in (``incoming``), whose key it is (``callers``), what a person or a
tier lets through (``standing``), what is asked (``wire``), reasoning handed back (``sealer``), budgets
(``reservations`` over a ``state``), the ``upstream``, what is shown of its answer (``reasoning``,
``hiding``), what it used (``meter``), a receipt (``receipts``), and at last what detection may remember of it
(``observe``, ``detect``). ``app`` is that order, ``serve`` runs it.
"""
