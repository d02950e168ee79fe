"""One module for each command: it parses, calls one function, prints and exits; imports every other room."""
