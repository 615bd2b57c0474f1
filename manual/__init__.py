"""The manual: pages of ``docs`` made into a site that is read without any network, and the part of them that
is made from the code. No part of the package; ``scripts/docs`` and ``scripts/reference`` run it."""
