//! Panics, in words.

use std::any::Any;

/// The text of a panic, if it has a text.
pub(crate) fn panic_text(panic: &dyn Any) -> String {
    let text = panic
        .downcast_ref::<&str>()
        .copied()
        .or_else(|| panic.downcast_ref::<String>().map(String::as_str));
    format!("panicked: {}", text.unwrap_or("(no text)"))
}
