"""Set the address of the book's repository in _config.yml and in every file that repeats it.

python tools/set_address.py https://github.com/account/repository
"""

import re
import subprocess
import sys

import yaml
from chapters import ROOT


def address(root=ROOT):
    """The address as _config.yml, its one home, has it."""
    return yaml.safe_load((root / "_config.yml").read_text(encoding="utf-8"))["repository"]["url"]


def texts(root=ROOT):
    """(path, text) of every tracked text file."""
    names = subprocess.run(["git", "ls-files", "-z"], cwd=root, capture_output=True, text=True, check=True)
    for name in filter(None, names.stdout.split("\0")):
        path = root / name
        try:
            yield path, path.read_text(encoding="utf-8")
        except (UnicodeDecodeError, FileNotFoundError):  # a picture, or a file deleted since
            continue


def slug(url):
    """account/repository, which badges and links to Colab use."""
    return url.removeprefix("https://github.com/")


def site(url):
    """account.github.io/repository, where the code host publishes the book."""
    account, repository = slug(url).split("/")
    return f"{account}.github.io/{repository}"


def main():
    new = (sys.argv[1] if len(sys.argv) == 2 else "").removesuffix("/").removesuffix(".git")
    if not re.fullmatch(r"https://github\.com/[\w-]+/[\w.-]+", new):
        sys.exit(f"URL={new!r}: want https://github.com/account/repository")
    old = address()
    for path, text in list(texts()):
        changed = text.replace(slug(old), slug(new)).replace(site(old), site(new))
        if changed != text:
            path.write_text(changed, encoding="utf-8")
            print(path.relative_to(ROOT))


if __name__ == "__main__":
    main()
