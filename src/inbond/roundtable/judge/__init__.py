"""A panel of models that judges pairs of answers, for preference training: each judge sees both orders.

Read in this order: pairs and constitution (what is judged, and by which principles), families (whom a judge
must not judge), wording (what is asked, and how a reply is read), judging (the count), canaries (how judges
are tried), batch (all that is asked), lengths, statistics and dawid_skene (what a batch tells of its judges),
findings, export. Then what touches the world: hearing (one judge at work), asking (all of them), holding.
"""
