"""Makes ``builders`` importable for the tests of this folder and below."""
