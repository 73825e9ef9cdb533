"""Configuration files: the templates beside this package, with this laboratory's directory and ports."""

import os
from string import Template

TEMPLATES = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "templates")


def write(name, target, values):
    with open(os.path.join(TEMPLATES, name), encoding="utf-8") as file:
        text = Template(file.read()).substitute(values)
    with open(target, "w", encoding="utf-8") as file:
        file.write(text)
