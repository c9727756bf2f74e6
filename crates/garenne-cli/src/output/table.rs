//! Tables that fit a terminal, and are whole where there is none.

use std::io;

use unicode_width::UnicodeWidthStr;

use super::screen::{STRONG, Screen, styled};
use super::text::{clean, cut};

/// The gap between two columns.
const GAP: usize = 2;
/// So many rows are laid out together; longer tables are written in parts, with columns that only
/// grow.
const PART: usize = 500;
/// A flexible column is not made narrower.
const FLEXIBLE_MIN: usize = 24;

/// One column of a table.
#[derive(Clone, Copy)]
pub(crate) struct Column {
    pub(crate) title: &'static str,
    pub(crate) kind: Kind,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Shown whole, to the left.
    Text,
    /// Shown whole, to the right.
    Number,
    /// Gets what is left, and is cut to it. Where that is too little, it goes on a line of its own.
    Flexible,
}

impl Column {
    pub(crate) const fn text(title: &'static str) -> Self {
        Self {
            title,
            kind: Kind::Text,
        }
    }

    pub(crate) const fn number(title: &'static str) -> Self {
        Self {
            title,
            kind: Kind::Number,
        }
    }

    pub(crate) const fn flexible(title: &'static str) -> Self {
        Self {
            title,
            kind: Kind::Flexible,
        }
    }
}

/// A table that is written while its rows come in.
pub(crate) struct Table {
    columns: Vec<Column>,
    widths: Vec<usize>,
    rows: Vec<Vec<String>>,
    has_head: bool,
}

impl Table {
    /// At most one column is flexible, the last one.
    pub(crate) fn new(columns: &[Column]) -> Self {
        Self {
            widths: columns.iter().map(|column| column.title.width()).collect(),
            columns: columns.to_vec(),
            rows: Vec::new(),
            has_head: false,
        }
    }

    /// Adds a row with a text for each column.
    pub(crate) fn row(&mut self, cells: &[String], screen: &mut Screen) -> io::Result<()> {
        let cells: Vec<_> = cells.iter().map(|cell| clean(cell)).collect();
        for (width, cell) in self.widths.iter_mut().zip(&cells) {
            *width = (*width).max(cell.width());
        }
        self.rows.push(cells);
        if self.rows.len() >= PART {
            self.write(screen)?;
        }
        Ok(())
    }

    /// Writes what is not written yet.
    pub(crate) fn write(&mut self, screen: &mut Screen) -> io::Result<()> {
        let layout = self.layout(screen.width());
        if !self.has_head && !self.rows.is_empty() {
            self.has_head = true;
            let titles: Vec<_> = self.columns.iter().map(|c| c.title.to_owned()).collect();
            for line in self.lines(&titles, layout) {
                screen.line(&styled(STRONG, &line))?;
            }
        }
        for row in std::mem::take(&mut self.rows) {
            for line in self.lines(&row, layout) {
                screen.line(&line)?;
            }
        }
        Ok(())
    }

    fn layout(&self, width: Option<usize>) -> Layout {
        let last = self.columns.len().saturating_sub(1);
        let is_flexible = self
            .columns
            .last()
            .is_some_and(|column| column.kind == Kind::Flexible);
        let Some(width) = width.filter(|_| is_flexible) else {
            return Layout::Whole;
        };
        let fixed: usize = self.widths[..last].iter().map(|width| width + GAP).sum();
        match width.checked_sub(fixed) {
            Some(room) if room >= FLEXIBLE_MIN || room >= self.widths[last] => Layout::Cut(room),
            _ => Layout::Below(width.saturating_sub(GAP * 2)),
        }
    }

    fn lines(&self, cells: &[String], layout: Layout) -> Vec<String> {
        let last = cells.len().saturating_sub(1);
        let mut line = String::new();
        let mut below = None;
        for (index, cell) in cells.iter().enumerate() {
            let Some((column, width)) = self.columns.get(index).zip(self.widths.get(index)) else {
                continue;
            };
            let pad = " ".repeat(width.saturating_sub(cell.width()));
            match (column.kind, layout) {
                (Kind::Flexible, Layout::Below(room)) => below = Some(cut(cell, room)),
                (Kind::Flexible, Layout::Cut(room)) => line.push_str(&cut(cell, room)),
                (Kind::Number, _) => line.push_str(&format!("{pad}{cell}")),
                _ => line.push_str(&format!("{cell}{pad}")),
            }
            if index < last {
                line.push_str(&" ".repeat(GAP));
            }
        }
        let mut lines = vec![line.trim_end().to_owned()];
        lines.extend(
            below
                .filter(|text| !text.is_empty())
                .map(|text| format!("{}{text}", " ".repeat(GAP * 2))),
        );
        lines
    }
}

#[derive(Clone, Copy)]
enum Layout {
    /// Every cell as it is.
    Whole,
    /// The flexible column has this much room.
    Cut(usize),
    /// The flexible column is on a line of its own, with this much room.
    Below(usize),
}
