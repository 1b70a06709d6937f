"""The command about masks that a person corrects: `correct`."""
