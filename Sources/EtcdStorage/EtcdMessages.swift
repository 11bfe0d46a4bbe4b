internal import FoundationEssentials

// What the gateway of etcd 3.4 and later reads and writes: whole numbers as texts, bytes in base64, and nothing for what
// is zero or empty.

/// A whole number that is not negative, as all are that a cluster counts or names leases with.
struct WholeNumber: Codable, Sendable, Hashable {
    var value: UInt64

    init(_ value: UInt64) { self.value = value }

    init(from decoder: any Decoder) throws {
        let container = try decoder.singleValueContainer()
        if let text = try? container.decode(String.self) {
            guard let value = Int64(text), value >= 0, value < .max else {
                throw DecodingError.dataCorruptedError(in: container, debugDescription: "is no whole number")
            }
            self.value = UInt64(value)
        } else {
            let value = try container.decode(Int64.self)
            guard value >= 0, value < .max else {
                throw DecodingError.dataCorruptedError(in: container, debugDescription: "is no whole number")
            }
            self.value = UInt64(value)
        }
    }

    func encode(to encoder: any Encoder) throws {
        var container = encoder.singleValueContainer()
        try container.encode(String(value))
    }
}

struct KeyValue: Decodable, Sendable {
    var key: Data?
    var value: Data?
    var modRevision: WholeNumber?
    var version: WholeNumber?

    enum CodingKeys: String, CodingKey {
        case key, value, version
        case modRevision = "mod_revision"
    }
}

struct AnswerHeader: Decodable, Sendable {
    var revision: WholeNumber?
}

struct RangeRequest: Encodable, Sendable {
    var key: Data
    var end: Data?
    var limit: WholeNumber?
    var revision: WholeNumber?
    var keysOnly: Bool?

    enum CodingKeys: String, CodingKey {
        case key, limit, revision
        case end = "range_end"
        case keysOnly = "keys_only"
    }
}

struct RangeAnswer: Decodable, Sendable {
    var header: AnswerHeader?
    var kvs: [KeyValue]?
    var more: Bool?
    /// Of all keys in the range, whatever the limit was.
    var count: WholeNumber?
}

struct PutRequest: Encodable, Sendable {
    var key: Data
    var value: Data?
    var lease: WholeNumber?
    var keepsValue: Bool?

    enum CodingKeys: String, CodingKey {
        case key, value, lease
        case keepsValue = "ignore_value"
    }
}

struct DeleteRequest: Encodable, Sendable {
    var key: Data
    var end: Data?

    enum CodingKeys: String, CodingKey {
        case key
        case end = "range_end"
    }
}

/// What a transaction expects: a key of that revision; zero for none.
struct Comparison: Encodable, Sendable {
    var target = "MOD"
    var result = "EQUAL"
    var key: Data
    var modRevision: WholeNumber

    init(_ key: Data, revision: UInt64) {
        self.key = key
        modRevision = WholeNumber(revision)
    }

    enum CodingKeys: String, CodingKey {
        case target, result, key
        case modRevision = "mod_revision"
    }
}

struct Operation: Encodable, Sendable {
    var range: RangeRequest?
    var put: PutRequest?
    var delete: DeleteRequest?
    var transaction: Transaction?

    enum CodingKeys: String, CodingKey {
        case range = "request_range"
        case put = "request_put"
        case delete = "request_delete_range"
        case transaction = "request_txn"
    }

    static func range(_ key: Data, end: Data? = nil, keysOnly: Bool? = nil) -> Operation {
        Operation(range: RangeRequest(key: key, end: end, keysOnly: keysOnly))
    }

    static func put(_ key: Data, _ value: [UInt8], lease: UInt64? = nil) -> Operation {
        Operation(put: PutRequest(key: key, value: Data(value), lease: lease.map(WholeNumber.init)))
    }

    static func delete(_ key: Data, end: Data? = nil) -> Operation {
        Operation(delete: DeleteRequest(key: key, end: end))
    }
}

struct Transaction: Encodable, Sendable {
    var compare: [Comparison] = []
    var success: [Operation] = []
    var failure: [Operation] = []

    /// Whether it may change anything.
    var writes: Bool { success.contains { $0.range == nil } }
}

struct TransactionAnswer: Decodable, Sendable {
    struct Response: Decodable, Sendable {
        var range: RangeAnswer?

        enum CodingKeys: String, CodingKey {
            case range = "response_range"
        }
    }

    var header: AnswerHeader?
    var succeeded: Bool?
    var responses: [Response]?
}

struct LeaseRequest: Encodable, Sendable {
    var id: WholeNumber?
    var lifetime: WholeNumber?

    enum CodingKeys: String, CodingKey {
        case id = "ID"
        case lifetime = "TTL"
    }
}

struct LeaseAnswer: Decodable, Sendable {
    var id: WholeNumber?
    var lifetime: WholeNumber?

    enum CodingKeys: String, CodingKey {
        case id = "ID"
        case lifetime = "TTL"
    }
}

/// One message of an answer that is a stream.
struct Streamed<Message: Decodable & Sendable>: Decodable, Sendable {
    var result: Message?
    var error: RefusalAnswer?
}

/// Etcd's own no: 3.4 and 3.5 write the words under `error`, `message` or both.
struct RefusalAnswer: Decodable, Sendable {
    var error: String?
    var message: String?
    var code: Int?
    var grpcCode: Int?

    enum CodingKeys: String, CodingKey {
        case error, message, code
        case grpcCode = "grpc_code"
    }
}

struct IdentityRequest: Encodable, Sendable {
    var name: String
    var password: String
}

struct IdentityAnswer: Decodable, Sendable {
    var token: String?
}
