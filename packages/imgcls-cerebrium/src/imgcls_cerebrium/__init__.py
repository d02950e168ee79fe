"""All that knows Cerebrium: an app's address and REST API, and its configuration, limits, prices and upload.

Imports no other member; the modules of the configuration need the extra `config`.
"""

__version__ = "0.1.0"
