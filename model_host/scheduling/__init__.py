"""The scheduling core: which model is where, what waits, what goes. Pure: no I/O, no clock."""
