"""TCP relays in front of a cluster's members: they can be cut as a network is, and keep what passes through them."""

import os
import selectors
import socket
import threading

CHUNK = 65536


class Relays:
    """Any number of relays, all on one thread.

    A cut one neither closes nor refuses: bytes just stop arriving, as with a network that has failed. When it is
    healed, what was cut is closed, and whoever needs it connects anew.
    """

    def __init__(self):
        self.selector = selectors.DefaultSelector()
        self.lock = threading.Lock()
        self.wake, self.woken = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)[::-1]
        self.selector.register(self.woken, selectors.EVENT_READ, None)
        self.relays = []
        self.closes = []
        self.ended = False
        self.thread = threading.Thread(target=self.run, daemon=True)
        self.thread.start()

    def add(self, port, to, identify=None, record=False):
        """A relay from `port` of the loopback to the port `to`; `identify` names whoever connects, by its port."""
        listener = socket.create_server(("127.0.0.1", port), backlog=256)
        listener.setblocking(False)
        relay = Relay(listener, to, identify, record)
        with self.lock:
            self.relays.append(relay)
            self.selector.register(listener, selectors.EVENT_READ, relay)
        self.nudge()
        return relay

    def nudge(self):
        os.write(self.wake, b"x")

    def heal(self):
        """Closes what was cut; the relays' own rules say what is cut from now on."""
        with self.lock:
            for relay in self.relays:
                self.closes += [link for link in relay.links if link.was_cut]
        self.nudge()

    def close(self):
        self.ended = True
        self.nudge()
        self.thread.join()

    def run(self):
        while not self.ended:
            for key, _ in self.selector.select():
                if key.data is None:
                    try:
                        os.read(self.woken, CHUNK)
                    except BlockingIOError:
                        pass
                elif isinstance(key.data, Relay):
                    self.accept(key.data)
                else:
                    self.move(*key.data)
            with self.lock:
                closes, self.closes = self.closes, []
            for link in closes:
                self.end(link)
        for relay in self.relays:
            relay.listener.close()
            for link in list(relay.links):
                self.end(link)

    def accept(self, relay):
        try:
            near, address = relay.listener.accept()
        except OSError:
            return
        source = relay.identify(address[1]) if relay.identify else None
        link = Link(relay, near, source)
        relay.links.append(link)
        if relay.record is not None:
            relay.record.append(link.said)
        if relay.cuts(source):
            # Nobody answers; the other end finds out by its own patience.
            link.was_cut = True
            return
        try:
            link.far = socket.create_connection(("127.0.0.1", relay.to), timeout=5)
        except OSError:
            return self.end(link)
        for end, other in ((near, link.far), (link.far, near)):
            end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self.selector.register(end, selectors.EVENT_READ, (link, end, other))

    def move(self, link, end, other):
        if link.ended:
            return
        if link.relay.cuts(link.source):
            link.was_cut = True
            for each in (link.near, link.far):
                self.selector.unregister(each)
            return
        try:
            data = end.recv(CHUNK)
            if not data:
                return self.end(link)
            if link.relay.record is not None:
                link.said[0 if end is link.near else 1].append(data)
            # Blocking: what the other end does not take in five seconds is a broken connection.
            other.settimeout(5)
            other.sendall(data)
        except OSError:
            self.end(link)

    def end(self, link):
        if link.ended:
            return
        link.ended = True
        for each in (link.near, link.far):
            if each is None:
                continue
            try:
                self.selector.unregister(each)
            except (KeyError, ValueError):
                pass
            each.close()
        if link in link.relay.links:
            link.relay.links.remove(link)


class Relay:
    def __init__(self, listener, to, identify, record):
        self.listener, self.to, self.identify = listener, to, identify
        self.port = listener.getsockname()[1]
        self.links = []
        # For each connection what the client said and what it was told.
        self.record = [] if record else None
        # Whether nothing passes for whoever connects under that name.
        self.cuts = lambda source: False


    def said(self):
        """For each connection that was recorded: all that the client said, and all that it was told."""
        return [tuple(b"".join(part) for part in pair) for pair in list(self.record)]


class Link:
    def __init__(self, relay, near, source):
        self.relay, self.near, self.far, self.source = relay, near, None, source
        self.was_cut = self.ended = False
        self.said = ([], [])


def holder_of(port, pids):
    """Which of the processes has the connection that begins at that port of the loopback."""
    inode = None
    with open("/proc/net/tcp", encoding="ascii") as lines:
        for line in lines:
            words = line.split()
            if words[1] == f"0100007F:{port:04X}":
                inode = words[9]
    for name, pid in pids.items():
        try:
            for descriptor in os.listdir(f"/proc/{pid}/fd"):
                try:
                    if os.readlink(f"/proc/{pid}/fd/{descriptor}") == f"socket:[{inode}]":
                        return name
                except OSError:
                    continue
        except OSError:
            continue
    return None
