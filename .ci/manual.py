"""Writes the manual's pages: manual.py VAULT-MAIN DIRECTORY

What the commands and options are comes from the program itself; exit statuses, variables and files, which its parser
does not know, from manual.txt beside this script. One page for vault, and one for each of its commands.
"""

import json
import os
import re
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
OWN_SECTIONS = ["EXIT STATUS", "ENVIRONMENT", "FILES"]


def escaped(text):
    """A text that the formatter takes as it is, on a line that is no request."""
    text = text.replace("\\", "\\e").replace("-", "\\-").replace("'", "\\(aq").replace("`", "\\(ga")
    text = text.replace("^", "\\(ha").replace("~", "\\(ti")
    text = "".join(c if ord(c) < 128 else f"\\[u{ord(c):04X}]" for c in text)
    return "\\&" + text if text.startswith(".") else text


def sections():
    """What manual.txt says: a name in capitals, then lines `word: text`, or a paragraph."""
    found, name = {}, None
    with open(os.path.join(HERE, "manual.txt")) as file:
        for line in file:
            line = line.rstrip("\n")
            if re.fullmatch(r"[A-Z ]+", line):
                name = line
                found[name] = []
            elif line:
                found[name].append(line.split(": ", 1))
    return found


def section(name, items):
    lines = [f".SH {name}"]
    for word, text in items:
        lines += [".TP", f".B {escaped(word)}", escaped(text)]
    return lines


def spelled(name):
    return ("-" if name["kind"] == "short" else "--") + name["name"]


def usage(argument):
    """An argument as the synopsis shows it."""
    value = argument.get("valueName", "")
    if argument["kind"] == "positional":
        word = f"\\fI{escaped(value)}\\fR"
    else:
        word = f"\\fB{escaped(spelled(argument['preferredName']))}\\fR"
        if argument["kind"] == "option":
            word += f" \\fI{escaped(value)}\\fR"
    if argument["isRepeating"]:
        word += " ..."
    return f"[{word}]" if argument["isOptional"] else word


def described(arguments):
    lines = []
    for argument in arguments:
        value = argument.get("valueName", "")
        if argument["kind"] == "positional":
            head = f"\\fI{escaped(value)}\\fR"
        else:
            head = ", ".join(f"\\fB{escaped(spelled(name))}\\fR" for name in argument["names"])
            if argument["kind"] == "option":
                head += f" \\fI{escaped(value)}\\fR"
        text = argument.get("abstract", "").strip() or "See the description."
        if argument.get("allValues") and argument["kind"] == "option":
            text += " One of " + ", ".join(argument["allValues"]) + "."
        if argument.get("defaultValue"):
            text += f" By default {argument['defaultValue']}."
        lines += [".TP", head, escaped(text)]
    return lines


class Manual:
    def __init__(self, program):
        dump = json.loads(subprocess.run([program, "--experimental-dump-help"], check=True, capture_output=True).stdout)
        self.root = dump["command"]
        version = subprocess.run([program, "--version"], check=True, capture_output=True, text=True)
        self.version = version.stdout.strip()
        self.own = sections()
        self.commands = self.shown(self.root)
        # What every command takes is described once, in vault(1).
        leaves = [leaf for command in self.commands for leaf in self.shown(command) or [command]]
        names = [{self.key(a) for a in leaf["arguments"] if a["kind"] != "positional"} for leaf in leaves]
        shared = set.intersection(*names)
        self.globals = [a for a in leaves[0]["arguments"] if a["kind"] != "positional" and self.key(a) in shared]
        self.shared = shared

    @staticmethod
    def key(argument):
        return (argument.get("preferredName") or {}).get("name")

    @staticmethod
    def shown(command):
        return [c for c in command.get("subcommands", []) if c["shouldDisplay"] and c["commandName"] != "help"]

    def arguments(self, command):
        return [a for a in command["arguments"]
                if a["shouldDisplay"] and (a["kind"] == "positional" or self.key(a) not in self.shared)]

    def head(self, name, abstract):
        title = f'.TH {escaped(name.upper())} 1 "" "{escaped(self.version)}" "Manual of vault"'
        return [title, ".SH NAME", f"{escaped(name)} \\- {escaped(abstract.rstrip('.'))}"]

    def synopsis(self, words, command):
        bold = " ".join(f"\\fB{escaped(word)}\\fR" for word in words)
        return [f".HP\n{bold}"] + [usage(a) for a in self.arguments(command)] + ["[\\fIglobal options\\fR]"]

    def page(self, command):
        name = command["commandName"]
        lines = self.head("vault-" + name, command["abstract"])
        lines.append(".SH SYNOPSIS")
        leaves = self.shown(command)
        for leaf in leaves or [command]:
            words = ["vault", name] + ([leaf["commandName"]] if leaves else [])
            lines += self.synopsis(words, leaf)
        lines += [".SH DESCRIPTION", escaped(command["abstract"])]
        if command.get("discussion"):
            lines += [".PP", escaped(command["discussion"])]
        for leaf in leaves:
            lines += [f'.SS "vault {escaped(name)} {escaped(leaf["commandName"])}"', escaped(leaf["abstract"])]
            if leaf.get("discussion"):
                lines += [".PP", escaped(leaf["discussion"])]
            lines += described(self.arguments(leaf))
        if not leaves and self.arguments(command):
            lines += [".SH OPTIONS"] + described(self.arguments(command))
        lines += [".SH GLOBAL OPTIONS", "They are those of", ".BR vault (1)."]
        lines += section("EXIT STATUS", self.own["EXIT STATUS"])
        lines += [".SH ENVIRONMENT", "See", ".BR vault (1).", ".SH FILES", "See", ".BR vault (1)."]
        return lines + [".SH SEE ALSO", ".BR vault (1)"]

    def main_page(self):
        lines = self.head("vault", self.root["abstract"])
        lines += [".SH SYNOPSIS", "\\fBvault\\fR \\fIcommand\\fR [\\fIarguments\\fR] [\\fIglobal options\\fR]"]
        lines += [".SH DESCRIPTION", escaped(self.root["abstract"]), ".PP"]
        lines += ["NAME stands for oauth:NAME; static:NAME is written out.", ".SH COMMANDS"]
        for command in self.commands:
            lines += [".TP", f".BR vault\\-{escaped(command['commandName'])} (1)", escaped(command["abstract"])]
        lines += [".SH GLOBAL OPTIONS", "They may stand before or after the command's name.".replace("'", "\\(aq")]
        lines += described(self.globals)
        for name in OWN_SECTIONS:
            lines += section(name, self.own[name])
        lines += [".SH SEE ALSO"]
        pages = [f".BR vault\\-{escaped(c['commandName'])} (1)" for c in self.commands]
        return lines + [page + "," for page in pages[:-1]] + pages[-1:]


def main():
    program, directory = sys.argv[1:]
    manual = Manual(program)
    os.makedirs(directory, exist_ok=True)
    pages = {"vault": manual.main_page()}
    for command in manual.commands:
        pages["vault-" + command["commandName"]] = manual.page(command)
    for name, lines in pages.items():
        path = os.path.join(directory, name + ".1")
        with open(path, "w") as file:
            file.write("\n".join(lines) + "\n")
        os.chmod(path, 0o644)


main()
