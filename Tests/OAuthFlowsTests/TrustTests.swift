import Foundation
import OAuthFlows
import TestSupport
import Testing

/// `--ca-file` and `SSL_CERT_FILE` against a real TLS server, Python's, with a certificate of its own making.
struct TrustTests {
    private static let server = """
        import http.server, ssl, sys
        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"]))
                self.send_response(200)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)
            def log_message(self, *arguments): pass
        server = http.server.HTTPServer(("127.0.0.1", 0), Handler)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(sys.argv[1], sys.argv[2])
        server.socket = context.wrap_socket(server.socket, server_side=True)
        print(server.server_port, flush=True)
        server.serve_forever()
        """

    @Test func trustsTheNamedCertificatesAndNoOthers() async throws {
        let folder = FileManager.default.temporaryDirectory.appendingPathComponent("trust-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(at: folder) }
        let certificate = folder.appendingPathComponent("cert.pem").path
        let key = folder.appendingPathComponent("key.pem").path
        let openssl = try Program.run([
            "openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "1",
            "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1", "-keyout", key, "-out",
            certificate,
        ])
        try #require(openssl.status == 0)
        let python = try Program(["python3", "-c", Self.server, certificate, key])
        defer { python.kill() }
        let line = python.read { $0.contains(10) }
        let port = try #require(Int(String(decoding: line, as: UTF8.self).filter(\.isNumber)))

        var request = HTTPRequest(.post, url("https://127.0.0.1:\(port)/token"))
        request.body = secret("refresh_token=R")
        for exchange in [
            try AsyncHTTPExchange(environment: [:], caFile: certificate),
            try AsyncHTTPExchange(environment: ["SSL_CERT_FILE": certificate]),
        ] {
            #expect(text(try await exchange.send(request).body) == "refresh_token=R")
        }
        let system = try AsyncHTTPExchange(environment: [:])
        let sending = request
        let error = await #expect(throws: HTTPFailure.self) { try await system.send(sending) }
        #expect(error?.wasSent == false)
        #expect(error?.message.contains("certificate is not trusted") == true)
    }
}
