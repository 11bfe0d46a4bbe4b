// swift-tools-version: 6.2

import PackageDescription

let strict: [SwiftSetting] = [
    .swiftLanguageMode(.v6),
    .enableUpcomingFeature("ExistentialAny"),
    .enableUpcomingFeature("MemberImportVisibility"),
    .enableUpcomingFeature("InternalImportsByDefault"),
    .treatAllWarnings(as: .error),
]

let package = Package(
    name: "vault",
    products: [
        .library(name: "CredentialVault", targets: ["CredentialVault"]),
        .library(name: "VaultStorage", targets: ["VaultStorage"]),
        .library(name: "VaultTestKit", targets: ["VaultTestKit"]),
        .executable(name: "vault", targets: ["vault"]),
        .executable(name: "vault-main", targets: ["vault-main"]),
        .executable(name: "vault-keyring", targets: ["vault-keyring"]),
        .executable(name: "vault-desktop", targets: ["vault-desktop"]),
    ],
    traits: [
        .trait(
            name: "SecretService",
            description: "Keep keys in the desktop's Secret Service. Without it nothing links libsecret."
        ),
        .trait(
            name: "Desktop",
            description: "Hear of sleep and screen locks, and show notifications. Without it nothing links GIO."
        ),
        .default(enabledTraits: ["SecretService", "Desktop"]),
    ],
    dependencies: [
        .package(url: "https://github.com/apple/swift-argument-parser", from: "1.8.2"),
        .package(url: "https://github.com/groue/GRDB.swift", from: "7.10.0"),
        .package(url: "https://github.com/swift-server/async-http-client", from: "1.37.0"),
        .package(url: "https://github.com/apple/swift-nio", from: "2.101.2"),
        .package(url: "https://github.com/apple/swift-nio-ssl", from: "2.37.6"),
        .package(url: "https://github.com/apple/swift-crypto", from: "4.5.2"),
        .package(url: "https://github.com/jpsim/Yams", from: "6.2.2"),
        .package(url: "https://github.com/LebJe/TOMLKit", from: "0.6.0"),
    ],
    targets: [
        .systemLibrary(name: "CSodium", pkgConfig: "libsodium", providers: [.apt(["libsodium-dev"])]),
        .systemLibrary(name: "CLibSecret", pkgConfig: "libsecret-1", providers: [.apt(["libsecret-1-dev"])]),
        .systemLibrary(name: "CGio", pkgConfig: "gio-2.0", providers: [.apt(["libglib2.0-dev"])]),
        .target(name: "CVaultSystem"),
        .target(name: "CVaultFront", dependencies: ["CVaultSystem"]),

        .target(name: "VaultAPI", swiftSettings: strict),
        .target(name: "VaultCrypto", dependencies: ["CSodium"], swiftSettings: strict),
        .target(name: "KeyringProtocol", swiftSettings: strict),
        .target(name: "HelperPrograms", swiftSettings: strict),
        .target(
            name: "DBusValues",
            dependencies: [.target(name: "CGio", condition: .when(traits: ["SecretService", "Desktop"]))],
            swiftSettings: strict
        ),
        .target(name: "PrivateFiles", dependencies: ["CVaultSystem"], swiftSettings: strict),
        .target(
            name: "KeyCustody",
            dependencies: ["VaultCrypto", "PrivateFiles", "KeyringProtocol", "HelperPrograms"],
            swiftSettings: strict
        ),
        .target(name: "DesktopSession", dependencies: ["KeyringProtocol", "HelperPrograms"], swiftSettings: strict),
        .target(
            name: "VaultStorage",
            dependencies: ["PrivateFiles", "CVaultSystem", .product(name: "GRDB", package: "GRDB.swift")],
            swiftSettings: strict
        ),
        .target(
            name: "EtcdStorage",
            dependencies: [
                "VaultAPI", "VaultStorage", "PrivateFiles", "SettingsFiles", "HTTPGuards",
                .product(name: "AsyncHTTPClient", package: "async-http-client"),
                .product(name: "NIOCore", package: "swift-nio"),
                .product(name: "NIOPosix", package: "swift-nio"),
                .product(name: "NIOHTTP1", package: "swift-nio"),
                .product(name: "NIOSSL", package: "swift-nio-ssl"),
            ],
            swiftSettings: strict
        ),
        .target(
            name: "VaultCore",
            dependencies: ["VaultAPI", "VaultCrypto", "KeyCustody", "VaultStorage", "EtcdStorage", "PrivateFiles"],
            swiftSettings: strict
        ),
        .target(name: "JSONSyntax", swiftSettings: strict),
        .target(name: "StrictJSON", dependencies: ["JSONSyntax", "VaultAPI", "VaultCrypto"], swiftSettings: strict),
        .target(
            name: "AgentClient",
            dependencies: ["VaultAPI", "JSONSyntax", "CVaultSystem"],
            swiftSettings: strict
        ),
        .target(
            name: "SettingsFiles",
            dependencies: ["VaultAPI", "StrictJSON", "PrivateFiles", .product(name: "Yams", package: "Yams")],
            swiftSettings: strict
        ),
        .target(
            name: "HTTPGuards",
            dependencies: [
                .product(name: "AsyncHTTPClient", package: "async-http-client"),
                .product(name: "NIOCore", package: "swift-nio"),
                .product(name: "NIOHTTP1", package: "swift-nio"),
            ],
            swiftSettings: strict
        ),
        .target(
            name: "Providers",
            dependencies: [
                "VaultAPI", "StrictJSON", "VaultCrypto", "PrivateFiles", "SettingsFiles",
                .product(name: "Yams", package: "Yams"),
            ],
            resources: [.embedInCode("presets.json"), .embedInCode("servers.json")],
            swiftSettings: strict
        ),
        .target(
            name: "OAuthFlows",
            dependencies: [
                "VaultAPI", "VaultCrypto", "StrictJSON", "HTTPGuards",
                .product(name: "AsyncHTTPClient", package: "async-http-client"),
                .product(name: "NIOCore", package: "swift-nio"),
                .product(name: "NIOPosix", package: "swift-nio"),
                .product(name: "NIOHTTP1", package: "swift-nio"),
                .product(name: "NIOSSL", package: "swift-nio-ssl"),
                .product(name: "Crypto", package: "swift-crypto"),
                .product(name: "_CryptoExtras", package: "swift-crypto"),
            ],
            swiftSettings: strict
        ),
        .target(
            name: "TokenBroker",
            dependencies: [
                "VaultAPI", "VaultCore", "VaultCrypto", "OAuthFlows", "StrictJSON", "PrivateFiles", "CVaultSystem",
            ],
            swiftSettings: strict
        ),
        .target(
            name: "TokenImport",
            dependencies: [
                "VaultAPI", "VaultCore", "VaultCrypto", "PrivateFiles", "StrictJSON", "CVaultSystem", "KeyCustody",
                .product(name: "Yams", package: "Yams"),
                .product(name: "TOMLKit", package: "TOMLKit"),
                .product(name: "GRDB", package: "GRDB.swift"),
                .product(name: "GRDBSQLite", package: "GRDB.swift"),
                .product(name: "Crypto", package: "swift-crypto"),
            ],
            resources: [.embedInCode("formats.json")],
            swiftSettings: strict
        ),
        .target(
            name: "CredentialVault",
            dependencies: [
                "VaultAPI", "VaultCore", "VaultCrypto", "VaultStorage", "KeyCustody", "TokenBroker", "OAuthFlows",
                "TokenImport", "AgentClient", "HTTPGuards",
                .product(name: "AsyncHTTPClient", package: "async-http-client"),
                .product(name: "NIOCore", package: "swift-nio"),
                .product(name: "NIOHTTP1", package: "swift-nio"),
            ],
            swiftSettings: strict
        ),
        .target(
            name: "ResourceProxy",
            dependencies: [
                "VaultAPI", "VaultCore", "VaultCrypto", "OAuthFlows", "CredentialVault", "PrivateFiles",
                .product(name: "AsyncHTTPClient", package: "async-http-client"),
                .product(name: "NIOCore", package: "swift-nio"),
                .product(name: "NIOPosix", package: "swift-nio"),
                .product(name: "NIOHTTP1", package: "swift-nio"),
                .product(name: "NIOSSL", package: "swift-nio-ssl"),
            ],
            swiftSettings: strict
        ),
        .target(
            name: "VaultAgent",
            dependencies: [
                "AgentClient", "CredentialVault", "DesktopSession", "OAuthFlows", "PrivateFiles", "Providers",
                "TokenBroker",
                "VaultAPI", "VaultCore", "VaultCrypto", "JSONSyntax", "CVaultSystem",
            ],
            swiftSettings: strict
        ),
        .target(
            name: "VaultTestKit",
            dependencies: ["VaultAPI", "VaultStorage", "KeyCustody", "VaultCrypto"],
            swiftSettings: strict
        ),
        // Ordinary Swift here, Embedded Swift by `make release`, which needs flags that a package may not ask for.
        .executableTarget(name: "vault", dependencies: ["CVaultFront", "CVaultSystem"], swiftSettings: strict),
        .executableTarget(
            name: "vault-main",
            dependencies: [
                "VaultAPI", "VaultCore", "TokenBroker", "OAuthFlows", "Providers", "StrictJSON", "TokenImport",
                "KeyCustody", "VaultCrypto", "PrivateFiles", "CVaultSystem", "ResourceProxy", "CredentialVault",
                "AgentClient", "VaultAgent", "DesktopSession",
                .product(name: "ArgumentParser", package: "swift-argument-parser"),
            ],
            swiftSettings: strict
        ),
        .executableTarget(
            name: "vault-keyring",
            dependencies: [
                "KeyringProtocol",
                .target(name: "DBusValues", condition: .when(traits: ["SecretService"])),
                .target(name: "CLibSecret", condition: .when(traits: ["SecretService"])),
            ],
            swiftSettings: strict
        ),
        .executableTarget(
            name: "vault-desktop",
            dependencies: [
                "KeyringProtocol",
                .target(name: "DBusValues", condition: .when(traits: ["Desktop"])),
                .target(name: "CGio", condition: .when(traits: ["Desktop"])),
            ],
            swiftSettings: strict
        ),

        .executableTarget(
            name: "vault-bench",
            dependencies: [
                "VaultAPI", "VaultCore", "VaultCrypto", "VaultStorage", "EtcdStorage", "KeyCustody", "PrivateFiles",
            ],
            path: "Tests/Benchmarks",
            swiftSettings: strict
        ),
        .target(name: "TestSupport", path: "Tests/Support/Swift", swiftSettings: strict),
        .testTarget(
            name: "CommandTests",
            dependencies: ["TestSupport", "vault", "vault-main", "vault-keyring"],
            swiftSettings: strict
        ),
        .testTarget(
            name: "SchemaTests",
            dependencies: [
                "TestSupport", "VaultAPI", "VaultCore", "VaultCrypto", "KeyCustody", "vault", "vault-main",
                "vault-keyring",
            ],
            swiftSettings: strict
        ),
        // As in a package of somebody else, which has the products alone.
        .target(
            name: "ExampleBackend",
            dependencies: ["CredentialVault", "VaultStorage"],
            path: "Tests/LibraryTests/ExampleBackend",
            swiftSettings: [.swiftLanguageMode(.v6)]
        ),
        .executableTarget(
            name: "library-example",
            dependencies: [
                "CredentialVault", "ExampleBackend", .product(name: "AsyncHTTPClient", package: "async-http-client"),
            ],
            path: "Tests/LibraryTests/Example",
            // As in a program of somebody else: no settings of ours.
            swiftSettings: [.swiftLanguageMode(.v6)]
        ),
        .testTarget(
            name: "LibraryTests",
            dependencies: [
                "TestSupport", "CredentialVault", "ExampleBackend", "VaultStorage", "VaultTestKit", "library-example",
                "vault", "vault-main",
                .product(name: "AsyncHTTPClient", package: "async-http-client"),
                .product(name: "NIOCore", package: "swift-nio"),
                .product(name: "NIOPosix", package: "swift-nio"),
                .product(name: "NIOHTTP1", package: "swift-nio"),
            ],
            path: "Tests/LibraryTests/Tests",
            swiftSettings: strict
        ),
        .testTarget(
            name: "KeyringTests",
            dependencies: [
                "TestSupport", "VaultAPI", "KeyCustody", "KeyringProtocol", "VaultCrypto", "VaultTestKit",
                "vault-keyring",
            ],
            swiftSettings: strict
        ),
        .executableTarget(
            name: "vault-test-activated",
            dependencies: ["VaultAgent", "VaultAPI", "KeyringProtocol"],
            path: "Tests/Support/Activated",
            swiftSettings: strict
        ),
        .testTarget(
            name: "VaultAgentTests",
            dependencies: ["TestSupport", "VaultAgent", "VaultAPI", "vault-test-activated"],
            swiftSettings: strict
        ),
        .testTarget(
            name: "AgentTests",
            dependencies: [
                "TestSupport", "AgentClient", "VaultAgent", "CredentialVault", "TokenBroker", "OAuthFlows", "Providers",
                "VaultAPI", "VaultCore", "VaultCrypto", "KeyCustody", "PrivateFiles", "JSONSyntax", "vault",
                "vault-main", "vault-keyring", "vault-test-worker", "vault-test-injector",
            ],
            swiftSettings: strict
        ),
        .testTarget(
            name: "DesktopTests",
            dependencies: ["TestSupport", "DesktopSession", "vault-desktop"],
            swiftSettings: strict
        ),
        .testTarget(
            name: "LoginTests",
            dependencies: ["TestSupport", "vault", "vault-main", "vault-keyring"],
            swiftSettings: strict
        ),
        .testTarget(
            name: "OAuthFlowsTests",
            dependencies: [
                "TestSupport", "OAuthFlows", "VaultAPI", "VaultCrypto", "StrictJSON",
                .product(name: "Crypto", package: "swift-crypto"),
                .product(name: "NIOCore", package: "swift-nio"),
                .product(name: "NIOPosix", package: "swift-nio"),
            ],
            swiftSettings: strict
        ),
        .testTarget(
            name: "ProvidersTests",
            dependencies: ["Providers", "OAuthFlows", "VaultAPI", "VaultCore", "VaultCrypto", "TestSupport"],
            swiftSettings: strict
        ),
        .testTarget(
            name: "ResourceProxyTests",
            dependencies: [
                "TestSupport", "ResourceProxy", "CredentialVault", "OAuthFlows", "VaultAPI", "VaultTestKit",
                .product(name: "AsyncHTTPClient", package: "async-http-client"),
                .product(name: "NIOCore", package: "swift-nio"),
                .product(name: "NIOPosix", package: "swift-nio"),
                .product(name: "NIOHTTP1", package: "swift-nio"),
            ],
            swiftSettings: strict
        ),
        .testTarget(
            name: "TokenBrokerTests",
            dependencies: [
                "TestSupport", "TokenBroker", "OAuthFlows", "VaultAPI", "VaultCore", "VaultCrypto", "KeyCustody",
                "PrivateFiles",
            ],
            swiftSettings: strict
        ),
        .testTarget(name: "PrivateFilesTests", dependencies: ["PrivateFiles", "TestSupport"], swiftSettings: strict),
        .testTarget(name: "VaultCryptoTests", dependencies: ["VaultCrypto"], swiftSettings: strict),
        .testTarget(
            name: "KeyCustodyTests",
            dependencies: ["VaultAPI", "KeyCustody", "VaultCrypto", "VaultTestKit", "PrivateFiles"],
            swiftSettings: strict
        ),
        .testTarget(
            name: "VaultCoreTests",
            dependencies: [
                "VaultCore", "VaultAPI", "VaultCrypto", "KeyCustody", "VaultStorage", "PrivateFiles",
                .product(name: "GRDB", package: "GRDB.swift"),
            ],
            exclude: ["Vectors/README.md"],
            resources: [.copy("Vectors")],
            swiftSettings: strict
        ),
        .testTarget(
            name: "VaultStorageTests",
            dependencies: [
                "TestSupport", "VaultStorage", "VaultTestKit",
                .product(name: "GRDB", package: "GRDB.swift"),
            ],
            swiftSettings: strict
        ),

        .testTarget(
            name: "EtcdStorageTests",
            dependencies: [
                "TestSupport", "EtcdStorage", "VaultAPI", "VaultCore", "VaultStorage", "VaultTestKit", "PrivateFiles",
            ],
            swiftSettings: strict
        ),

        // Helpers of the fault tests, and part of no product: what many processes do to one vault at once, and what
        // kills a program at a chosen system call or makes that call fail.
        .executableTarget(
            name: "vault-test-worker",
            dependencies: ["VaultAPI", "VaultCore", "VaultCrypto", "KeyCustody", "OAuthFlows", "TokenBroker"],
            path: "Tests/Support/Worker",
            swiftSettings: strict
        ),
        .executableTarget(name: "vault-test-injector", path: "Tests/Support/Injector"),
        .testTarget(
            name: "FaultTests",
            dependencies: [
                "TestSupport", "vault", "vault-main", "vault-keyring", "vault-test-worker", "vault-test-injector",
            ],
            swiftSettings: strict
        ),
        .testTarget(
            name: "RefreshTests",
            dependencies: ["TestSupport", "vault", "vault-main", "vault-test-worker", "vault-test-injector"],
            swiftSettings: strict
        ),
        .testTarget(
            name: "ClusterTests",
            dependencies: ["TestSupport", "vault", "vault-main", "vault-test-worker", "vault-test-injector"],
            swiftSettings: strict
        ),

        .testTarget(
            name: "TokenImportTests",
            dependencies: [
                "TestSupport", "TokenImport", "VaultAPI", "VaultCore", "VaultCrypto", "PrivateFiles", "StrictJSON",
                "KeyCustody",
            ],
            resources: [.copy("Fixtures"), .copy("Tables")],
            swiftSettings: strict
        ),
    ]
)
