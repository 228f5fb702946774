"""Where the runs of a sweep are trained; `interface` says what a backend does, `registry` lists them."""
