"""Machines whose vault is on the cluster: each a home of its own, and nothing shared but what a fleet shares."""

import os

from cluster import Cluster
from refreshing import Home

USER, PASSWORD = "vault-user", "pw-of-the-vault-user"


def guarded(**options):
    """A cluster that wants to know who asks."""
    return Cluster(user=USER, password=PASSWORD, **options)


class Machine(Home):
    """A home on a machine of its own.

    `ports` are those that it asks the cluster at, in its order of preference; by default the members' own.
    """

    def __init__(self, programs, cluster, ports=None):
        super().__init__(programs)
        self.cluster = cluster
        # The fleet's key, handed to each machine by other means than the cluster.
        self.key = os.path.join(cluster.root, "key")
        self.configure(ports)

    def configure(self, ports=None):
        self.ports = ports or [member.client for member in self.cluster.members]
        folder = os.path.join(self.environment["XDG_CONFIG_HOME"], "vault")
        os.makedirs(folder, mode=0o700, exist_ok=True)
        lines = ["endpoints:"] + [f"  - http://127.0.0.1:{port}" for port in self.ports]
        lines += [f"prefix: {self.cluster.prefix}"]
        if self.cluster.user:
            password = self.file("etcd-password", self.cluster.password.encode() + b"\n")
            lines += [f"user: {self.cluster.user}", f"password_file: {password}"]
        descriptor = os.open(os.path.join(folder, "store.yaml"), os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        os.write(descriptor, ("\n".join(lines) + "\n").encode())
        os.close(descriptor)

    @property
    def address(self):
        hosts = ",".join(f"127.0.0.1:{port}" for port in self.ports)
        return f"etcd://{hosts}/{self.cluster.prefix}"

    def make_vault(self, *options):
        super().make_vault("--store", self.address, *options)
