internal import VaultStorage

/// What a member of the cluster said instead of doing it.
struct EtcdRefusal: Error, Sendable {
    /// A gRPC status, such as 5 for "not found".
    var code: Int
    /// Etcd's words, made short and printable.
    var words: String

    init(code: Int, words: String) {
        self.code = code
        self.words = String(
            String.UnicodeScalarView(words.unicodeScalars.prefix(200).filter { (0x20...0x7E).contains($0.value) })
        )
    }

    /// What a person may be shown: a gateway or a proxy may quote what it was sent, and that can be a password.
    var shown: String { words.hasPrefix("etcdserver: ") ? "\(words), code \(code)" : "code \(code)" }

    private func says(_ part: String) -> Bool { words.contains(part) }

    var isLeaseGone: Bool { code == 5 && says("lease not found") }
    /// The answer would have been longer than the gateway takes from its server.
    var isAnswerTooLarge: Bool { code == 8 && says("received message larger than max") }
    /// The token is unknown to the member: it is old, or the member was started anew.
    var isTokenStale: Bool { code == 16 || says("revision of auth store is old") }

    /// Whether another member, or the same one a little later, may do it; and whether it was done nobody knows then.
    var mayPass: Bool {
        switch code {
        case 1, 2, 4, 13, 14: true
        case 8: says("too many requests")
        default: false
        }
    }

    /// The error for the user, where nothing else can be done about it.
    func error(_ cluster: EtcdCluster) -> StoreError {
        let subject = cluster.address.description
        if code == 8, says("space exceeded") {
            return StoreError(
                .unavailable,
                subject,
                "the cluster's database has reached its quota, and takes no more writes; nothing was changed",
                hint:
                    "etcdctl compact and etcdctl defrag make room, then etcdctl alarm disarm; or raise --quota-backend-bytes",
                underlying: self
            )
        }
        if says("request is too large") || says("larger than max") {
            return StoreError(
                .unavailable,
                subject,
                "the cluster takes no request of that size; nothing was changed",
                hint: "start its members with --max-request-bytes 1572864, which is the default, or more",
                underlying: self
            )
        }
        if says("user name is empty") || says("user name not found") {
            return StoreError(
                .misconfigured,
                subject,
                "the cluster wants to know its users, and store.yaml names none",
                hint: "write user and password_file into store.yaml",
                underlying: self
            )
        }
        if says("authentication is not enabled") {
            return StoreError(
                .misconfigured,
                subject,
                "store.yaml names a user, and the cluster asks nobody who they are",
                hint: "etcdctl auth enable turns that on; or take user and password_file out of store.yaml",
                underlying: self
            )
        }
        let user = cluster.user?.name ?? ""
        if says("authentication failed") {
            return StoreError(
                .misconfigured,
                subject,
                "the cluster does not take the password of \(user)",
                hint: "write the right one into the file that password_file in store.yaml names",
                underlying: self
            )
        }
        if code == 7 {
            return StoreError(
                .misconfigured,
                subject,
                "\(user.isEmpty ? "the user" : user) may not read and write the keys below \(cluster.prefix)/",
                hint: "etcdctl role grant-permission ROLE --prefix=true readwrite \(cluster.prefix)/",
                underlying: self
            )
        }
        if isTokenStale {
            return StoreError(
                .unavailable,
                subject,
                "the cluster does not know the token that it has just given out",
                hint: "its members may disagree: etcdctl endpoint status --cluster",
                underlying: self
            )
        }
        return StoreError(.unavailable, subject, "the cluster refused (\(shown))", underlying: self)
    }
}
