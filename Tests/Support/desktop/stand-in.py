#!/usr/bin/python3
"""A system and a session bus with a desktop on them, as far as vault-desktop sees one.

A stand-in, since logind needs to be root's process 1's own and a desktop needs a screen: org.freedesktop.login1 on the
first bus; org.freedesktop.ScreenSaver, org.gnome.ScreenSaver and org.freedesktop.Notifications on the second. The real
dbus-daemon runs both.

Prints one JSON object a line: first the environment of a program on these buses, then what happens: {"said": …}. Reads
commands, one a line, and answers each with {"done": COMMAND}:

  sleep | wake                     PrepareForSleep(true), PrepareForSleep(false)
  held                             {"said": "held N"}: how many delay locks are held
  lock | foreign-lock              the signal Lock of a session of this user, or of another's
  hint true|false | foreign-hint   LockedHint of a session of this user, or of another's
  saver NAME true|false            ActiveChanged of org.NAME.ScreenSaver
  plain                            the notification service has no body-markup from now on
  close ID                         NotificationClosed
  kill system|session              the bus ends, and what is on it leaves
  start system|session             the bus is there again, at its old address
  leave | return                   logind gives up its name, and takes it again
"""
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile

import dbus
import dbus.bus
import dbus.mainloop.glib
import dbus.service
from gi.repository import GLib

dbus.mainloop.glib.DBusGMainLoop(set_as_default=True)
ROOT = tempfile.mkdtemp()
LOGIN = "org.freedesktop.login1"
SESSION = LOGIN + ".Session"
OWN, FOREIGN = "/org/freedesktop/login1/session/_31", "/org/freedesktop/login1/session/_32"


def say(**event):
    print(json.dumps(event), flush=True)


class Bus:
    """A dbus-daemon, and what stands on it."""

    def __init__(self, name, stands):
        self.name, self.stands = name, stands
        self.address = f"unix:path={ROOT}/{name}"
        self.daemon = self.connection = None
        self.start()

    def start(self):
        configuration = f"{ROOT}/{self.name}.conf"
        with open(configuration, "w") as file:
            file.write(f"""<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN"
 "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
<busconfig><type>{self.name}</type><listen>{self.address}</listen><auth>EXTERNAL</auth><policy context="default">
<allow send_destination="*" eavesdrop="true"/><allow receive_sender="*"/><allow own="*"/></policy></busconfig>""")
        command = ["dbus-daemon", "--config-file=" + configuration, "--nofork", "--nopidfile", "--print-address"]
        self.daemon = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE)
        self.daemon.stdout.readline()
        self.connection = dbus.bus.BusConnection(self.address)
        self.connection.set_exit_on_disconnect(False)
        self.stands(self.connection)

    def end(self):
        self.daemon.kill()
        self.daemon.wait()
        if os.path.exists(f"{ROOT}/{self.name}"):
            os.unlink(f"{ROOT}/{self.name}")


class Manager(dbus.service.Object):
    def __init__(self, connection):
        super().__init__(connection, "/org/freedesktop/login1")
        self.held = 0

    @dbus.service.method(LOGIN + ".Manager", in_signature="ssss", out_signature="h")
    def Inhibit(self, what, who, why, mode):
        ours, theirs = os.pipe()
        self.held += 1
        GLib.io_add_watch(ours, GLib.IO_HUP, self.released)
        say(said=f"inhibit {what} {who} {mode}")
        handed = dbus.types.UnixFd(theirs)
        os.close(theirs)
        return handed

    def released(self, descriptor, _):
        os.close(descriptor)
        self.held -= 1
        say(said="released")
        return False

    @dbus.service.signal(LOGIN + ".Manager", signature="b")
    def PrepareForSleep(self, begins):
        pass


class LoginSession(dbus.service.Object):
    def __init__(self, connection, path, user):
        super().__init__(connection, path)
        self.user = user

    @dbus.service.method("org.freedesktop.DBus.Properties", in_signature="ss", out_signature="v")
    def Get(self, interface, name):
        return dbus.Struct([dbus.UInt32(self.user), dbus.ObjectPath("/")], signature="uo", variant_level=1)

    @dbus.service.signal(SESSION, signature="")
    def Lock(self):
        pass

    @dbus.service.signal("org.freedesktop.DBus.Properties", signature="sa{sv}as")
    def PropertiesChanged(self, interface, changed, invalidated):
        pass


def saver(connection, name):
    interface = f"org.{name}.ScreenSaver"

    class Saver(dbus.service.Object):
        @dbus.service.signal(interface, signature="b")
        def ActiveChanged(self, is_active):
            pass

    connection.request_name(interface)
    return Saver(connection, "/" + interface.replace(".", "/"))


class Notifications(dbus.service.Object):
    capabilities = ["body", "body-markup"]

    def __init__(self, connection):
        super().__init__(connection, "/org/freedesktop/Notifications")
        self.last = 0

    @dbus.service.method("org.freedesktop.Notifications", in_signature="", out_signature="as")
    def GetCapabilities(self):
        return self.capabilities

    @dbus.service.method("org.freedesktop.Notifications", in_signature="susssasa{sv}i", out_signature="u")
    def Notify(self, application, replaces, icon, summary, body, actions, hints, timeout):
        self.last = replaces or self.last + 1
        say(said=f"notify {self.last} {summary}|{body}")
        return dbus.UInt32(self.last)

    @dbus.service.signal("org.freedesktop.Notifications", signature="uu")
    def NotificationClosed(self, number, reason):
        pass


things = {}


def system_stands(connection):
    things["manager"] = Manager(connection)
    things["own"] = LoginSession(connection, OWN, os.getuid())
    things["foreign"] = LoginSession(connection, FOREIGN, os.getuid() + 1)
    connection.request_name(LOGIN)


def session_stands(connection):
    for name in ("freedesktop", "gnome"):
        things[name] = saver(connection, name)
    things["notifications"] = Notifications(connection)
    connection.request_name("org.freedesktop.Notifications")


buses = {"system": Bus("system", system_stands), "session": Bus("session", session_stands)}


def obey(words):
    kind, rest = words[0], words[1:]
    if kind in ("sleep", "wake"):
        things["manager"].PrepareForSleep(kind == "sleep")
    elif kind == "held":
        say(said=f"held {things['manager'].held}")
    elif kind == "lock":
        things["own"].Lock()
    elif kind == "foreign-lock":
        things["foreign"].Lock()
    elif kind == "hint":
        things["own"].PropertiesChanged(SESSION, {"IdleHint": True, "LockedHint": rest[0] == "true"}, [])
    elif kind == "foreign-hint":
        things["foreign"].PropertiesChanged(SESSION, {"LockedHint": True}, [])
    elif kind == "saver":
        things[rest[0]].ActiveChanged(rest[1] == "true")
    elif kind == "plain":
        Notifications.capabilities = ["body"]
    elif kind == "close":
        things["notifications"].NotificationClosed(dbus.UInt32(int(rest[0])), dbus.UInt32(2))
    elif kind == "kill":
        buses[rest[0]].end()
    elif kind == "start":
        buses[rest[0]].start()
    elif kind == "leave":
        buses["system"].connection.release_name(LOGIN)
    elif kind == "return":
        buses["system"].connection.request_name(LOGIN)
    else:
        sys.exit(f"stand-in.py: unknown command {kind}")


def read(descriptor, _):
    global rest
    got = os.read(descriptor, 4096)
    if not got:
        loop.quit()
        return False
    *lines, rest = (rest + got.decode()).split("\n")
    for line in lines:
        obey(line.split())
        for bus in buses.values():
            if bus.daemon.poll() is None:
                bus.connection.flush()
        say(done=line)
    return True


rest = ""
loop = GLib.MainLoop()
GLib.unix_signal_add(GLib.PRIORITY_HIGH, signal.SIGTERM, loop.quit)
GLib.io_add_watch(0, GLib.IO_IN | GLib.IO_HUP, read)
say(environment={
    "DBUS_SYSTEM_BUS_ADDRESS": buses["system"].address, "DBUS_SESSION_BUS_ADDRESS": buses["session"].address,
    "XDG_RUNTIME_DIR": ROOT,
})
try:
    loop.run()
finally:
    for bus in buses.values():
        bus.end()
    shutil.rmtree(ROOT)
