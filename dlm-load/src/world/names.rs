//! Names that pages, logs and exports must show as they are.

/// Names that are code, paths, formulas or addresses elsewhere.
pub(super) const HOSTILE: [&str; 12] = [
    "<img src=x onerror=alert(1)>",
    "\"><script>alert(1)</script>",
    "{{constructor.constructor('alert(1)')()}}",
    "javascript:alert(1)",
    "../../etc/passwd",
    "%2e%2e%2f%00",
    "a?b=c&d#e;f",
    "=HYPERLINK(\"http://example.org\";\"A1\")",
    "'; DROP TABLE claims; --",
    "names/名前/ロック/قفل/🔒",
    "z\u{0336}\u{0321}a\u{0337}\u{0316}l\u{0335}\u{0347}g\u{0334}\u{0353}o\u{0338}\u{0349}",
    "no/word/breaks/aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\
     aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
];

/// Different names that look like `payments/settle`.
pub(super) const LOOK_ALIKE: [&str; 6] = [
    "payments/settle",
    "payments/settle ",
    "payments/settle\u{a0}",
    "pay\u{200b}ments/settle",
    // The first letter is Cyrillic.
    "рayments/settle",
    "Payments/settle",
];
