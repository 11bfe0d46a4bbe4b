/// The word that somebody may have meant who wrote another.
///
/// It is one that takes few changes (a letter more, less or other), as an optimal string alignment counts them: at most
/// a third of the longer one's letters, so that a guess is never stranger than the mistake.
func nearestWord(to written: String, of known: [String]) -> String? {
    let written = Array(written.utf8.prefix(64))
    let ranked = known.map { word in (word, changes(written, Array(word.utf8))) }
    guard let (word, count) = ranked.min(by: { $0.1 < $1.1 }), count * 3 <= max(written.count, word.utf8.count) else {
        return nil
    }
    return word
}

/// How many bytes to put in, take out, replace or swap with their neighbour to make one of the other.
private func changes(_ first: [UInt8], _ second: [UInt8]) -> Int {
    var rows = [Array(0...second.count)]
    for (index, byte) in first.enumerated() {
        var row = [index + 1]
        for (other, candidate) in second.enumerated() {
            var best = min(rows[index][other + 1], row[other]) + 1
            best = min(best, rows[index][other] + (byte == candidate ? 0 : 1))
            if index > 0, other > 0, byte == second[other - 1], first[index - 1] == candidate {
                best = min(best, rows[index - 1][other - 1] + 1)
            }
            row.append(best)
        }
        rows.append(row)
    }
    return rows[first.count][second.count]
}
