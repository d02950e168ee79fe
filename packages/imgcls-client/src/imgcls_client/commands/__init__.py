"""One module for each command: parse, call the library, print, exit. Imports every other room."""
