"""The presentation written anew from runs, slide by slide (`python -m bench.report deck`)."""
