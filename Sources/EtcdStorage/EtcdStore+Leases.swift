internal import FoundationEssentials
internal import Glibc
internal import PrivateFiles
public import VaultStorage

extension EtcdStore {
    /// An exclusive lease by that name, or `nil` if another holds it: on this machine or elsewhere.
    ///
    /// First this machine's own lock, so that the processes of one machine settle it among themselves; then the key. One
    /// that a dead process of this machine has left over is taken over at once: nobody else can hold our lock.
    public func tryLease(_ name: LeaseName) async throws(StoreError) -> Lease? {
        guard let local = try LeaseFile(directory: locks).tryLease(name) else { return nil }
        guard case .taken(let lease) = try await take(name, local) else { return nil }
        return lease
    }

    /// Waits for an exclusive lease by that name, up to `limit`.
    ///
    /// Of the processes of one machine, one waits at the cluster, and is told when the key goes; the others wait for that
    /// one.
    public func lease(
        _ name: LeaseName,
        within limit: Duration,
        clock: any Clock<Duration>
    ) async throws(StoreError) -> Lease {
        try await lease(name, within: limit, on: clock)
    }

    private func lease<C: Clock>(
        _ name: LeaseName,
        within limit: Duration,
        on clock: C
    ) async throws(StoreError) -> Lease where C.Duration == Duration {
        let start = clock.now
        let file = LeaseFile(directory: locks)
        let local = try await LeaseWaiting.wait(within: limit, on: clock) { () throws(StoreError) in
            try file.tryLease(name)
        }
        while true {
            let revision: UInt64?
            switch try await take(name, local) {
            case .taken(let lease): return lease
            case .elsewhere(let at): revision = at
            }
            let left = limit - start.duration(to: clock.now)
            guard left > .zero, !Task.isCancelled else {
                local.release()
                throw LeaseWaiting.timedOut(
                    after: limit,
                    hint: "try again; the process that holds it is on another machine of the cluster"
                )
            }
            await change(of: keys.lease(name), after: revision, within: min(left, .seconds(1)), on: clock)
        }
    }

    private enum Attempt {
        case taken(Lease)
        /// Another machine had it at that revision of the cluster.
        case elsewhere(at: UInt64?)
    }

    /// Asks the cluster for a lease whose lock this machine has.
    private func take(_ name: LeaseName, _ local: Lease) async throws(StoreError) -> Attempt {
        let machine = try EtcdMachine.mark(in: locks)
        let grant = try await session.begin()
        do throws(StoreError) {
            let (token, revision) = try await put(name, grant, machine)
            if let token { return .taken(held(name, token, grant, local)) }
            await session.end()
            return .elsewhere(at: revision)
        } catch {
            await session.end()
            throw error
        }
    }

    /// Puts the key; its revision, or `nil` where another machine has it, and the cluster's.
    private func put(
        _ name: LeaseName,
        _ grant: EtcdSession.Grant,
        _ machine: [UInt8]
    ) async throws(StoreError) -> (token: UInt64?, revision: UInt64?) {
        let key = keys.lease(name)
        let value = machine + [UInt8].random(16)
        var expected: UInt64 = 0
        for _ in 0..<4 {
            let transaction = Transaction(
                compare: [Comparison(key, revision: expected)],
                success: [.put(key, value, lease: grant.id)],
                failure: [.range(key)]
            )
            let answer: EtcdClient.Answer<TransactionAnswer>
            do throws(StoreError) {
                answer = try await client.ask("kv/txn", transaction)
            } catch {
                // The cluster has forgotten what it granted: another one is granted next time.
                if (error.underlying as? EtcdRefusal)?.isLeaseGone == true { grant.keep(until: 0) }
                throw error
            }
            let revision = answer.message.header?.revision?.value
            if answer.message.succeeded == true {
                guard let revision, revision > 0 else { throw damaged("wrote a key at no revision") }
                return (revision, revision)
            }
            guard let found = try one(answer.message.responses?.first?.range, key) else {
                expected = 0
                continue
            }
            guard let at = found.modRevision?.value, let holder = found.value else {
                throw damaged("has a lease that nobody holds")
            }
            if holder == Data(value) { return (at, at) }
            guard holder.starts(with: machine) else { return (nil, revision) }
            expected = at
        }
        return (nil, nil)
    }

    private func held(_ name: LeaseName, _ token: UInt64, _ grant: EtcdSession.Grant, _ local: Lease) -> Lease {
        let fence = LeaseFence(name: name, token: token) { grant.heldUntil }
        let key = keys.lease(name)
        return Lease(fence: fence) { [client, session] in
            // Whoever waits on this machine may have it now, and takes the key over.
            local.release()
            EtcdReleases.run {
                let transaction = Transaction(
                    compare: [Comparison(key, revision: token)],
                    success: [.delete(key)]
                )
                _ = try? await client.ask("kv/txn", transaction, for: TransactionAnswer.self)
                await session.end()
            }
        }
    }
}

/// What stands for the processes of one machine that share one directory of locks.
///
/// Random bytes of that directory, so that two containers of one machine differ, and the kernel's random name of this
/// start of it, so that a directory copied to another machine, or shared with it, does not make the two one.
enum EtcdMachine {
    static func mark(in locks: String) throws(StoreError) -> [UInt8] {
        do throws(FileError) {
            let boot = try Descriptor.open("/proc/sys/kernel/random/boot_id").read(upTo: 64)
            return try MachineFile.bytes(in: locks) + boot
        } catch {
            throw StoreError(error)
        }
    }
}
