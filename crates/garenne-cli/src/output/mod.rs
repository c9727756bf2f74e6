//! What people see: a screen that knows its width, tables, progress.

mod progress;
mod screen;
mod table;
mod text;

pub(crate) use progress::Progress;
pub(crate) use screen::{BAD, FAINT, FAULT, GOOD, STRONG, Screen, ask, styled, tell};
pub(crate) use table::{Column, Table};
pub(crate) use text::{clean, clean_lines, count, time};
