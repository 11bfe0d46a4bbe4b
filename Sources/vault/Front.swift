internal import CVaultFront

/// The thin front of the command: it prints a token that the agent has, and becomes `vault-main` for everything else.
///
/// A token is asked for with every request of many tools, and starting a program that can do more takes longer than all
/// the rest. So this is Embedded Swift where it is installed: no Foundation, no parser of anybody's, nothing that is
/// read at start. What it does not know, or does not like, is none of its business: `vault-main` begins anew, asks the
/// agent itself, and has the words for what is wrong.
enum Front {
    static func run() -> Never {
        #if !hasFeature(Embedded)
            forbidBacktraces()
        #endif
        if let status = answer() { front_exit(status) }
        VaultMain.become()
    }

    /// Answers `vault token NAME` and returns the exit status, or returns `nil` with nothing printed.
    private static func answer() -> Int32? {
        guard let question = Question.asked, let place = Place.ofVault(question), let path = Place.ofSocket(),
            // Before the socket is there: it would be standard output where that is closed.
            front_occupy_standard_streams(), let agent = Agent(at: path)
        else { return nil }
        // Before anything secret is in memory.
        guard front_forbid_dumps() == 0, agent.ask(question.request(in: place)) else { return nil }
        return agent.answer { line in print(line, for: question) } ?? nil
    }

    /// Prints notes and the token, and returns the exit status; `nil` where the answer is not the plain one.
    private static func print(_ line: UnsafeMutableBufferPointer<UInt8>, for question: Question) -> Int32? {
        guard let answer = Answer.read(line, mayNote: question.mayNote),
            let printed = question.asksHeader ? answer.headerLine() : answer.tokenLine()
        else { return nil }
        front_report_write_errors()
        if !question.isQuiet { _ = answer.notes.write(to: 2) }
        guard let start = printed.baseAddress else { return nil }
        let result = front_write(1, start, printed.count)
        guard result < 0 else { return 0 }
        var sentence = Bytes(capacity: 256)
        sentence.append("vault: error: cannot write the output: ")
        sentence.append(Text(text: front_error_text(-result)))
        sentence.append("\n")
        _ = sentence.write(to: 2)
        return 8
    }
}
