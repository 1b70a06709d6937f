"""What the flags of a command ask for, as the typed values that the library takes."""
