"""README.zh-CN.md says the same numbers as README.md, and its links lead somewhere."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[1]
ENGLISH, CHINESE = ((ROOT / name).read_text(encoding="utf-8") for name in ("README.md", "README.zh-CN.md"))


def test_every_number_of_the_chinese_readme_is_in_the_english_one():
    prose = re.sub(r"```.*?```|\]\(.*?\)", "", CHINESE, flags=re.S)
    english = ENGLISH.replace(",", "")
    numbers = set(re.findall(r"\d+\.\d+|\d\d+", prose))
    assert len(numbers) > 10 and sorted(n for n in numbers if n not in english) == []


def test_links_lead_to_files():
    for text in (ENGLISH, CHINESE):
        for target in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", text):
            assert (ROOT / target).exists(), target


def test_programs_are_those_of_the_english_readme():
    def code(text):
        blocks = re.findall(r"```python\n(.*?)```", text, flags=re.S)
        return [re.sub(r"\s*#.*", "", block) for block in blocks]

    assert code(CHINESE) == code(ENGLISH)
