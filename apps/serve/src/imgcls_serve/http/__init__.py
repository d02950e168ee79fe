"""HTTP before and around the routes: connections, bodies, keys, problems; may import all but the routes."""
