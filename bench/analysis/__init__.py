"""What tables, figures, report and audit share; nothing here imports torch or composer."""
