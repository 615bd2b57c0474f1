"""A panel of models that judges pairs of answers, for preference training: each judge sees both orders.

Read in this order: pairs and constitution (what is judged, and by which principles), families (whom a judge
must not judge), canaries (how judges are tried), wording and replies (what is asked, how it is read), judging
(the count: pure), lengths, statistics and dawid_skene (what a batch says of its judges), export, then batch,
which asks.
"""
