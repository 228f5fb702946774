"""The model zoo: one file per family, a registry one can see (`models.py`), and costs that are counted."""
