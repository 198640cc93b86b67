"""Teachers: frozen networks that losses look through, and the framings in which they want their crops."""
