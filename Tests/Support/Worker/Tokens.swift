internal import Glibc
internal import OAuthFlows
internal import TokenBroker
internal import VaultAPI
internal import VaultCore
internal import VaultCrypto

extension Worker {
    /// A program that lives long and uses the library: it opens the vault once, and asks its broker again and again.
    ///
    /// With more brokers than one each has opened the vault for itself, and `many` lets them ask in turn.
    ///
    /// ```
    /// plain             a token that is valid                    → asking, then: token TEXT
    /// rejected TEXT     one that is not the token TEXT           → asking, then: token TEXT
    /// refresh           one that was refreshed after this line   → asking, then: token TEXT
    /// many COUNT [TEXT] so many tasks at once, TEXT is rejected  → asking, then: tokens DIFFERENT MICROSECONDS
    /// ```
    ///
    /// What goes wrong is `error STATUS SENTENCE`, and the next line is read.
    static func tokens(_ name: EntryName, brokers count: Int) async throws {
        var brokers: [LocalBroker] = []
        for _ in 0..<count {
            brokers.append(LocalBroker(try await open(), http: try AsyncHTTPExchange(environment: [:])))
        }
        say("open")
        while let line = readLine() {
            let words = line.split(separator: " ").map(String.init)
            var request = TokenRequirements(began: .systemNow)
            var count: Int?
            switch words.first {
            case "plain": break
            case "rejected": request.rejected = AccessToken(value: words[1], type: "Bearer", expiresAt: nil)
            case "refresh": request.requiresRefresh = true
            case "many":
                count = Int(words[1])
                if words.count > 2 {
                    request.rejected = AccessToken(value: words[2], type: "Bearer", expiresAt: nil)
                }
            default: throw VaultError(.usage, "tokens: no such line: \(line)")
            }
            // Who asks has begun to: a refresh that ends after this line is an answer to it.
            say("asking")
            do throws(VaultError) {
                if let count {
                    let clock = ContinuousClock()
                    let begin = clock.now
                    let different = try await together(count, name, request, brokers)
                    let time = (clock.now - begin).components
                    let microseconds = time.seconds * 1_000_000 + time.attoseconds / 1_000_000_000_000
                    say("tokens \(different) \(microseconds)")
                } else {
                    say("token \(try await brokers[0].accessToken(for: name.description, request).value)")
                }
            } catch {
                say("error \(error.code.exitStatus) \(error.message)")
            }
        }
    }

    /// Asks from many tasks at once, and says how many different tokens they got.
    private static func together(
        _ count: Int,
        _ name: EntryName,
        _ request: TokenRequirements,
        _ brokers: [LocalBroker]
    ) async throws(VaultError) -> Int {
        let results = await withTaskGroup(of: Result<String, VaultError>.self) { group in
            for number in 0..<count {
                let broker = brokers[number % brokers.count]
                group.addTask {
                    do throws(VaultError) {
                        return .success(try await broker.accessToken(for: name.description, request).value)
                    } catch {
                        return .failure(error)
                    }
                }
            }
            var results: [Result<String, VaultError>] = []
            for await result in group { results.append(result) }
            return results
        }
        var different: Set<String> = []
        for result in results { different.insert(try result.get()) }
        return different.count
    }
}
