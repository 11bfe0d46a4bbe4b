internal import FoundationEssentials
internal import VaultStorage

/// The bodies of the large records of a commit that is too much for one request, under keys of their own.
///
/// A member takes 1.5 MiB in one request, and a commit may bring 64 MiB. So large bodies are put first, bound to a lease
/// of the cluster; then one transaction writes the records, which name their bodies, and takes these off the lease. If
/// one is gone by then, that transaction fails as a whole; if it never comes, the lease takes away what was put.
struct EtcdBodies: Sendable {
    /// What fits into one request beside the keys of 64 changes and what is compared.
    static let mostAtOnce = 5 << 18
    /// Smaller ones stay with their records: 64 of them fit.
    static let smallest = 16 << 10
    /// Enough to put 64 MiB over a slow line.
    static let lifetime: UInt64 = 600
    /// A member takes 128 operations at each level, less what is compared above it.
    private static let mostOperations = 50

    let lease: UInt64
    /// The name of each body.
    var names: [RecordID: [UInt8]] = [:]

    /// Ends the lease, and with it the bodies that no record names.
    func settle(_ client: EtcdClient) {
        let request = LeaseRequest(id: WholeNumber(lease))
        EtcdReleases.run { _ = try? await client.ask("lease/revoke", request, for: LeaseAnswer.self) }
    }

    /// The same operations, in transactions within the transaction where they are too many for one level.
    static func grouped(_ operations: [Operation]) -> [Operation] {
        guard operations.count > 2 * mostOperations else { return operations }
        return stride(from: 0, to: operations.count, by: mostOperations).map { start in
            let part = operations[start..<min(start + mostOperations, operations.count)]
            return Operation(transaction: Transaction(success: Array(part)))
        }
    }
}

extension Operation {
    /// Leaves the value as it is, and takes the key off its lease; the key must be there.
    static func keep(_ key: Data) -> Operation { Operation(put: PutRequest(key: key, keepsValue: true)) }
}

extension EtcdStore {
    /// Puts the large bodies of a commit that does not fit into one request; `nil` where it does.
    func stage(_ changes: [RecordChange]) async throws(StoreError) -> EtcdBodies? {
        var size = 0
        for case .put(let record, _) in changes { size += record.sealed.count }
        guard size > EtcdBodies.mostAtOnce else { return nil }
        let request = LeaseRequest(lifetime: WholeNumber(EtcdBodies.lifetime))
        let granted: LeaseAnswer = try await client.ask("lease/grant", request).message
        guard let id = granted.id?.value, id != 0 else { throw damaged("granted no lease") }
        var bodies = EtcdBodies(lease: id)
        do throws(StoreError) {
            for case .put(let record, _) in changes where record.sealed.count > EtcdBodies.smallest {
                let name = [UInt8].random(16)
                let put = PutRequest(
                    key: keys.body(record.id, name),
                    value: Data(record.sealed),
                    lease: WholeNumber(id)
                )
                _ = try await client.ask("kv/put", put, for: TransactionAnswer.self)
                bodies.names[record.id] = name
            }
        } catch {
            bodies.settle(client)
            throw error
        }
        return bodies
    }
}
