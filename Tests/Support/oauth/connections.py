"""Ways to end a connection from inside a server that still holds it."""
import os
import socket
import struct


def cut(connection, reset=False):
    """Closes the connection under whoever holds the socket, with a FIN or a RST; what they write then goes nowhere."""
    try:
        if not reset:
            return connection.shutdown(socket.SHUT_RDWR)
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        # A close() would wait for the files made of the socket; this takes the descriptor's place, which closes it now.
        stand_in, peer = socket.socketpair()
        os.dup2(stand_in.fileno(), connection.fileno())
        stand_in.close()
        peer.close()
    except OSError:
        pass
