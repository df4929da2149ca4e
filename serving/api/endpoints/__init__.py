"""The endpoints of the public API, one module for each thing a caller may want."""
