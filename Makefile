# The two commands of the README are `make demo` and `make test`; both install what is missing first.

export SWIFT ?= swift
PREFIX ?= /usr/local
DESTDIR ?=
# Tests at a time. All of them at once would hold one another up, and some watch the clock.
export SWT_EXPERIMENTAL_MAXIMUM_PARALLELIZATION_WIDTH ?= 10
FEW = SWT_EXPERIMENTAL_MAXIMUM_PARALLELIZATION_WIDTH=3
RELEASE = $(SWIFT) build -c release --static-swift-stdlib

ON_A_STORE = --filter CommandTests --skip ManualTests --skip ManualPageTests \
    --skip AgentInstallTests --skip PlaceTests --skip StoreCommandTests --skip DirectoryStoreTests \
    --skip RemoteStoreTests --skip TerminalTests --skip CommandKeyringTests --skip CrashTests --skip HelperInputTests \
    --skip FrontTests

.PHONY: build demo test lint traits release install uninstall bench stress clean

build:
	@.ci/setup build
	$(SWIFT) build

demo: build
	@.ci/demo "$$($(SWIFT) build --show-bin-path)"

test:
	@.ci/setup test
	$(SWIFT) build --build-tests
	@# Gigabytes of what was built would be written out while the tests wait for their own files to be.
	@sync
	@# What hangs many processes on one vault, or watches a deadline, runs without the rest beside it.
	.ci/tests --skip FaultTests --skip StandInTests --skip RefreshTests --skip ClusterTests --skip EtcdStorageTests \
	    --skip AgentTests.ProcessTests --skip FrontTests --skip ManualPageTests --skip CommandKeyringTests
	.ci/tests --filter FaultTests --filter StandInTests --skip EtcdStorageTests
	.ci/tests --filter RefreshTests
	.ci/tests --filter AgentTests.ProcessTests
	$(FEW) .ci/tests --filter FrontTests --filter ManualPageTests --filter CommandKeyringTests --filter EtcdStorageTests
	.ci/tests --filter ClusterTests --skip EtcdStorageTests --skip ClusterPromiseTests
	.ci/tests --filter ClusterPromiseTests
	@# The commands once more, on the other stores; not those that are about no store, or about one of their own.
	VAULT_TEST_STORE=directory .ci/tests $(ON_A_STORE)
	.ci/with-etcd .ci/tests $(ON_A_STORE)

# The same tests with every kill point and the full number of writers: an hour or more.
stress:
	@.ci/setup test
	$(SWIFT) build --build-tests
	VAULT_EXHAUSTIVE=1 .ci/tests --filter FaultTests
	VAULT_EXHAUSTIVE=1 .ci/tests --filter RefreshTests
	VAULT_EXHAUSTIVE=1 VAULT_SOAK_SECONDS=$${VAULT_SOAK_SECONDS:-900} .ci/tests --filter ClusterTests

lint:
	$(SWIFT) format lint --strict --recursive Package.swift Sources Tests

# Without the traits nothing links libsecret or GIO, and everything else works.
traits:
	@.ci/setup build
	$(SWIFT) build --disable-default-traits --scratch-path .build-traits --product vault
	$(SWIFT) build --disable-default-traits --scratch-path .build-traits --product vault-main
	$(SWIFT) build --disable-default-traits --scratch-path .build-traits --product vault-keyring
	$(SWIFT) build --disable-default-traits --scratch-path .build-traits --product vault-desktop
	@for program in vault vault-main vault-keyring vault-desktop; do \
	    linked=$$(ldd .build-traits/debug/$$program) && ! echo "$$linked" | grep -E 'libsecret|libgio|libglib' || exit; done

release:
	@.ci/setup build
	$(RELEASE) --product vault-main
	$(RELEASE) --product vault-keyring
	$(RELEASE) --product vault-desktop
	.ci/front "$$($(RELEASE) --show-bin-path)"

install: release
	@.ci/install "$$($(RELEASE) --show-bin-path)" "$(DESTDIR)$(PREFIX)"

uninstall:
	rm -f "$(DESTDIR)$(PREFIX)/bin/vault"
	rm -rf "$(DESTDIR)$(PREFIX)/libexec/vault"
	rm -f "$(DESTDIR)$(PREFIX)"/share/man/man1/vault.1 "$(DESTDIR)$(PREFIX)"/share/man/man1/vault-*.1
	rm -f "$(DESTDIR)$(PREFIX)/share/bash-completion/completions/vault"
	rm -f "$(DESTDIR)$(PREFIX)/share/zsh/site-functions/_vault"
	rm -f "$(DESTDIR)$(PREFIX)/share/fish/vendor_completions.d/vault.fish"

bench:
	@.ci/setup test
	@# One by one: what only tests use does not build for release.
	for product in vault-main vault-keyring vault-desktop vault-bench vault-test-worker; do $(RELEASE) --product $$product || exit; done
	.ci/front "$$($(RELEASE) --show-bin-path)"
	@.ci/bench "$$($(RELEASE) --show-bin-path)"

clean:
	rm -rf .build .build-traits
