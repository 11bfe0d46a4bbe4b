// Whoever imports this module has the types that its functions take, give and throw, and no more of the vault's inside.
@_exported public import VaultAPI
@_exported public import struct VaultCore.EntryID
@_exported public import struct VaultCore.EntryName
@_exported public import struct VaultCore.EntrySource
@_exported public import enum VaultCore.EntryState
@_exported public import struct VaultCore.EntrySummary
@_exported public import enum VaultCore.Expiry
@_exported public import enum VaultCore.HoldReason
@_exported public import enum VaultCore.Rotation
