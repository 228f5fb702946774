"""The check of the deck's claims: each gets exactly one verdict, with the evidence for it (`python -m bench.audit`)."""
