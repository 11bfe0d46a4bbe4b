internal import VaultAPI
