//! Finds text files and counts their words.

use std::io;
use std::path::{Path, PathBuf};

/// All text files below a directory, sorted. Hidden files and build output are
/// skipped.
///
/// # Errors
///
/// When a directory can't be read.
pub fn text_files(directory: &Path) -> io::Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(directory)? {
        let entry = entry?;
        let name = entry.file_name();
        let name = name.to_string_lossy();
        if name.starts_with('.') || name == "target" || name == "node_modules" {
            continue;
        }
        let kind = entry.file_type()?;
        if kind.is_dir() {
            files.extend(text_files(&entry.path())?);
        } else if kind.is_file() && has_text_extension(&name) {
            files.push(entry.path());
        }
    }
    files.sort();
    Ok(files)
}

fn has_text_extension(name: &str) -> bool {
    ["rs", "md", "toml", "sql", "txt", "ts", "vue"]
        .iter()
        .any(|extension| name.ends_with(&format!(".{extension}")))
}

/// Counts the words of a file.
///
/// # Errors
///
/// When the file can't be read.
pub fn count_words(file: &Path) -> io::Result<i64> {
    let text = std::fs::read(file)?;
    let words = String::from_utf8_lossy(&text).split_whitespace().count();
    Ok(i64::try_from(words).unwrap_or(i64::MAX))
}
