#!/usr/bin/python3
"""Adds an item to the default collection, beside whatever is there: plant.py VAULT SLOT VALUE"""
import sys

from gi.repository import Gio, GLib

NAME, PATH = "org.freedesktop.secrets", "/org/freedesktop/secrets"
bus = Gio.bus_get_sync(Gio.BusType.SESSION)


def call(path, interface, method, parameters):
    interface = "org.freedesktop.Secret." + interface
    return bus.call_sync(NAME, path, interface, method, parameters, None, 0, -1, None).unpack()


_, session = call(PATH, "Service", "OpenSession", GLib.Variant("(sv)", ("plain", GLib.Variant("s", ""))))
(collection,) = call(PATH, "Service", "ReadAlias", GLib.Variant("(s)", ("default",)))
attributes = {"vault": sys.argv[1], "slot": sys.argv[2], "xdg:schema": "io.github.vault.KeySlot"}
properties = {
    "org.freedesktop.Secret.Item.Label": GLib.Variant("s", "planted"),
    "org.freedesktop.Secret.Item.Attributes": GLib.Variant("a{ss}", attributes),
}
secret = (session, b"", sys.argv[3].encode(), "text/plain")
call(collection, "Collection", "CreateItem", GLib.Variant("(a{sv}(oayays)b)", (properties, secret, False)))
