"""The routes, a module for each subject; may import everything but the application that includes them."""
