#!/usr/bin/python3
"""A Secret Service that does what a healthy one will not do. Runs under private-bus: stand-in.py MODE

  silent           owns the name and never answers a call
  dies             ends in the middle of the first search
  no-default       has a collection, but no default one
  session-default  its default collection is the one that vanishes with the session
  locked           is locked; its prompt is never completed
  dismissed        is locked; its prompt is dismissed by the user
  unlocks          is locked; its prompt is answered, and then it has the item
  forgetful        finds nothing at the first search and the item at the second
  liar             answers searches with an error whose message would clear a terminal

The item's value is the base64 text of 32 letters A. Each method call is a line in $PRIVATE_BUS_ROOT/calls. "ready" is
printed when the name is owned.
"""
import base64
import os
import sys

import gi

gi.require_version("Gio", "2.0")
from gi.repository import Gio, GLib

MODES = "silent dies no-default session-default locked dismissed unlocks forgetful liar".split()
PATH = "/org/freedesktop/secrets"
COLLECTION = PATH + "/collection/login"
SESSION_COLLECTION = PATH + "/collection/session"
ITEM = COLLECTION + "/1"
PROMPT = PATH + "/prompt/1"
SESSION = PATH + "/session/1"
VALUE = base64.b64encode(b"A" * 32)

INTERFACES = """<node>
<interface name="org.freedesktop.Secret.Service">
  <method name="OpenSession"><arg type="s" direction="in"/><arg type="v" direction="in"/>
    <arg type="v" direction="out"/><arg type="o" direction="out"/></method>
  <method name="SearchItems"><arg type="a{ss}" direction="in"/>
    <arg type="ao" direction="out"/><arg type="ao" direction="out"/></method>
  <method name="Unlock"><arg type="ao" direction="in"/>
    <arg type="ao" direction="out"/><arg type="o" direction="out"/></method>
  <method name="GetSecrets"><arg type="ao" direction="in"/><arg type="o" direction="in"/>
    <arg type="a{o(oayays)}" direction="out"/></method>
  <method name="ReadAlias"><arg type="s" direction="in"/><arg type="o" direction="out"/></method>
  <property name="Collections" type="ao" access="read"/>
</interface>
<interface name="org.freedesktop.Secret.Collection">
  <method name="CreateItem"><arg type="a{sv}" direction="in"/><arg type="(oayays)" direction="in"/>
    <arg type="b" direction="in"/><arg type="o" direction="out"/><arg type="o" direction="out"/></method>
  <property name="Label" type="s" access="read"/>
  <property name="Locked" type="b" access="read"/>
  <property name="Items" type="ao" access="read"/>
</interface>
<interface name="org.freedesktop.Secret.Item">
  <property name="Label" type="s" access="read"/>
  <property name="Locked" type="b" access="read"/>
  <property name="Attributes" type="a{ss}" access="read"/>
  <property name="Created" type="t" access="read"/>
  <property name="Modified" type="t" access="read"/>
</interface>
<interface name="org.freedesktop.Secret.Prompt">
  <method name="Prompt"><arg type="s" direction="in"/></method>
  <method name="Dismiss"/>
  <signal name="Completed"><arg type="b"/><arg type="v"/></signal>
</interface>
</node>"""


class StandIn:
    def __init__(self, mode, bus):
        self.mode, self.bus, self.searches = mode, bus, 0
        self.locked = mode in ("locked", "dismissed", "unlocks")
        self.calls = open(os.path.join(os.environ["PRIVATE_BUS_ROOT"], "calls"), "a", buffering=1)

    def call(self, _bus, _sender, path, _interface, method, parameters, invocation):
        print(method, path, file=self.calls)
        if self.mode != "silent":
            getattr(self, method)(invocation, *parameters.unpack())

    def property(self, _bus, _sender, path, _interface, name):
        return {
            "Collections": GLib.Variant("ao", [COLLECTION]),
            "Items": GLib.Variant("ao", [ITEM]),
            "Label": GLib.Variant("s", "Stand-in\033[2J"),
            "Locked": GLib.Variant("b", self.locked),
            "Attributes": GLib.Variant("a{ss}", {}),
            "Created": GLib.Variant("t", 0),
            "Modified": GLib.Variant("t", 0),
        }[name]

    def reply(self, invocation, type, *values):
        invocation.return_value(GLib.Variant(type, values))

    def OpenSession(self, invocation, algorithm, _input):
        if algorithm != "plain":
            invocation.return_dbus_error("org.freedesktop.DBus.Error.NotSupported", "plain only")
        else:
            self.reply(invocation, "(vo)", GLib.Variant("s", ""), SESSION)

    def SearchItems(self, invocation, _attributes):
        self.searches += 1
        if self.mode == "dies":
            os._exit(1)
        if self.mode == "liar":
            invocation.return_dbus_error("org.freedesktop.Secret.Error.Lie", "\033[2Jnonsense")
            return
        found = (self.mode == "forgetful" and self.searches > 1) or (self.mode == "unlocks" and not self.locked)
        self.reply(invocation, "(aoao)", [ITEM] if found else [], [])

    def Unlock(self, invocation, paths):
        self.reply(invocation, "(aoo)", [] if self.locked else paths, PROMPT if self.locked else "/")

    def GetSecrets(self, invocation, items, session):
        secret = (session, b"", VALUE, "text/plain")
        self.reply(invocation, "(a{o(oayays)})", {item: secret for item in items})

    def ReadAlias(self, invocation, _alias):
        path = {"no-default": "/", "session-default": SESSION_COLLECTION}.get(self.mode, COLLECTION)
        self.reply(invocation, "(o)", path if _alias == "default" else "/")

    def CreateItem(self, invocation, _properties, _secret, _replace):
        self.reply(invocation, "(oo)", ITEM, "/")

    def Prompt(self, invocation, _window):
        invocation.return_value(None)
        if self.mode == "locked":
            return
        self.locked = self.mode == "dismissed"
        result = GLib.Variant("(bv)", (self.locked, GLib.Variant("ao", [])))
        self.bus.emit_signal(None, PROMPT, "org.freedesktop.Secret.Prompt", "Completed", result)

    def Dismiss(self, invocation):
        invocation.return_value(None)


def main():
    if len(sys.argv) != 2 or sys.argv[1] not in MODES:
        sys.exit(__doc__)
    bus = Gio.bus_get_sync(Gio.BusType.SESSION)
    stand_in = StandIn(sys.argv[1], bus)
    interfaces = Gio.DBusNodeInfo.new_for_xml(INTERFACES).interfaces
    for path, interface in zip([PATH, COLLECTION, ITEM, PROMPT], interfaces):
        bus.register_object(path, interface, stand_in.call, stand_in.property, None)
    bus.register_object(SESSION_COLLECTION, interfaces[1], stand_in.call, stand_in.property, None)

    def ready(*_):
        print("ready", flush=True)

    Gio.bus_own_name_on_connection(bus, "org.freedesktop.secrets", Gio.BusNameOwnerFlags.NONE, ready, None)
    GLib.MainLoop().run()


main()
