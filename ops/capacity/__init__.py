"""The command ``capacity``: which parameters of the template a load needs, by arithmetic alone."""
