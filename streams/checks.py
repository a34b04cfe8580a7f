"""System checks: what is wrong with the set-up is said at start-up."""
