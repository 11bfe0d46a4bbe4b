internal import VaultCrypto

/// What the browser shows when it has come back.
///
/// Two pages without a variable in them: nothing of a request, of a server's text or of the grant can appear.
package enum CallbackPage: Sendable, Hashable {
    /// Shown once the tokens are there, not before.
    case success
    case failure

    private var title: String { self == .success ? "You are logged in" : "The login did not succeed" }

    private var sentence: String {
        self == .success
            ? "vault has what it needs. You can close this page and go back to the terminal."
            : "The terminal in which vault runs says why. You can close this page."
    }

    /// The document, in UTF-8.
    package var html: String {
        """
        <!doctype html>
        <html lang="en">
        <head>
        <meta charset="utf-8">
        <meta name="viewport" content="width=device-width, initial-scale=1">
        <meta name="color-scheme" content="light dark">
        <meta name="robots" content="noindex">
        <title>\(title)</title>
        <style>\(Self.style)</style>
        </head>
        <body>
        <main class="\(self == .success ? "success" : "failure")">
        <div class="mark" aria-hidden="true">\(self == .success ? "&#10003;" : "!")</div>
        <h1>\(title)</h1>
        <p>\(sentence)</p>
        </main>
        </body>
        </html>

        """
    }

    /// The header fields of either page, and of every other answer of the listener.
    ///
    /// The style is allowed by its hash and nothing else is allowed at all: no script, no image, no frame, no form.
    static let fields: [(name: String, value: String)] = [
        (
            "Content-Security-Policy",
            "default-src 'none'; style-src 'sha256-\(styleHash)'; base-uri 'none'; form-action 'none'; "
                + "frame-ancestors 'none'"
        ),
        ("Cache-Control", "no-store"),
        ("Referrer-Policy", "no-referrer"),
        ("X-Content-Type-Options", "nosniff"),
        ("X-Frame-Options", "DENY"),
    ]

    private static let styleHash = base64(Array(style.utf8).withUnsafeBytes { sha256($0) })

    private static let style = """
        :root{color-scheme:light dark;--back:#f4f5f7;--card:#fff;--line:#dfe2e8;--text:#1b1f27;--soft:#565e6c;\
        --good:#1a7f45;--bad:#b3372f}
        @media (prefers-color-scheme:dark){:root{--back:#14161a;--card:#1d2026;--line:#31353e;--text:#eceef2;\
        --soft:#a8b0bd;--good:#4cc47f;--bad:#f0837b}}
        *{box-sizing:border-box;margin:0}
        body{min-height:100vh;min-height:100svh;display:grid;place-items:center;padding:24px;background:var(--back);\
        color:var(--text);font:17px/1.55 system-ui,sans-serif}
        main{width:100%;max-width:440px;padding:40px 32px;background:var(--card);border:1px solid var(--line);\
        border-radius:16px;text-align:center}
        .mark{width:56px;height:56px;margin:0 auto 20px;border:2px solid;border-radius:50%;\
        font:600 28px/52px system-ui,sans-serif}
        .success .mark{color:var(--good)}
        .failure .mark{color:var(--bad)}
        h1{margin-bottom:10px;font-size:24px;line-height:1.25;text-wrap:balance}
        p{color:var(--soft);text-wrap:pretty}
        """
}
