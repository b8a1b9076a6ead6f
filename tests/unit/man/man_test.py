"""The manual pages: no warning, and all that programs and schema know, no less and no more."""
import os
import pathlib
import re
import shutil
import subprocess
import unittest

from google.protobuf import descriptor_pb2

ROOT = pathlib.Path(__file__).resolve().parents[3]
BUILD = pathlib.Path(os.environ.get("BULKHEAD_BUILD") or ROOT / "build/dev")
GENERATED = BUILD / "packaging/man"
WRITTEN = ROOT / "packaging/man"
PAGES = {
    "bulkheadctl.1": GENERATED, "bulkhead-manifest.5": GENERATED, "bulkheadd.yaml.5": GENERATED,
    "bulkheadd.8": WRITTEN, "bulkhead-controller.8": WRITTEN,
}
PROGRAMS = {"bulkheadctl.1": "agent/cli/bulkheadctl", "bulkheadd.8": "agent/daemon/bulkheadd",
            "bulkhead-controller.8": "controller/bulkhead-controller"}
MESSAGE = descriptor_pb2.FieldDescriptorProto.TYPE_MESSAGE
REPEATED = descriptor_pb2.FieldDescriptorProto.LABEL_REPEATED


def source(page):
    return (PAGES[page] / page).read_text(encoding="utf-8")


def plain(text):
    """Roff without fonts and escapes."""
    text = re.sub(r"\\f[BIRP]", "", text)
    for escape, character in (("\\-", "-"), ("\\(aq", "'"), ("\\&", ""), ("\\e", "\\")):
        text = text.replace(escape, character)
    return text


def help_of(page, *verb):
    done = subprocess.run([BUILD / PROGRAMS[page], *verb, "--help"], capture_output=True, text=True, check=True)
    return done.stdout


def options_in(text):
    return set(re.findall(r"(?<![\w-])--[a-z][a-z-]*", text)) - {"--help"}


def verbs_in(text):
    """Of the list below "Subcommands:" in a help text."""
    below = text.partition("\nSubcommands:\n")[2]
    return re.findall(r"(?m)^  (\S+)", below)


class Formatting(unittest.TestCase):
    def assert_silent(self, *command):
        if not shutil.which(command[0]):
            self.skipTest("%s is not installed" % command[0])
        for page, folder in PAGES.items():
            done = subprocess.run([*command, folder / page], capture_output=True, text=True, check=False,
                                  env={**os.environ, "LC_ALL": "C.UTF-8", "MANWIDTH": "80", "MANPAGER": "cat"})
            self.assertEqual((done.returncode, done.stderr), (0, ""), page)

    def test_man_has_no_warning(self):
        self.assert_silent("man", "--warnings", "-l")

    def test_groff_has_no_warning(self):
        self.assert_silent("groff", "-ww", "-t", "-man", "-Tutf8", "-z")

    def test_lines_fit_a_terminal(self):
        if not shutil.which("man"):
            self.skipTest("man is not installed")
        for page, folder in PAGES.items():
            text = subprocess.run(["man", "-l", folder / page], capture_output=True, text=True, check=True,
                                  env={**os.environ, "LC_ALL": "C.UTF-8", "MANWIDTH": "100", "MANPAGER": "cat"}).stdout
            wide = [line for line in text.splitlines() if len(line) > 102 and "bulkheadctl run " not in line]
            self.assertEqual(wide, [], page)

    def test_only_ascii(self):
        for page in PAGES:
            self.assertTrue(source(page).isascii(), page)

    def test_name_section_and_references(self):
        for page in PAGES:
            text = source(page)
            name, section = page.rsplit(".", 1)
            self.assertRegex(text, r"(?m)^\.TH %s %s " % (name.upper(), section))
            self.assertIn("%s \\- " % name.replace("-", "\\-"), text)
            for other, number in re.findall(r"\b(bulkhead[a-z.-]*) \((\d)\)", plain(text)):
                self.assertIn("%s.%s" % (other, number), PAGES, page)


class Programs(unittest.TestCase):
    def test_bulkheadctl_verb_by_verb(self):
        page = plain(source("bulkheadctl.1"))
        top = help_of("bulkheadctl.1")
        known = options_in(top)
        verbs = []
        for verb in verbs_in(top):
            below = verbs_in(help_of("bulkheadctl.1", verb))
            verbs += [[verb, one] for one in below] or [[verb]]
        self.assertGreater(len(verbs), 12)
        section = page.partition("\n.SH VERBS\n")[2].partition("\n.SH ")[0]
        for verb in verbs:
            text = help_of("bulkheadctl.1", *verb)
            known |= options_in(text)
            place = re.search(r"(?ms)^\.TP\n%s(?= |$).*?(?=^\.TP\n[a-z]|\Z)" % " ".join(verb), section)
            self.assertTrue(place, "%s has no entry" % verb)
            own = options_in(text.partition("\nOptions:\n")[2].partition("\nExample")[0])
            self.assertLessEqual(own, options_in(place.group()), verb)
        tags = re.findall(r"(?m)^\.TP\n([a-z].*)$", section)
        self.assertEqual(len(tags), len(verbs), tags)
        self.assertLessEqual(options_in(top), options_in(page))
        foreign = {"--"}
        self.assertEqual(options_in(page) - known - foreign, set())

    def test_daemon_and_controller(self):
        for name in ("bulkheadd.8", "bulkhead-controller.8"):
            page = plain(source(name))
            text = help_of(name) + "".join(help_of(name, verb) for verb in verbs_in(help_of(name)))
            self.assertTrue(options_in(text))
            self.assertEqual(options_in(page) - options_in(text), set(), name)
            self.assertEqual(options_in(text) - options_in(page) - {"--version"}, set(), name)


class Schema(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        files = descriptor_pb2.FileDescriptorSet.FromString((BUILD / "proto/bulkhead.binpb").read_bytes())
        cls.messages = {".%s.%s" % (file.package, message.name): message for file in files.file
                        for message in file.message_type}

    @staticmethod
    def is_list(message):
        """Python does not know the extension and keeps its bytes: field 50100, true."""
        return b"\xa0\xbb\x18\x01" in message.options.SerializeToString()

    def expected(self, name, before="", said=None):
        """(paths to be said, names of the types that are said)"""
        said = {} if said is None else said
        paths = []
        for field in self.messages[".bulkhead.v1." + name].field:
            path = before + field.name
            paths.append(path)
            message = self.messages.get(field.type_name)
            if field.type != MESSAGE or message is None or not field.type_name.startswith(".bulkhead."):
                continue
            below = "[]." if field.label == REPEATED else "."
            if self.is_list(message):
                inner = message.field[0]
                if inner.type != MESSAGE:
                    continue
                message, below = self.messages[inner.type_name], "[]."
            if message.name not in said:
                said[message.name] = path
                paths += self.expected(message.name, path + below, said)
        return paths

    def tags(self, section):
        return re.findall(r"(?m)^\.TP\n(\S+) \(.*\)$", plain(section))

    def test_configuration_field_by_field(self):
        section = source("bulkheadd.yaml.5").partition("\n.SH FIELDS\n")[2].partition("\n.SH ")[0]
        self.assertEqual(self.tags(section), self.expected("Config"))
        reloaded = re.findall(r"(?m)^(\S+) \(.*reload\)$", plain(section))
        self.assertIn("usage.interval", reloaded)
        self.assertIn("controller.tls.key", reloaded, "its section is")
        self.assertNotIn("paths.state", reloaded)

    def test_manifest_field_by_field(self):
        said = {}
        for kind in ("Tenant", "Task", "NetworkPolicy"):
            section = source("bulkhead-manifest.5").partition('\n.SH "KIND %s"\n' % kind.upper())[2].partition("\n.SH ")[0]
            self.assertEqual(self.tags(section), self.expected(kind, "", said), kind)
        self.assertIn("ingress[].from[].cidr", plain(source("bulkhead-manifest.5")))


if __name__ == "__main__":
    unittest.main()
