// Whoever imports this module has the types that its functions take, give and throw, and no more of the vault's inside.
@_exported public import VaultAPI
