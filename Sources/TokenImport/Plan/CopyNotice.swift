internal import StrictJSON
internal import VaultAPI
internal import VaultCore

extension ImportPlanner {
    /// The plan of all that was found, once it is known what is there twice.
    mutating func finish(_ vault: some ImportDestination) async throws(VaultError) -> ImportPlan {
        let owners = await ownersInVault(vault)
        noticeGenerations()
        let copies = noticeCopies(owners)
        let refused = nameEntries(beside: copies)
        settle(copies)
        plan.items = drafts.indices.filter { !refused.contains($0) }.map { drafts[$0].item }
        guard plan.options.name == nil || plan.items.count(where: { $0.action != .copy }) <= 1 else {
            throw VaultError(
                .usage,
                "--name goes with a file that holds one entry; \(plan.items.count) were found",
                hint: "leave --name out and use: vault rename"
            )
        }
        return plan
    }

    /// What a copy is a copy of.
    enum Original {
        case draft(Int)
        case entry(EntrySummary)
    }

    // MARK: Copies

    /// The entries beside those of the plan, by their fingerprints.
    private func ownersInVault(_ vault: some ImportDestination) async -> [[UInt8]: EntrySummary] {
        // Where nothing new comes, there is nothing to compare with all the vault.
        guard drafts.contains(where: { !$0.isMatched }) else { return [:] }
        let planned = Set(drafts.lazy.filter(\.isMatched).map(\.item.name))
        var owners: [[UInt8]: EntrySummary] = [:]
        for entry in existing where !planned.contains(entry.name) {
            // An entry that does not open is no reason not to import another.
            let found = try? await vault.withEntry(entry.name) { [key] (_, secrets) throws(VaultError) in
                key.marks(of: secrets)
            }
            guard let marks = found, let best = marks.best else { continue }
            owners[best] = owners[best] ?? entry
            if let access = marks.accessToken, access != best {
                owners[access] = owners[access] ?? entry
            }
        }
        return owners
    }

    /// Makes one entry of a token that was found twice: of the newest of its copies.
    ///
    /// Two owners of one refresh token log each other out, so the entry is held as long as one of the files has it.
    ///
    /// - Returns: What each copy is a copy of.
    private mutating func noticeCopies(_ owners: [[UInt8]: EntrySummary]) -> [Int: Original] {
        // An access token alone belongs to the grant that has it beside a refresh token.
        var whole: [[UInt8]: [UInt8]] = [:]
        for draft in drafts where draft.marks.refreshToken != nil {
            if let access = draft.marks.accessToken, let best = draft.marks.best { whole[access] = best }
        }
        var groups: [[UInt8]: [Int]] = [:]
        var order: [[UInt8]] = []
        for index in drafts.indices where drafts[index].item.action != .conflict {
            guard let best = drafts[index].marks.best else { continue }
            let mark = whole[best] ?? best
            if groups[mark] == nil { order.append(mark) }
            groups[mark, default: []].append(index)
        }
        var copies: [Int: Original] = [:]
        for mark in order {
            for members in byClient(groups[mark] ?? []) {
                noticeCopies(members, owners[mark], &copies)
            }
        }
        return copies
    }

    private mutating func noticeCopies(_ members: [Int], _ owner: EntrySummary?, _ copies: inout [Int: Original]) {
        guard let first = members.first else { return }
        let client = members.compactMap { drafts[$0].clientID }.first
        let owner = owner.flatMap { $0.clientID == nil || client == nil || $0.clientID == client ? $0 : nil }
        guard members.count > 1 || owner != nil else { return }
        let matched = members.first { drafts[$0].isMatched }
        let leader = matched ?? members.dropFirst().reduce(first) { isNewer($1, than: $0) ? $1 : $0 }
        for index in members {
            if let owner, matched == nil {
                copies[index] = .entry(owner)
            } else if index != leader {
                copies[index] = .draft(leader)
            }
        }
        noteEachOther(members, owner)
    }

    /// Takes apart what two clients hold.
    ///
    /// A server gives no two of them the same token, so those are no copies, whatever their bytes. A file that names no
    /// client goes with the first.
    private func byClient(_ members: [Int]) -> [[Int]] {
        var clients: [String] = []
        for index in members {
            if let client = drafts[index].clientID, !clients.contains(client) { clients.append(client) }
        }
        guard let first = clients.first, clients.count > 1 else { return [members] }
        return clients.map { client in members.filter { (drafts[$0].clientID ?? first) == client } }
    }

    /// Lists in each item where else its token is.
    private mutating func noteEachOther(_ members: [Int], _ entry: EntrySummary?) {
        let leaves = members.allSatisfy { drafts[$0].canRemove }
        // A token that is everywhere needs no list of everywhere in each place.
        let places = members.prefix(Self.shownCopies + 1).map { ($0, drafts[$0].item.path) }
        for index in members {
            if let entry { drafts[index].item.alsoIn.append(entry.name.description) }
            drafts[index].item.alsoIn += places.filter { $0.0 != index }.prefix(Self.shownCopies).map(\.1)
            let rotates = drafts[index].item.hasRefreshToken && drafts[index].item.rotation != .never
            if rotates && !leaves { drafts[index].item.willBeHeld = true }
        }
    }

    private static let shownCopies = 8

    /// Which of two copies is the live one: the newer; where nothing tells, the one that is no leftover; else the first.
    private func isNewer(_ index: Int, than other: Int) -> Bool {
        let (one, two) = (drafts[index], drafts[other])
        // An access token alone refreshes nothing.
        guard one.item.hasRefreshToken == two.item.hasRefreshToken else { return one.item.hasRefreshToken }
        switch Self.order(one.issuedAt, one.item.expiry, after: two.issuedAt, two.item.expiry) {
        case .newer?: return true
        case .older?: return false
        case nil: return !one.isLeftover && two.isLeftover
        }
    }

    /// Says in each copy what it is a copy of, now that all have names.
    private mutating func settle(_ copies: [Int: Original]) {
        for (index, original) in copies {
            let (name, path, isHeld): (EntryName, String, Bool)
            switch original {
            case .draft(let leader):
                let item = drafts[leader].item
                (name, path, isHeld) = (item.name, item.path, item.willBeHeld)
            case .entry(let entry):
                (name, path) = (entry.name, entry.source?.path ?? "")
                isHeld = !entry.state.isVaultOwned
            }
            let rotates = drafts[index].item.hasRefreshToken && drafts[index].item.rotation != .never
            let place = path.isEmpty ? "" : " (\(printable(path)))"
            drafts[index].item.notes.append(
                "its \(drafts[index].item.hasRefreshToken ? "refresh token" : "token") is also that of \(name)\(place)"
                    + (rotates ? ": whichever is refreshed second will be logged out" : "")
            )
            guard !drafts[index].isMatched else { continue }
            drafts[index].item.action = .copy
            drafts[index].item.name = name
            drafts[index].item.willBeHeld = isHeld
        }
    }

    // MARK: Generations

    /// Of a file and what was left beside it, the newer state of a grant is the live one, and the older is none.
    ///
    /// Grants of one account and client in places of their own may be independent, so both come in, and the older one
    /// says what it may be.
    private mutating func noticeGenerations() {
        var places: [String: Int] = [:]
        for index in drafts.indices where !drafts[index].isLeftover {
            places[Self.place(drafts[index].item.path, drafts[index].item.pointer)] = index
        }
        for index in drafts.indices where drafts[index].isLeftover && !drafts[index].isMatched {
            let draft = drafts[index]
            let place = Self.place(Leftover.originalPath(of: draft.item.path), draft.item.pointer)
            guard let live = places[place], isSameOwner(index, live), draft.marks.best != drafts[live].marks.best
            else { continue }
            let order = Self.order(
                draft.issuedAt,
                draft.item.expiry,
                after: drafts[live].issuedAt,
                drafts[live].item.expiry
            )
            let (older, newer) = order == .newer && !drafts[live].isMatched ? (live, index) : (index, live)
            drafts[older].item.action = .conflict
            drafts[older].item.notes.append(
                order == .newer && older == index
                    ? "newer than \(printable(drafts[newer].item.path)): a write of its owner was cut off"
                    : "an older state of the grant in \(printable(drafts[newer].item.path))"
            )
        }
        for members in families() {
            guard let first = members.first else { continue }
            let newest = members.dropFirst().reduce(first) { isNewer($1, than: $0) ? $1 : $0 }
            for index in members where index != newest && isNewer(newest, than: index) {
                guard drafts[index].marks.best != drafts[newest].marks.best else { continue }
                drafts[index].item.notes.append(
                    "its account has newer tokens in \(printable(drafts[newest].item.path)); if this is a copy of them, "
                        + "its refresh token may be spent"
                )
            }
        }
    }

    private func isSameOwner(_ index: Int, _ other: Int) -> Bool {
        let (one, two) = (drafts[index], drafts[other])
        return one.item.format == two.item.format && one.clientID == two.clientID
            && (one.item.account == nil || two.item.account == nil || one.item.account == two.item.account)
    }

    /// The grants with refresh tokens of one account and client in files of one format, where there are several.
    private func families() -> [[Int]] {
        var families: [[String]: [Int]] = [:]
        for index in drafts.indices {
            let draft = drafts[index]
            guard draft.item.hasRefreshToken, draft.item.action != .conflict, let account = draft.item.account else {
                continue
            }
            families[[draft.item.format, draft.item.issuer ?? "", draft.clientID ?? "", account], default: []]
                .append(index)
        }
        return families.values.filter { $0.count > 1 }
    }

    // MARK: Names

    /// Gives new entries their names: of two of one account, the newer gets the one without a number.
    ///
    /// - Returns: The drafts that cannot have the name that was asked for.
    private mutating func nameEntries(beside copies: [Int: Original]) -> Set<Int> {
        for index in drafts.indices where drafts[index].isMatched { taken.insert(drafts[index].item.name) }
        var families: [Int: [Int]] = [:]
        for members in self.families() { for index in members { families[index] = members } }
        var named: Set<Int> = []
        var refused: Set<Int> = []
        for index in drafts.indices {
            let members = families[index].map { $0.sorted { isNewer($0, than: $1) } } ?? [index]
            for member in members where named.insert(member).inserted {
                families[member] = nil
                let draft = drafts[member]
                guard !draft.isMatched, draft.item.action != .conflict, copies[member] == nil else { continue }
                var item = draft.item
                do throws(VaultError) {
                    try choose(&item)
                    drafts[member].item = item
                } catch {
                    plan.failures.append(ImportFailure(path: draft.item.link ?? draft.item.path, error: error))
                    refused.insert(member)
                }
            }
        }
        return refused
    }

    /// Finds a name for a new entry: the one that was asked for, or the format's, numbered where it is taken.
    private mutating func choose(_ item: inout ImportItem) throws(VaultError) {
        if let asked = plan.options.name {
            let name = try asked.contains(":") ? EntryName(parsing: asked) : EntryName(item.name.kind, asked)
            guard name.kind == item.name.kind else {
                throw VaultError(.usage, "--name \(name) does not fit: it is a \(item.name.kind.rawValue) entry")
            }
            item.name = name
            if !taken.insert(name).inserted {
                item.action = .conflict
                item.notes.append("\(name) exists and did not come from here")
            }
            return
        }
        let suggested = item.name
        var number = nextNumber[suggested] ?? 2
        while taken.contains(item.name) {
            item.name = suggested.numbered(number)
            number += 1
        }
        nextNumber[suggested] = number
        taken.insert(item.name)
    }
}
