"""What of the chapters cannot be copied, and what keeps it off the page: python tools/snippets.py"""

from chapters import BOOK, chapters
from copyable import of_chapter


def main():
    for path in chapters():
        snippets, left_out = of_chapter(path)
        print(f"{path.relative_to(BOOK)}: {len(snippets)} snippets")
        for name, missing in left_out.items():
            print(f"  not {name}: reads {', '.join(sorted(missing))}")


if __name__ == "__main__":
    main()
