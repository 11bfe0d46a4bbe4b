// The syntax is a module of its own for whoever must not link libsodium; here it belongs to documents.
@_exported public import JSONSyntax
