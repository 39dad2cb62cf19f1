"""Files of molecules, read and written."""
