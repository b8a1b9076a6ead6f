"""Runs one unittest case by name for ctest: exit 0 passed, 77 skipped ("skipped: why" is printed), 1 failed."""
import pathlib
import sys
import unittest


def main():
    folder, name = sys.argv[1:3]
    sys.path.insert(0, str(pathlib.Path(folder).resolve()))
    suite = unittest.defaultTestLoader.loadTestsFromName(name)
    result = unittest.TextTestRunner(verbosity=2, stream=sys.stdout, buffer=False).run(suite)
    if not result.wasSuccessful() or result.testsRun + len(result.skipped) == 0:
        return 1
    if result.skipped:
        print("skipped: " + "; ".join(sorted({reason for _, reason in result.skipped})))
        return 77
    return 0


if __name__ == "__main__":
    sys.exit(main())
