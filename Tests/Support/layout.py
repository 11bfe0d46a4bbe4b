#!/usr/bin/python3
"""Takes a binary format apart, knowing nothing of it but its layout: layout.py LAYOUT [STRUCTURE] < BYTES

LAYOUT is a file like Schemas/header.json; layouts that it names are looked for beside it. Prints what was found as one
JSON object, bytes as hexadecimal digits. Bytes that are too few, too many or not the only value allowed are an error.
With --header in the place of standard input's bytes comes the path of a vault.sqlite, whose header is read.
"""
import json
import os
import sqlite3
import sys


class Layout:
    def __init__(self, path):
        self.directory = os.path.dirname(path)
        with open(path) as file:
            self.all = json.load(file)

    def read(self, structure, data):
        found, rest = self.structure(structure, data)
        if rest:
            raise ValueError(f"{len(rest)} bytes behind {structure}")
        return found

    def structure(self, name, data):
        found = {}
        for field in self.all["structures"][name]:
            if not data and field.get("optional"):
                continue
            found[field["name"]], data = self.field(field, data, found)
        return found, data

    def field(self, field, data, before):
        if field["type"] == "repeat":
            items = []
            while data and data[0] == field["while"]:
                item, data = self.structure(field["structure"], data)
                items.append(item)
            return items, data
        if "size" in field:
            count = field["size"]
        elif "size_from" in field:
            count = before[field["size_from"]]
        elif "leaves" in field:
            count = len(data) - field["leaves"]
        else:
            return self.structure(field["structure"], data)
        if not 0 <= count <= len(data):
            raise ValueError(f"{field['name']} wants {count} bytes of {len(data)}")
        return self.value(field, data[:count]), data[count:]

    def value(self, field, data):
        kind = field["type"]
        if kind in ("uint", "int"):
            value = int.from_bytes(data, self.all["byte_order"], signed=kind == "int")
        elif kind == "text":
            value = data.decode()
        elif kind == "structure":
            if "layout" in field:
                other = Layout(os.path.join(self.directory, field["layout"]))
                return other.read(other.all["root"], data)
            return self.read(field["structure"], data)
        elif kind == "tagged":
            return self.tagged(self.all["tags"][field["tags"]], data)
        else:
            value = data.hex()
        if "value" in field:
            only = field["value"]
            only = only.encode().hex() if isinstance(only, str) else only
            if value != only:
                raise ValueError(f"{field['name']} is {value}, expected {only}")
        if "values" in field:
            return field["values"][str(value)]
        return value

    def tagged(self, tags, data):
        order = self.all["byte_order"]
        found = {}
        while data:
            tag = int.from_bytes(data[: self.all["tag_size"]], order)
            start = self.all["tag_size"] + self.all["length_size"]
            end = start + int.from_bytes(data[self.all["tag_size"] : start], order)
            if len(data) < end:
                raise ValueError(f"tag {tag} is cut short")
            known = tags[str(tag)]
            value = self.value(known, data[start:end])
            if known.get("repeated"):
                found.setdefault(known["name"], []).append(value)
            elif known["name"] in found:
                raise ValueError(f"{known['name']} stands twice")
            else:
                found[known["name"]] = value
            data = data[end:]
        return found


def main():
    layout = Layout(sys.argv[1])
    if "--header" in sys.argv:
        database = sqlite3.connect(f"file:{sys.argv[-1]}?mode=ro", uri=True)
        ((data,),) = database.execute("SELECT bytes FROM header")
        structure = layout.all["root"]
    else:
        data = sys.stdin.buffer.read()
        structure = sys.argv[2] if len(sys.argv) > 2 else layout.all["root"]
    json.dump(layout.read(structure, data), sys.stdout)


main()
