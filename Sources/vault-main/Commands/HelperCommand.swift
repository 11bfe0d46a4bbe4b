internal import ArgumentParser

/// The protocols in which other tools ask for credentials.
struct HelperCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "helper",
        abstract: "Give tokens to git, docker, kubectl and the AWS CLI, each in its own protocol.",
        discussion: """
            Those tools start it; their documents, and not --json, are what it prints. None of them is given a token for a \
            host that the entry is not for.
            """,
        subcommands: [GitHelper.self, DockerHelper.self, KubectlHelper.self, AWSHelper.self]
    )
}
