"""Options that several commands share, and the frozen values that they become."""
