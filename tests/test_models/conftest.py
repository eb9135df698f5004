"""Makes ``builders`` and ``literal`` importable for the tests of this folder and below."""
