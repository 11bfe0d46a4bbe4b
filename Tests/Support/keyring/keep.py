#!/usr/bin/python3
"""Keeps an item as Rust's keyring and Go's go-keyring do: keep.py SERVICE USERNAME VALUE

`secret-tool` takes no value of more than 8 KiB.
"""
import sys

from gi.repository import Gio, GLib

NAME, PATH = "org.freedesktop.secrets", "/org/freedesktop/secrets"
bus = Gio.bus_get_sync(Gio.BusType.SESSION)


def call(path, interface, method, parameters):
    interface = "org.freedesktop.Secret." + interface
    return bus.call_sync(NAME, path, interface, method, parameters, None, 0, -1, None).unpack()


_, session = call(PATH, "Service", "OpenSession", GLib.Variant("(sv)", ("plain", GLib.Variant("s", ""))))
(collection,) = call(PATH, "Service", "ReadAlias", GLib.Variant("(s)", ("default",)))
attributes = {"service": sys.argv[1], "username": sys.argv[2]}
properties = {
    "org.freedesktop.Secret.Item.Label": GLib.Variant("s", f"Password for '{sys.argv[2]}' on '{sys.argv[1]}'"),
    "org.freedesktop.Secret.Item.Attributes": GLib.Variant("a{ss}", attributes),
}
secret = (session, b"", sys.argv[3].encode(), "text/plain")
call(collection, "Collection", "CreateItem", GLib.Variant("(a{sv}(oayays)b)", (properties, secret, False)))
