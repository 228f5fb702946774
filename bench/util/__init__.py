"""What every part shares: command lines, errors, YAML safety."""
