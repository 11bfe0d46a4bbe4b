#!/usr/bin/python3
"""Validates documents: validate.py SCHEMADIRECTORY, with a JSON array of [label, schema file, document] on standard input.

A schema file may be followed by the place of a part of it: agent.schema.json#/$defs/entry.

Prints a line for each thing that is wrong, and nothing where all is well. The schemas themselves are checked too.
"""
import json
import os
import pathlib
import sys

import jsonschema

directory = pathlib.Path(sys.argv[1]).resolve()
validators = {}
for path in sorted(directory.glob("*.schema.json")):
    schema = json.loads(path.read_text())
    jsonschema.Draft202012Validator.check_schema(schema)
    resolver = jsonschema.RefResolver(path.as_uri(), schema)
    validators[path.name] = jsonschema.Draft202012Validator(
        schema, resolver=resolver, format_checker=jsonschema.FormatChecker()
    )
for label, name, document in json.load(sys.stdin):
    if "#" in name and name not in validators:
        schema = {"$ref": (directory / name.split("#")[0]).as_uri() + "#" + name.split("#")[1]}
        validators[name] = jsonschema.Draft202012Validator(schema, format_checker=jsonschema.FormatChecker())
    if name not in validators:
        print(f"{label}: there is no {name} in {os.path.basename(directory)}")
        continue
    for error in validators[name].iter_errors(document):
        print(f"{label}: {error.json_path}: {error.message}")
