"""Right answers from the user's own artifact; `artifact` and `images` alone import imgcls_core, numpy and Pillow."""
