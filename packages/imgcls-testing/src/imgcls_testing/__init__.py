"""Fixtures that the tests of several members share; imports no other member."""
