"""What plugs into Composer's events: a pure function and a thin class over it."""
