"""The commands that change something, and what may be true after each was cut short."""

import glob
import json
import os

from common import TOKENS

URL = ["--token-url", "https://as.example/token"]
OTHER_TOKENS = TOKENS.replace(b"CANARY", b"OTHER")
CODEX = b"""{"OPENAI_API_KEY": null, "keep": {"me": 1},
 "tokens": {"id_token": "eyJhbGciOiJub25lIn0.eyJpc3MiOiJodHRwczovL2F1dGgub3BlbmFpLmNvbSJ9.RQ",
 "access_token": "eyJhbGciOiJub25lIn0.eyJpc3MiOiJodHRwczovL2F1dGgub3BlbmFpLmNvbSIsImV4cCI6MTkyNDkwNTYwMH0.RQ",
 "refresh_token": "rt-OTHER", "account_id": "acct"}, "last_refresh": "2029-12-31T23:00:00Z"}"""
CODEX_ALONE = CODEX.replace(b' "keep": {"me": 1},', b"")
PASSPHRASE = b"correct horse battery staple"


class Scenario:
    """A command, how its vault is made ready, and how what it leaves is judged."""

    arguments = []
    stdin = b""
    has_vault = True
    # Whether the command is done only when the vault itself is written; otherwise that is but the audit log's place.
    writes_vault = True
    # Dumps that are neither old nor new but steps in between that the command may stop at.
    between = None

    def prepare(self, place):
        place.make_vault()
        place.fill()

    def command(self, place):
        return self.arguments

    def problem(self, place, old, new, now):
        """What is wrong with the state `now`, a dump; or `None`."""
        if now in (old, new) or (self.between and self.between(place, old, new, now)):
            return None
        return f"neither the old nor the new state: {now!r}"

    def completes(self, place, outcome, old, new, now):
        """What is wrong where the command was not cut short, or said that it is done; or `None`."""
        return None if now == new else f"said that it is done, and is not: {now!r}"

    def again(self, place, old, new):
        """What is wrong where the command is simply run once more after having been cut short; or `None`."""
        outcome = place.vault(*self.command(place), stdin=self.stdin)
        if outcome.status not in self.again_statuses:
            return f"run again: {outcome}"
        now = place.dump()
        return None if now == new else f"run again, it does not get to the new state: {now!r}"

    again_statuses = [0]
    # What a failing system call may end in: the store or a file cannot be read or written.
    fault_statuses = [8]


class Init(Scenario):
    has_vault = False

    def prepare(self, place):
        pass

    def command(self, place):
        return ["init", "--key", "key-file:" + place.key, "--no-recovery-code", "--no-input", *place.store_options]

    def problem(self, place, old, new, now):
        if now == new:
            return None
        if now.startswith("FAILED 4 ") and not os.path.exists(place.header):
            return None
        return f"neither no vault nor a whole one: {now!r}"

    def again(self, place, old, new):
        # There is a vault now (1), or the key file of a vault that was never made is in the way (10), which the hint says.
        outcome = place.vault(*self.command(place))
        if outcome.status == 10 and b"key" in outcome.err and b"hint" in outcome.err:
            os.unlink(place.key)
            outcome = place.vault(*self.command(place))
        if outcome.status not in (0, 1):
            return f"run again: {outcome}"
        return None if place.dump() == new else "run again, there is no vault"


class Set(Scenario):
    arguments = ["set", "static:three"]
    stdin = b"value-three"


class Replace(Scenario):
    arguments = ["set", "static:one"]
    stdin = b"value-one-anew"


class Remove(Scenario):
    arguments = ["remove", "oauth:grant", "--yes"]
    again_statuses = [0, 4]


class Rename(Scenario):
    arguments = ["rename", "static:one", "uno"]
    again_statuses = [0, 4]


class Import(Scenario):
    removes = False
    tokens = OTHER_TOKENS

    def prepare(self, place):
        super().prepare(place)
        place.file("tokens.json", self.tokens)

    def command(self, place):
        command = ["import", place.file("tokens.json"), "--yes", "--name", "taken"]
        return command + URL + (["--remove"] if self.removes else [])

    def token_in_file(self, place):
        try:
            with open(place.file("tokens.json"), "rb") as file:
                return b"rt-OTHER" in file.read()
        except FileNotFoundError:
            return False

    def between(self, place, old, new, now):
        # Held until the file no longer has the token.
        return self.removes and now.replace("oauth:taken held/secondOwner", "oauth:taken active/") == new

    def problem(self, place, old, new, now):
        in_file, in_vault = self.token_in_file(place), "rt-OTHER" in now
        if not (in_file or in_vault):
            return "the token is neither in the file nor in the vault"
        if not self.removes and not in_file:
            return "the token is not in its file any more, and nobody asked for that"
        return super().problem(place, old, new, now)

    def completes(self, place, outcome, old, new, now):
        if self.removes and self.token_in_file(place):
            return "said that it is done, and the token is still in the file"
        return super().completes(place, outcome, old, new, now)

    def again(self, place, old, new):
        if self.removes and not os.path.exists(place.file("tokens.json")):
            # Nothing is left to import; an entry that stayed held is ended by `vault adopt`.
            return None
        outcome = place.vault(*self.command(place))
        if outcome.status != 0:
            return None if self.removes and not self.token_in_file(place) else f"run again: {outcome}"
        now = place.dump()
        return None if now == new else f"run again, it does not get to the new state: {now!r}"


class ImportRemove(Import):
    removes = True
    # 2: imported, and the report says what could not be done then.
    fault_statuses = [8, 2]


class ImportRemoveShared(Import):
    """From a file in which something else stays."""

    removes = True
    fault_statuses = [8, 2]
    tokens = CODEX

    def command(self, place):
        return ["import", place.file("tokens.json"), "--yes", "--name", "taken", "--format", "codex", "--remove"]

    def problem(self, place, old, new, now):
        with open(place.file("tokens.json"), "rb") as file:
            if b'"keep": {"me": 1}' not in file.read():
                return "the file lost what is none of the vault's"
        return super().problem(place, old, new, now)


class KeyAdd(Scenario):
    def command(self, place):
        return ["key", "add", "key-file:" + place.file("second-key")]

    def problem(self, place, old, new, now):
        if now != old:
            return f"the entries are not what they were: {now!r}"
        slots = place.vault("key", "list", "--json")
        if slots.status != 0:
            return f"key list: {slots}"
        count = slots.out.count(b'"kind"')
        if count not in (1, 2):
            return f"{count} slots"
        if count == 2 and not os.path.exists(place.file("second-key")):
            return "a slot without its key file"
        return None

    def completes(self, place, outcome, old, new, now):
        count = place.vault("key", "list", "--json").out.count(b'"kind"')
        return None if count == 2 and now == new else f"said that it is done, and there are {count} slots"

    def again(self, place, old, new):
        outcome = place.vault(*self.command(place))
        # The key file is there already: it is named, and the user decides.
        if outcome.status not in (0, 10):
            return f"run again: {outcome}"
        return None if place.dump() == new else "run again, the vault does not open"


class KeyRotate(Scenario):
    arguments = ["key", "rotate", "--yes"]

    def problem(self, place, old, new, now):
        if now != old:
            return f"the entries are not what they were: {now!r}"
        # The first opener above has finished what was begun.
        status = place.vault("status", "--json")
        if status.status != 0:
            return f"status: {status}"
        return None

    def completes(self, place, outcome, old, new, now):
        return None if now == new else f"said that it is done, and is not: {now!r}"


class KeyRotateAgain(KeyRotate):
    """After one that was killed with its new header on the disk and the new key file not yet in its place."""

    def prepare(self, place):
        super().prepare(place)
        place.save()
        calls = place.injected(self.arguments).calls
        place.restore()
        at = next(number for number, call in enumerate(calls, 1) if " rename " in call and call.endswith(".new"))
        killed = place.injected(self.arguments, at=at)
        if killed.hit is None or not glob.glob(glob.escape(place.key) + ".*.new"):
            raise RuntimeError(f"the first rotation was not killed as planned: {killed}")


class Export(Scenario):
    writes_vault = False

    def prepare(self, place):
        super().prepare(place)
        place.file("passphrase", PASSPHRASE)

    def command(self, place):
        passphrase = ["--backup-passphrase-file", place.file("passphrase"), "--kdf", "interactive", "--no-input"]
        return ["export", place.file("backup"), *passphrase]

    def read_back(self, place):
        """What is wrong with the backup."""
        outcome = place.vault("restore", place.file("backup"), "--backup-passphrase-file", place.file("passphrase"))
        return None if outcome.status == 0 and b"static:one is here already" in outcome.err else f"restore: {outcome}"

    def problem(self, place, old, new, now):
        if now != old:
            return f"the entries are not what they were: {now!r}"
        return self.read_back(place) if os.path.exists(place.file("backup")) else None

    def completes(self, place, outcome, old, new, now):
        return self.read_back(place)

    def again(self, place, old, new):
        if os.path.exists(place.file("backup")):
            os.unlink(place.file("backup"))
        outcome = place.vault(*self.command(place))
        return None if outcome.status == 0 else f"run again: {outcome}"


class Restore(Export):
    writes_vault = True

    def prepare(self, place):
        super().prepare(place)
        place.must(*super().command(place))
        place.must("remove", "static:one", "--yes")
        place.must("remove", "oauth:grant", "--yes")

    def command(self, place):
        return ["restore", place.file("backup"), "--backup-passphrase-file", place.file("passphrase"), "--no-input"]

    def problem(self, place, old, new, now):
        # Entries come back one by one, each whole.
        lines = set(now.splitlines())
        if set(old.splitlines()) <= lines <= set(new.splitlines()):
            return None
        return f"not some of what the backup holds: {now!r}"

    def completes(self, place, outcome, old, new, now):
        return None if now == new else f"said that it is done, and is not: {now!r}"

    def again(self, place, old, new):
        return Scenario.again(self, place, old, new)


class Token(Scenario):
    """Handing out changes no entry; its line in the audit log is there or not, and the log is whole."""

    arguments = ["token", "static:one"]
    writes_vault = False
    before = 0

    def prepare(self, place):
        super().prepare(place)
        for _ in range(self.before):
            place.must("token", "static:one")

    def audit(self, place, *counts):
        outcome = place.vault("audit", "--json")
        if outcome.status != 0:
            return f"audit: {outcome}"
        document = json.loads(outcome.out)
        if document["faults"] or len(document["lines"]) != document["sound_lines"]:
            return f"audit: {document['faults']}"
        if len(document["lines"]) not in counts:
            return f"{len(document['lines'])} lines, expected one of {counts}"
        return None

    def problem(self, place, old, new, now):
        if now != old:
            return f"the entries are not what they were: {now!r}"
        return self.audit(place, self.before, self.before + 1)

    def completes(self, place, outcome, old, new, now):
        return None if outcome.out == b"value-one\n" else f"the token is {outcome.out!r}"

    def again(self, place, old, new):
        outcome = place.vault(*self.command(place))
        if outcome.status != 0 or outcome.err:
            return f"run again: {outcome}"
        return self.audit(place, self.before + 1, self.before + 2)


class TokenAgain(Token):
    """With a log that has lines already."""

    before = 2


class RestoreFile(Scenario):
    """Hands a grant back to its file: the hold first, then the file."""

    arguments = ["restore-file", "taken", "--yes"]

    def prepare(self, place):
        super().prepare(place)
        path = place.file("tokens.json", CODEX_ALONE)
        outcome = place.vault("import", path, "--yes", "--name", "taken", "--format", "codex", "--remove")
        if outcome.status != 0 or os.path.exists(path):
            raise RuntimeError(f"import --remove: {outcome}")

    def file(self, place):
        try:
            with open(place.file("tokens.json"), "rb") as file:
                return file.read()
        except FileNotFoundError:
            return None

    def problem(self, place, old, new, now):
        there = self.file(place)
        if there not in (None, CODEX_ALONE):
            return f"a file that is neither whole nor absent: {there!r}"
        if there is not None and "oauth:taken held/secondOwner" not in now:
            return "the file is there, and the vault believes that it refreshes"
        if "rt-OTHER" not in now:
            return "the vault lost the token"
        return None

    def completes(self, place, outcome, old, new, now):
        if self.file(place) != CODEX_ALONE:
            return "said that it is done, and the file is not what was imported"
        return super().completes(place, outcome, old, new, now)


SCENARIOS = {
    "init": Init, "set": Set, "replace": Replace, "import": Import, "import-remove": ImportRemove,
    "import-remove-shared": ImportRemoveShared, "remove": Remove, "rename": Rename, "key-add": KeyAdd,
    "key-rotate": KeyRotate, "key-rotate-again": KeyRotateAgain, "export": Export, "restore": Restore,
    "token": Token, "token-again": TokenAgain, "restore-file": RestoreFile,
}


def ready(scenario, place):
    """Makes a place ready, saves it, and returns what the vault holds before and after the command."""
    scenario.prepare(place)
    place.save()
    # Looking opens, and opening may finish what an interrupted command began.
    old = place.dump() if scenario.has_vault else ""
    place.restore()
    complete = place.injected(scenario.command(place), stdin=scenario.stdin)
    if complete.status != 0:
        raise RuntimeError(f"the undisturbed command: {complete}")
    new = place.dump()
    wrong = scenario.completes(place, complete, old, new, new)
    if wrong:
        raise RuntimeError(f"the undisturbed command: {wrong}")
    return old, new, complete.calls
