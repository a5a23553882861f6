"""Commands in the documentation and in the examples: the subcommands and flags that they name are those of the program."""

import re
import unittest

from common import BATCH, TOP, VARBATCH, run

ARRAY = ["plan", "work", "finalize", "status", "submit", "verify"]


def commands(text):
    """The command lines that begin with `varbatch` and a subcommand; lines that end with a backslash are joined."""
    for line in text.replace("\\\n", " ").splitlines():
        # behind a program's path, a prompt, `exec` or the words of a loop; up to what ends a command of a shell, or a comment
        for found in re.findall(r"(?<![\w./-])varbatch ([a-z]+)\b([^|&;#`]*)", line):
            yield found


class Commands(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        listed = run(VARBATCH, "--help")
        names = re.findall(r"^  ([a-z]+) ", listed[listed.index("Commands:"):listed.index("Options:")], re.M)
        cls.help = {name: run(VARBATCH, name, "--help") for name in names if name != "help"}

    def test_array_commands_have_examples_and_exit_codes(self):
        for name in ARRAY:
            self.assertRegex(self.help[name], rf"Examples?[^\n]*:\n(.*\n)*?.*varbatch {name}\b", name)
        for name in ["work", "finalize", "status"]:
            self.assertIn("Exit codes: 0", self.help[name], name)

    def test_flags_are_known(self):
        files = [TOP / "README.md", *(TOP / "docs").glob("*.md"), *(path for path in BATCH.rglob("*") if path.is_file())]
        seen = 0
        for path in files:
            if "tests" in path.relative_to(TOP).parts or path.suffix in {".pyc"}:
                continue
            text = path.read_text()
            if path.suffix == ".md":
                # code only
                text = "\n".join(re.findall(r"```\w*\n(.*?)```", text, re.S) + re.findall(r"`(varbatch [^`\n]+)`", text))
            for name, rest in commands(text):
                where = f"{path.relative_to(TOP)}: varbatch {name}{rest}"
                if name not in self.help:
                    # a sentence of a comment
                    self.assertNotEqual(path.suffix, ".md", where)
                    continue
                for flag in re.findall(r"(?<=\s)--[a-z][a-z0-9-]*", rest):
                    self.assertTrue(re.search(rf"(?<![\w-]){flag}(?![\w-])", self.help[name]), f"{where}: {flag}")
                    seen += 1
        self.assertGreater(seen, 60)
