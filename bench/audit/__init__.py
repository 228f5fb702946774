"""The check of the deck's claims: each gets one verdict, with its evidence (`python -m bench.audit`)."""
