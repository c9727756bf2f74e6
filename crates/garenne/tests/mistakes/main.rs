//! What the compiler says to the likely mistakes of somebody who writes a handler.
//!
//! Each file in `cases` makes one mistake; the file `.stderr` beside it has the words of the compiler.
//! The first run checks garenne and its dependencies once more, in `target/tests`: three minutes of one core
//! and 600 MB. Later runs take two seconds, or twenty after a change of garenne.
//!
//! The words change with the compiler's version: after an update, `TRYBUILD=overwrite cargo test -p garenne --test
//! mistakes` writes them anew, and the difference shows whether they can still be read.

#[test]
fn the_compiler_says_what_is_wrong_with_a_handler_and_what_to_do() {
    trybuild::TestCases::new().compile_fail("tests/mistakes/cases/*.rs");
}
