internal import CVaultSystem
internal import Glibc
internal import PrivateFiles
internal import Synchronization

/// What a directory store does, on a thread that may wait for locks and disks.
final class DirectoryWork: Sendable {
    let layout: DirectoryLayout
    let state: DirectoryState
    let redo: DirectoryRedo
    /// Counts for this process alone where nothing can be written.
    private let unwritten = Mutex<DirectoryState.Seen?>(nil)

    init(directory: String, locks: String) {
        layout = DirectoryLayout(directory)
        state = DirectoryState(locks: locks)
        redo = DirectoryRedo(layout: layout, locks: locks)
    }

    /// Reads what must be consistent in itself: again if a commit came in between, and in the end under the lock.
    func reading<T>(_ body: () throws(StoreError) -> T) throws(StoreError) -> T {
        for _ in 0..<8 {
            let before = try state.seen()?.counter
            if try redo.isThere { try recover() }
            let result: Result<T, StoreError> = Result { () throws(StoreError) in try body() }
            // The redo first: it goes only after its change was counted.
            if try !redo.isThere, try state.seen()?.counter == before { return try result.get() }
        }
        let held = try state.lock()
        try recover(held)
        return try withExtendedLifetime(held) { () throws(StoreError) in try body() }
    }

    /// Reads one file, which is whole at every instant; a commit it belongs to is finished first.
    func readRecord(_ id: RecordID) throws(StoreError) -> StoredRecord? {
        let result: Result<StoredRecord?, StoreError> = Result { () throws(StoreError) in try layout.readRecord(id) }
        // Looked for after the file was read: a file that belongs to a commit still under way is not shown before the
        // others of it can be.
        if try !redo.isThere { return try result.get() }
        return try reading { () throws(StoreError) in try layout.readRecord(id) }
    }

    /// The second versions.
    ///
    /// It takes away what killed processes left, where something may be written and something was left.
    func conflicts(isReadOnly: Bool) throws(StoreError) -> [ConflictCopy] {
        try layout.require()
        let copies = try reading { () throws(StoreError) in try layout.conflicts() }
        // What cannot be taken away is in nobody's way.
        if !isReadOnly { try? tidy() }
        return copies
    }

    func settle(_ copies: [ConflictCopy]) throws(StoreError) {
        let held = try state.lock()
        try recover(held)
        try layout.require()
        guard !copies.isEmpty else { return }
        defer { count(held) }
        for copy in copies { try layout.settle(copy) }
    }

    func putBeside(_ record: StoredRecord) throws(StoreError) {
        let held = try state.lock()
        try recover(held)
        try layout.require()
        try layout.putBeside(SealedFile.bytes(of: record), record.id)
        count(held)
    }

    private func tidy() throws(StoreError) {
        var clock = timespec()
        clock_gettime(CLOCK_REALTIME, &clock)
        let tidying = DirectoryTidying(layout: layout, now: Int(clock.tv_sec))
        guard try !tidying.left().isEmpty else { return }
        let held = try state.lock()
        try recover(held)
        try tidying.run()
    }

    private func recover() throws(StoreError) {
        try recover(try state.lock())
    }

    /// Finishes a commit that was cut off.
    private func recover(_ held: DirectoryState.Held) throws(StoreError) {
        // A copy of the directory has the same counter: what was cut off there is finished before its number has passed.
        for other in redo.others() { try? Self.finish(other, held) }
        try Self.finish(redo, held)
    }

    private static func finish(_ redo: DirectoryRedo, _ held: DirectoryState.Held) throws(StoreError) {
        let counter = try held.seen()?.counter ?? 0
        guard let number = try redo.replay(after: counter) else { return }
        if number > counter {
            let stamp = try DirectoryStamp(layout: redo.layout).settled()
            try held.remember(DirectoryState.Seen(counter: number, stamp: stamp))
        }
        try translatingFileErrors { () throws(FileError) in try redo.remove() }
    }

    func commit(_ changes: [RecordChange], ifHeaderGeneration generation: UInt64) throws(StoreError) {
        let held = try state.lock()
        try recover(held)
        try requireHeader(generation)
        var steps: [(id: RecordID, step: FileStep)] = []
        for change in changes { steps.append((change.id, try step(for: change))) }
        for (_, step) in steps { try step.prepare() }
        for (id, step) in steps where step.new != nil { try layout.makeShard(of: id) }
        do throws(StoreError) {
            if steps.count > 1 { try redo.write(steps, counter: try next(held)) }
            try perform(steps.map(\.step))
        } catch {
            try undo(steps.map(\.step))
            throw error
        }
        count(held)
        if steps.count > 1 { try? redo.remove() }
    }

    private func perform(_ steps: [FileStep]) throws(StoreError) {
        for step in steps { try step.perform() }
        try translatingFileErrors { () throws(FileError) in try FileStep.synchronize(steps) }
    }

    /// Takes back what was done of a commit that cannot be done.
    ///
    /// Renames need no room. Where even they fail the redo stays, and the commit is finished when that is possible:
    /// whole, though it was reported as failed.
    private func undo(_ steps: [FileStep]) throws(StoreError) {
        try translatingFileErrors { () throws(FileError) in
            for step in steps.reversed() { try step.undo() }
            try FileStep.synchronize(steps)
            if steps.count > 1 { try redo.remove() }
        }
    }

    private func step(for change: RecordChange) throws(StoreError) -> FileStep {
        let old = try layout.readFile(of: change.id)
        let found = old.map { layout.record(change.id, from: $0).generation }
        try change.check(found: found, subject: layout.root)
        let new: [UInt8]? =
            switch change {
            case .put(let record, _): SealedFile.bytes(of: record)
            case .delete: nil
            }
        return layout.step(layout.file(of: change.id), new: new, old: old)
    }

    func replaceHeader(_ header: StoredHeader, ifGeneration old: UInt64) throws(StoreError) {
        let held = try state.lock()
        try recover(held)
        try requireHeader(old)
        let found = try SyncedFiles.read(layout.header)
        let step = layout.step(layout.header, new: SealedFile.bytes(of: header), old: found)
        try step.prepare()
        do throws(StoreError) {
            try perform([step])
        } catch {
            try undo([step])
            guard error.code != .conflict else { throw error.asMovedHeader }
            throw error
        }
        count(held)
    }

    private func requireHeader(_ generation: UInt64) throws(StoreError) {
        let found = try layout.readHeader().generation
        guard found == generation else {
            throw StoreError.headerMoved(layout.root, found: found, expected: generation)
        }
    }

    private func next(_ held: DirectoryState.Held) throws(StoreError) -> UInt64 { (try held.seen()?.counter ?? 0) + 1 }

    /// Counts a change that is done and durable.
    ///
    /// A failure is no failure of the change: the directories look different now, so whoever asks next counts it.
    private func count(_ held: DirectoryState.Held) {
        do throws(StoreError) {
            let stamp = try DirectoryStamp(layout: layout).settled()
            try held.remember(DirectoryState.Seen(counter: try next(held), stamp: stamp))
        } catch {}
    }

    /// The number of changes this machine has seen, those of sync tools included.
    func changeCounter() throws(StoreError) -> UInt64 {
        try layout.require()
        let stamp = try DirectoryStamp(layout: layout).current()
        let seen = try state.seen()
        if let seen, seen.stamp == stamp, try !redo.isThere { return seen.counter }
        do throws(StoreError) {
            let held = try state.lock()
            try recover(held)
            let seen = try held.seen()
            if let seen, seen.stamp == (try DirectoryStamp(layout: layout).current()) { return seen.counter }
            let now = DirectoryState.Seen(
                counter: (seen?.counter).map { $0 + 1 } ?? 0,
                stamp: try DirectoryStamp(layout: layout).settled()
            )
            try held.remember(now)
            return now.counter
        } catch {
            // Media that cannot be written, or a state that cannot: who only reads must not need it.
            guard error.code == .unavailable else { throw error }
            return unwritten.withLock { last in
                var now = last ?? seen ?? DirectoryState.Seen(counter: 0, stamp: stamp)
                now.counter = max(now.counter, seen?.counter ?? 0)
                if now.stamp != stamp { now.counter += 1 }
                now.stamp = stamp
                last = now
                return now.counter
            }
        }
    }
}
