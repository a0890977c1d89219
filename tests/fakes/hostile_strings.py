"""Forty texts that data may hold and that must be shown, never obeyed."""

from __future__ import annotations

HOSTILE_STRINGS = (
    # markup that a rich-text widget would obey
    "<b>bold</b>.jsonl",
    "<h1>huge</h1>",
    "<img src='file:///etc/passwd' width=9000>",
    '<a href="https://example.invalid/">click</a>',
    "<table><tr><td>cell",
    "<style>*{color:red}</style>",
    "<script>alert(1)</script>",
    "<!-- not seen -->",
    "&lt;b&gt; &amp; &#x202e;",
    "a < b && b > c",
    "</p></qt><b>out of the tooltip</b>",
    "**bold** _it_ `code` [a](b)",
    # signs that labels, buttons, formats and shells would take for their own
    "Fish & Chips && &more",
    "%1 %2 %n {0} {name} %s",
    "$(reboot) `id` ; rm -rf ~ | tee",
    "../../../../etc/passwd",
    "-rf --help",
    "C:\\con\\nul.txt",
    "a\\nb\\u202e\\0",
    "'; DROP TABLE jobs; --",
    "\"quoted\" 'twice'",
    # control characters
    "null\x00inside",
    "bell\x07 back\x08space escape\x1b[31mred\x1b[0m",
    "line one\nline two\r\nline three",
    "tab\tand\vvertical\ffeed",
    "delete\x7f and \x85 next line",
    "paragraph\u2029 and line\u2028 separators",
    # direction and invisibility
    "report\u202egnp.jsonl",
    "\u2066isolate\u2069 \u202bembed\u202c",
    "mark\u200e\u200f\u061cs",
    "zero\u200bwidth\ufeffjoin\u2060er",
    "soft\u00adhyphen and tag\U000e0041\U000e007f",
    "\ud800 half a pair \udfff",
    "private \ue000 and none \uffff",
    # letters that stack, mix or take much room
    "Z" + "\u0300\u0301\u0302\u0303\u0304" * 40 + "algo",
    "\u0627\u0644\u0639\u0631\u0628\u064a\u0629 \u05e2\u05d1\u05e8\u05d9\u05ea mixed 123.jsonl",
    "\U0001f469\u200d\U0001f469\u200d\U0001f467\u200d\U0001f466 \U0001f3f3\ufe0f\u200d\U0001f308 family",
    "\ufdfd\ufdfd\ufdfd \u102a\u2e3b",
    "word" * 2_500,
    "many words " * 1_000,
)
assert len(HOSTILE_STRINGS) == 40
